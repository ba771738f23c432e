// SPDX-License-Identifier: GPL-2.0-only
/*
 * anchor - an anchor node above every limit, and two cached nodes by position.
 *
 * Linux v4.15 - v4.19, Robin Murphy (e60aa7b53845, bb68b2fbfbd6).  A request
 * starts at the cached node of its kind and walks down; it never looks up.
 *
 * Cost in live ranges n: 1 step when the space below the cached node is free,
 * n at worst.  Space above the starting node is not seen, so a request can fail
 * though space exists: 4K, 2G, 4K; or 500/12/499 MiB, free 12, 13 MiB, 2 MiB.
 *
 * Difference from v4.15: freeing cached32_node moves it even when it lies above
 * 4 GiB, which is the fix of v5.3; without it the pointer dangles.
 *
 * Invariants, all under lock:
 *   - the anchor is the last node, above every limit
 *   - both cached nodes are in the tree
 */
#include "range_variant.h"

struct iova_domain {
	struct range_domain domain;
	struct rb_node *cached_node;
	struct rb_node *cached32_node;
};

static void init_state(struct iova_domain *iovad)
{
	iovad->cached_node = range_anchor(&iovad->domain);
	iovad->cached32_node = iovad->cached_node;
}

static bool find_gap(struct iova_domain *iovad, unsigned long size,
		     unsigned long limit, bool size_aligned,
		     struct iova_gap *gap)
{
	struct rb_node *start = limit <= iovad->domain.dma_32bit_pfn ?
				iovad->cached32_node : iovad->cached_node;

	/* start_pfn is looked at afterwards: it does not end the walk. */
	return range_walk_down(start, size, limit, 0,
			       iova_align_mask(size, size_aligned), gap) &&
	       gap->pfn_lo >= iovad->domain.start_pfn;
}

/* By where the range lies, not by what was asked for. */
static void remember(struct iova_domain *iovad, struct iova *new,
		     unsigned long limit)
{
	if (new->pfn_hi < iovad->domain.dma_32bit_pfn)
		iovad->cached32_node = &new->node;
	else
		iovad->cached_node = &new->node;
}

static void forget(struct iova_domain *iovad, struct iova *freed)
{
	struct iova *cached32 = to_iova(iovad->cached32_node);
	struct iova *cached = to_iova(iovad->cached_node);

	if (freed == cached32 ||
	    (freed->pfn_hi < iovad->domain.dma_32bit_pfn &&
	     freed->pfn_lo >= cached32->pfn_lo))
		iovad->cached32_node = rb_next(&freed->node);

	if (freed->pfn_lo >= cached->pfn_lo)
		iovad->cached_node = rb_next(&freed->node);
}

static const char *verify_state(struct iova_domain *iovad)
{
	const struct rb_root *ranges = &iovad->domain.ranges;

	if (rb_last(ranges) != &iovad->domain.anchor.node)
		return "the anchor is not the last node";
	if (!range_tree_holds(ranges, iovad->cached_node))
		return "cached_node is not in the tree";
	if (!range_tree_holds(ranges, iovad->cached32_node))
		return "cached32_node is not in the tree";
	return NULL;
}

static void dump_state(struct iova_domain *iovad, struct iova_words *out)
{
	iova_put_cached(out, iovad->cached_node);
	iova_put_cached(out, iovad->cached32_node);
}

RANGE_VARIANT(
	.name		= "anchor",
	.summary	= "anchor, two cached nodes kept by position, one pass down",
	.kernel_release	= "v4.15 - v4.19",
);
