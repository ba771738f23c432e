/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unit - one allocator as it would stand behind the kernel's API.
 *
 * All that unit.c makes of a variant: the tree, and per-CPU caches in front of it.
 * Sizes and addresses are in pfns.  What the caller keeps of a range (struct iova)
 * is not the unit's.
 */
#ifndef IO_UNIT_H
#define IO_UNIT_H

#include <linux/types.h>

#define IO_REFUSED	(~0UL)

/* A unit's own: the tree, the caches; unit.c and whole.c have one each. */
struct io_domain;

/**
 * struct io_unit - the hooks of one allocator
 * @new: an empty domain, which records its calls as those of domain @dom
 * @delete: gives back all memory; returns how many ranges were live that nobody
 *	had reserved
 * @use_caches: from now on alloc_fast() and free_fast() have caches
 * @alloc_fast: as alloc_iova_fast(); IO_REFUSED if it fails
 * @free_fast: as free_iova_fast()
 * @alloc: past the caches
 * @free: past the caches; @size as it was requested
 * @reserve: 0 or a negative errno
 */
struct io_unit {
	struct io_domain *(*new)(unsigned long granule, unsigned long start_pfn,
				 u16 dom);
	u64 (*delete)(struct io_domain *domain);
	int (*use_caches)(struct io_domain *domain);
	unsigned long (*alloc_fast)(struct io_domain *domain,
				    unsigned long size, unsigned long limit_pfn,
				    bool flush);
	void (*free_fast)(struct io_domain *domain, unsigned long pfn,
			  unsigned long size);
	unsigned long (*alloc)(struct io_domain *domain, unsigned long size,
			       unsigned long limit_pfn, bool size_aligned);
	void (*free)(struct io_domain *domain, unsigned long pfn,
		     unsigned long size);
	int (*reserve)(struct io_domain *domain, unsigned long pfn_lo,
		       unsigned long pfn_hi);
};

/* Of the allocator that the module was built with. */
extern const struct io_unit io_built_unit;

#endif
