/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * api - the kernel's IOVA API, by the unit of the module or by the kernel's own code.
 */
#ifndef IO_API_H
#define IO_API_H

#include <linux/iova.h>

#include "unit.h"

/* Behind the API; NULL for the kernel's own code. */
extern const struct io_unit *io_unit;
/* The first domain that was initialised, while it is there. */
extern struct iova_domain *io_first;
/* That of the last request of the fast API in it. */
extern unsigned long io_first_limit;

unsigned long io_alloc_iova_fast(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn, bool flush);
void io_free_iova_fast(struct iova_domain *iovad, unsigned long pfn,
		       unsigned long size);
struct iova *io_alloc_iova(struct iova_domain *iovad, unsigned long size,
			   unsigned long limit_pfn, bool size_aligned);
void io_free_iova(struct iova_domain *iovad, unsigned long pfn);
void io_free_iova_struct(struct iova_domain *iovad, struct iova *iova);
struct iova *io_find_iova(struct iova_domain *iovad, unsigned long pfn);
struct iova *io_reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
			     unsigned long pfn_hi);
void io_init_iova_domain(struct iova_domain *iovad, unsigned long granule,
			 unsigned long start_pfn);
int io_iova_domain_init_rcaches(struct iova_domain *iovad);
void io_put_iova_domain(struct iova_domain *iovad);

#endif
