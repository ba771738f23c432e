/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * records - the struct iova of ranges that their callers hold by it.
 *
 * alloc_iova() returns one, reserve_iova() too; the fast API, which drivers use,
 * has none.  A list, O(n) to find one: its callers are few.
 */
#ifndef IO_RECORDS_H
#define IO_RECORDS_H

#include <linux/iova.h>
#include <linux/list.h>
#include <linux/spinlock.h>

/**
 * struct io_records - of one domain
 * @lock: guards both lists
 * @ranges: can be found, and freed
 * @reserved: can't
 */
struct io_records {
	spinlock_t lock;
	struct list_head ranges;
	struct list_head reserved;
};

void io_records_init(struct io_records *records);
/* Frees all records; returns how many ranges there were that can be freed. */
unsigned long io_records_exit(struct io_records *records);

/* One that is on no list, or NULL. */
struct iova *io_record_new(gfp_t gfp);
void io_record_delete(struct iova *iova);

void io_record_add(struct io_records *records, struct iova *iova,
		   unsigned long pfn_lo, unsigned long pfn_hi);
void io_record_keep(struct io_records *records, struct iova *iova,
		    unsigned long pfn_lo, unsigned long pfn_hi);
/* That of the range which holds @pfn, or NULL; taken, it is the caller's. */
struct iova *io_record_find(struct io_records *records, unsigned long pfn);
struct iova *io_record_take(struct io_records *records, unsigned long pfn);

#endif
