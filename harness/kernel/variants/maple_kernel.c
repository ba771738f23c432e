// SPDX-License-Identifier: GPL-2.0-only
/*
 * maple_kernel - the rule of variant maple on the kernel's own maple tree.
 *
 * Finds the highest gap of at least size + align - 1 below the limit and aligns
 * down inside it; keeps max32.  One entry per live range, whose value says no
 * more than "taken".  O(log n).  The tree's own lock guards everything, with
 * interrupts off; memory is asked for under it, and must not sleep.
 *
 * Freeing stores nothing over the range, which may need memory: where there is
 * none, the range stays live.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/maple_tree.h>

#include "iova_variant.h"

struct iova_domain {
	struct maple_tree ranges;
	unsigned long start_pfn;
	unsigned long dma_32bit_pfn; /* first pfn above 4 GiB */
	unsigned long max32_alloc_size; /* 32-bit requests this large failed */
};

static void *const taken = (void *)8UL; /* low bits and 0 have meanings */

static int maple_kernel_init_domain(struct iova_domain *iovad,
				    unsigned long granule,
				    unsigned long start_pfn)
{
	mt_init_flags(&iovad->ranges, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_LOCK_IRQ);
	iovad->start_pfn = start_pfn;
	iovad->dma_32bit_pfn = 1UL << (32 - ilog2(granule));
	iovad->max32_alloc_size = iovad->dma_32bit_pfn;
	return 0;
}

static void maple_kernel_put_domain(struct iova_domain *iovad)
{
	mtree_destroy(&iovad->ranges);
}

/*
 *	|  below  |........... gap ...........|  above or limit  |
 *	                [ new ] <- align - 1 ->
 */
static int maple_kernel_search(struct iova_domain *iovad, struct ma_state *mas,
			       unsigned long size, unsigned long limit_pfn,
			       unsigned long align)
{
	bool is_32bit = limit_pfn < iovad->dma_32bit_pfn;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return -ENOSPC;
	if (limit_pfn < iovad->start_pfn ||
	    mas_empty_area_rev(mas, iovad->start_pfn, limit_pfn,
			       size + align - 1)) {
		if (is_32bit)
			iovad->max32_alloc_size = size;
		return -ENOSPC;
	}
	return 0;
}

static unsigned long
maple_kernel_alloc(struct iova_domain *iovad, unsigned long size,
		   unsigned long limit_pfn, bool size_aligned)
{
	unsigned long align = size_aligned ? roundup_pow_of_two(size) : 1;
	MA_STATE(mas, &iovad->ranges, 0, 0);
	unsigned long flags, pfn_lo = 0;
	int err;

	spin_lock_irqsave(&iovad->ranges.ma_lock, flags);
	err = maple_kernel_search(iovad, &mas, size, limit_pfn, align);
	if (!err) {
		pfn_lo = (mas.last + 1 - size) & ~(align - 1);
		mas_set_range(&mas, pfn_lo, pfn_lo + size - 1);
		err = mas_store_gfp(&mas, taken, GFP_ATOMIC);
	}
	spin_unlock_irqrestore(&iovad->ranges.ma_lock, flags);
	return err ? IOVA_REFUSED : pfn_lo;
}

static void maple_kernel_free(struct iova_domain *iovad, unsigned long pfn)
{
	MA_STATE(mas, &iovad->ranges, pfn, pfn);
	unsigned long flags;

	spin_lock_irqsave(&iovad->ranges.ma_lock, flags);
	if (mas_walk(&mas)) {
		if (mas.index < iovad->dma_32bit_pfn)
			iovad->max32_alloc_size = iovad->dma_32bit_pfn;
		mas_store_gfp(&mas, NULL, GFP_ATOMIC);
	}
	spin_unlock_irqrestore(&iovad->ranges.ma_lock, flags);
}

/* One range takes the place of all that the request meets, and of the request. */
static int maple_kernel_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
				unsigned long pfn_hi)
{
	unsigned long flags, low = pfn_lo, high = pfn_hi;
	MA_STATE(mas, &iovad->ranges, pfn_lo, pfn_lo);
	int err;

	spin_lock_irqsave(&iovad->ranges.ma_lock, flags);
	while (mas_find(&mas, pfn_hi)) {
		low = min(low, mas.index);
		high = max(high, mas.last);
	}
	mas_set_range(&mas, low, high);
	err = mas_store_gfp(&mas, taken, GFP_ATOMIC);
	spin_unlock_irqrestore(&iovad->ranges.ma_lock, flags);
	return err;
}

static bool maple_kernel_find(struct iova_domain *iovad, unsigned long pfn,
			      unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	MA_STATE(mas, &iovad->ranges, pfn, pfn);
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&iovad->ranges.ma_lock, flags);
	found = mas_walk(&mas);
	if (found) {
		*pfn_lo = mas.index;
		*pfn_hi = mas.last;
	}
	spin_unlock_irqrestore(&iovad->ranges.ma_lock, flags);
	return found;
}

IOVA_VARIANT(
	.name		= "maple_kernel",
	.summary	= "the rule of maple on the kernel's own maple tree",
	.kernel_release	= "-",
	.flags		= IOVA_V_FREE_NEEDS_MEM | IOVA_V_MERGES,
	.domain_size	= sizeof(struct iova_domain),
	.init_domain	= maple_kernel_init_domain,
	.put_domain	= maple_kernel_put_domain,
	.alloc		= maple_kernel_alloc,
	.free		= maple_kernel_free,
	.reserve	= maple_kernel_reserve,
	.find		= maple_kernel_find,
);
