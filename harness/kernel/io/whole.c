// SPDX-License-Identifier: GPL-2.0-only
/*
 * whole - a file that has the kernel's whole API, per-CPU caches among it.
 *
 * Stands in the place of unit.c.  IO_VARIANT_FILE includes such a file under other
 * names (iova_lab/linux): the drop-in of harness/dropin, or the text of a tree.
 * Each domain has a struct iova_domain of that file's.
 *
 * Costs two instructions for each call of the fast API.  What the caches serve is
 * not counted: only the file itself could.
 */
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include IO_VARIANT_FILE

#include "unit.h"

/* @nr_slow: ranges that are live and not the fast API's */
struct io_domain {
	struct iova_domain iovad;
	atomic_long_t nr_slow;
};

static notrace unsigned long
whole_alloc_fast(struct io_domain *domain, unsigned long size,
		 unsigned long limit_pfn, bool flush)
{
	unsigned long pfn = alloc_iova_fast(&domain->iovad, size, limit_pfn,
					    flush);

	return likely(pfn) ? pfn : IO_REFUSED;
}

static notrace void whole_free_fast(struct io_domain *domain, unsigned long pfn,
				    unsigned long size)
{
	free_iova_fast(&domain->iovad, pfn, size);
}

static unsigned long whole_alloc(struct io_domain *domain, unsigned long size,
				 unsigned long limit_pfn, bool size_aligned)
{
	unsigned long pfn = iova_variant.alloc(&domain->iovad, size, limit_pfn,
					       size_aligned);

	if (pfn != IO_REFUSED)
		atomic_long_inc(&domain->nr_slow);
	return pfn;
}

static void whole_free(struct io_domain *domain, unsigned long pfn,
		       unsigned long size)
{
	iova_variant.free(&domain->iovad, pfn);
	atomic_long_dec(&domain->nr_slow);
}

static int whole_reserve(struct io_domain *domain, unsigned long pfn_lo,
			 unsigned long pfn_hi)
{
	return iova_variant.reserve(&domain->iovad, pfn_lo, pfn_hi);
}

static struct io_domain *whole_new(unsigned long granule,
				   unsigned long start_pfn, u16 dom)
{
	struct io_domain *domain = kzalloc(sizeof(*domain), GFP_KERNEL);

	if (domain &&
	    !iova_variant.init_domain(&domain->iovad, granule, start_pfn))
		return domain;
	kfree(domain);
	return NULL;
}

static int whole_use_caches(struct io_domain *domain)
{
	return iova_domain_init_rcaches(&domain->iovad);
}

static u64 whole_delete(struct io_domain *domain)
{
	u64 nr_left = atomic_long_read(&domain->nr_slow);

	iova_variant.put_domain(&domain->iovad);
	kfree(domain);
	return nr_left;
}

const struct io_unit io_built_unit = {
	.new = whole_new,
	.delete = whole_delete,
	.use_caches = whole_use_caches,
	.alloc_fast = whole_alloc_fast,
	.free_fast = whole_free_fast,
	.alloc = whole_alloc,
	.free = whole_free,
	.reserve = whole_reserve,
};
