// SPDX-License-Identifier: GPL-2.0-only
/*
 * single_cached - one cached node for the whole address space, and max32.
 *
 * Never a kernel release: the question it answers is whether 32-bit and 64-bit
 * requests need a cached node each.  A request starts at the cached node if that
 * lies at or below its limit, else at the first node at or above the limit, so
 * that a 32-bit request does not pay for the 64-bit ranges; the second pass and
 * the recorded failure are those of mainline.
 *
 * Cost in live ranges n: O(log n) to find a start above the limit, then as
 * mainline: 1 step when there is room below, n at worst.
 *
 * Invariants, all under lock:
 *   - the anchor is the last node, above every limit
 *   - cached_node is in the tree
 *   - max32_alloc_size is dma_32bit_pfn, or the size of a request that failed
 *     since the last free below dma_32bit_pfn
 */
#define IOVA_HOOK(name)	single_cached_##name
#include "range_variant.h"

struct iova_domain {
	struct range_domain domain;
	struct rb_node *cached_node;
	unsigned long max32_alloc_size;
};

static void single_cached_init_state(struct iova_domain *iovad)
{
	iovad->cached_node = range_anchor(&iovad->domain);
	iovad->max32_alloc_size = iovad->domain.dma_32bit_pfn;
}

static bool single_cached_find_gap(struct iova_domain *iovad,
				   unsigned long size, unsigned long high,
				   bool size_aligned, struct iova_gap *gap)
{
	struct range_domain *domain = &iovad->domain;
	unsigned long mask = iova_align_mask(size, size_aligned);
	struct rb_node *start = iovad->cached_node;
	unsigned long retry_pfn;

	if (high <= domain->dma_32bit_pfn && size >= iovad->max32_alloc_size)
		return false;

	if (to_iova(start)->pfn_lo > high)
		start = range_tree_at_high(&domain->ranges, high);
	retry_pfn = to_iova(start)->pfn_hi;
	if (range_walk_down(start, size, high, domain->start_pfn, mask, gap))
		return true;

	/* The first pass never saw what lies above its start. */
	if (retry_pfn < high) {
		start = range_tree_above(&domain->ranges, high);
		if (range_walk_down(start, size, high, retry_pfn + 1, mask,
				    gap))
			return true;
	}
	iovad->max32_alloc_size = size;
	return false;
}

static void single_cached_remember(struct iova_domain *iovad, struct iova *new,
				   unsigned long high)
{
	iovad->cached_node = &new->node;
}

static void single_cached_forget(struct iova_domain *iovad, struct iova *freed)
{
	if (freed->pfn_lo < iovad->domain.dma_32bit_pfn)
		iovad->max32_alloc_size = iovad->domain.dma_32bit_pfn;

	if (freed->pfn_lo >= to_iova(iovad->cached_node)->pfn_lo)
		iovad->cached_node = rb_next(&freed->node);
}

static const char *single_cached_verify_state(struct iova_domain *iovad)
{
	const struct rb_root *ranges = &iovad->domain.ranges;

	if (rb_last(ranges) != &iovad->domain.anchor.node)
		return "the anchor is not the last node";
	if (!range_tree_holds(ranges, iovad->cached_node))
		return "cached_node is not in the tree";
	return NULL;
}

static void single_cached_dump_state(struct iova_domain *iovad,
				     struct iova_words *out)
{
	iova_put_cached(out, iovad->cached_node);
	iova_put_word(out, iovad->max32_alloc_size);
}

RANGE_VARIANT(
	.name		= "single_cached",
	.summary	= "anchor, one cached node for all requests, max32, second pass",
	.kernel_release	= "-",
);
