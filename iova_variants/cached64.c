// SPDX-License-Identifier: GPL-2.0-only
/*
 * cached64 - cached32 plus a second cached node for 64-bit requests.
 *
 * David Woods, "iommu/iova: Improve alloc_iova performance", September 2017;
 * withdrawn a week later.  The kind of a request decides which node it starts
 * below and which it becomes.
 *
 * Cost in live ranges n: 1 step when there is room below the cached node of the
 * request's kind; n at worst, and whenever that node is not set.
 *
 * Declared breach: as cached32, the bound of a search that starts at a cached
 * node is that node and not the request's limit.
 *
 * Declared breach: start_pfn is held against the last gap only, so above a range
 * that was reserved below start_pfn a request can get a range below it too.
 *
 * Declared breach: alignment is computed in 32 bits, so a range of 2^32 pfns or
 * more is not aligned to its size.
 *
 * Invariant, under lock: each cached node is NULL or in the tree.
 */
#define IOVA_HOOK(name)	cached64_##name
#define RANGE_PAD	u32
#include "range_legacy.h"

struct iova_domain {
	struct range_domain domain;
	struct rb_node *cached32;
	struct rb_node *cached64;
};

static void cached64_init_state(struct iova_domain *iovad)
{
	iovad->cached32 = NULL;
	iovad->cached64 = NULL;
}

static bool cached64_find_gap(struct iova_domain *iovad, unsigned long size,
			      unsigned long high, bool size_aligned,
			      struct iova_gap *gap)
{
	struct range_domain *domain = &iovad->domain;
	struct rb_node *curr;

	gap->above = high <= domain->dma_32bit_pfn ? iovad->cached32 :
						     iovad->cached64;
	if (gap->above) {
		high = to_iova(gap->above)->pfn_lo;
		curr = rb_prev(gap->above);
	} else {
		curr = rb_last(&domain->ranges);
	}
	return range_legacy_walk(curr, size, high, domain->start_pfn,
				 size_aligned, gap);
}

static void cached64_remember(struct iova_domain *iovad, struct iova *new,
			      unsigned long high)
{
	if (high == iovad->domain.dma_32bit_pfn)
		iovad->cached32 = &new->node;
	else if (high > iovad->domain.dma_32bit_pfn)
		iovad->cached64 = &new->node;
}

static void cached64_forget_low(struct iova_domain *iovad, struct iova *freed)
{
	struct rb_node *next;

	if (iovad->cached64 == &freed->node)
		iovad->cached64 = NULL;
	if (!iovad->cached32 ||
	    freed->pfn_lo < to_iova(iovad->cached32)->pfn_lo)
		return;

	next = rb_next(&freed->node);
	if (next && to_iova(next)->pfn_lo <= iovad->domain.dma_32bit_pfn)
		iovad->cached32 = next;
	else
		iovad->cached32 = NULL;
}

static void cached64_forget(struct iova_domain *iovad, struct iova *freed)
{
	if (freed->pfn_lo <= iovad->domain.dma_32bit_pfn)
		cached64_forget_low(iovad, freed);
	else if (iovad->cached64 &&
		 freed->pfn_lo >= to_iova(iovad->cached64)->pfn_lo)
		iovad->cached64 = rb_next(&freed->node);
}

static const char *cached64_verify_state(struct iova_domain *iovad)
{
	const struct rb_root *ranges = &iovad->domain.ranges;

	if (iovad->cached32 && !range_tree_holds(ranges, iovad->cached32))
		return "cached32 is not in the tree";
	if (iovad->cached64 && !range_tree_holds(ranges, iovad->cached64))
		return "cached64 is not in the tree";
	return NULL;
}

static void cached64_dump_state(struct iova_domain *iovad,
				struct iova_words *out)
{
	iova_put_cached(out, iovad->cached32);
	iova_put_cached(out, iovad->cached64);
}

RANGE_VARIANT(
	.name		= "cached64",
	.summary	= "rbtree, one cached node for 32-bit and one for 64-bit requests",
	.kernel_release	= "Sep 2017, withdrawn",
	.flags		= IOVA_V_ABOVE_LIMIT | IOVA_V_BELOW_START |
			  IOVA_V_UNALIGNED,
);
