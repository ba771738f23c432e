// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel - the running kernel's own allocator, through what it exports.
 *
 * struct iova_domain is the kernel's own here.  alloc() and free() are the tree's
 * (alloc_iova, free_iova): no rcache is asked.  It has no place(), so ageing asks
 * it for every range.
 */
#include <linux/iova.h>
#include <linux/log2.h>
#include <linux/mm.h>

#include "iova_variant.h"

static int kernel_init_domain(struct iova_domain *iovad, unsigned long granule,
			      unsigned long start_pfn)
{
	int err;

	/* Where the kernel would answer with BUG(). */
	if (!is_power_of_2(granule) || granule > PAGE_SIZE)
		return -EINVAL;
	err = iova_cache_get();
	if (!err)
		init_iova_domain(iovad, granule, start_pfn);
	return err;
}

static void kernel_put_domain(struct iova_domain *iovad)
{
	put_iova_domain(iovad);
	iova_cache_put();
}

static unsigned long kernel_alloc(struct iova_domain *iovad, unsigned long size,
				  unsigned long limit_pfn, bool size_aligned)
{
	struct iova *iova = alloc_iova(iovad, size, limit_pfn, size_aligned);

	return iova ? iova->pfn_lo : IOVA_REFUSED;
}

static int kernel_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
			  unsigned long pfn_hi)
{
	return reserve_iova(iovad, pfn_lo, pfn_hi) ? 0 : -ENOMEM;
}

static bool kernel_find(struct iova_domain *iovad, unsigned long pfn,
			unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	struct iova *iova = find_iova(iovad, pfn);

	if (!iova)
		return false;
	*pfn_lo = iova->pfn_lo;
	*pfn_hi = iova->pfn_hi;
	return true;
}

IOVA_VARIANT(
	.name		= "kernel",
	.summary	= "the running kernel's own, through its exported API",
	.kernel_release	= "-",
	.domain_size	= sizeof(struct iova_domain),
	.init_domain	= kernel_init_domain,
	.put_domain	= kernel_put_domain,
	.alloc		= kernel_alloc,
	.free		= free_iova,
	.reserve	= kernel_reserve,
	.find		= kernel_find,
);
