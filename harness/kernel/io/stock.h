/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stock - the kernel's own functions, called past their entry.
 *
 * At its entry a patched function leads to its replacement.  Behind that it is as
 * it was.
 */
#ifndef IO_STOCK_H
#define IO_STOCK_H

#include <linux/iova.h>

struct io_stock {
	typeof(alloc_iova_fast) *alloc_fast;
	typeof(free_iova_fast) *free_fast;
	typeof(alloc_iova) *alloc;
	typeof(free_iova) *free;
	typeof(__free_iova) *free_struct;
	typeof(find_iova) *find;
	typeof(reserve_iova) *reserve;
	typeof(init_iova_domain) *init;
	typeof(iova_domain_init_rcaches) *init_rcaches;
	typeof(put_iova_domain) *put;
};

extern struct io_stock io_stock;

/* Before the patch is enabled; 0, or -EOPNOTSUPP for an entry of another shape. */
int io_stock_find(void);

#endif
