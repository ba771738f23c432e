// SPDX-License-Identifier: GPL-2.0-only
/*
 * alignable - every node knows the largest aligned block in its subtree's gaps.
 *
 * Peng Zhang, v3, August - September 2022, declined.  A node keeps the largest
 * power of two that fits, aligned to itself, in the gap below it, and the most
 * of that over its subtree.  A request first walks down from a cached node, as
 * in v4.15 and later, but over WALK_BOUND nodes at most; then it descends from
 * the root, only into subtrees with a large enough block, to the highest gap
 * that fits.
 *
 * Cost in live ranges n: 1 step when the space below the cached node is free,
 * else WALK_BOUND and O(log n), for a failure too, if the size is 1 or the
 * request is aligned and its size a power of two: then a block that is large
 * enough is a fit.  For any other request a block is only necessary, and every
 * gap with a block and no room is looked at: n at worst.  56 bytes per range,
 * 64 in the slab.
 *
 * Complete: the descent leaves out only what can't fit.  Not exact: the walk
 * takes what it finds below the cached node.
 *
 * The description of the patch leaves room, which is filled like this:
 *   - the walk looks at 8 gaps at most, wherever the limit lies
 *   - the cached nodes are the two of v4.15, with the rules of anchor.c
 *   - no failure is remembered by its size
 *   - the lowest gap begins at start_pfn
 *   - a request that is not aligned, or no power of two, is not rounded up: the
 *     descent prunes at the least block that a gap for it must hold, see
 *     least_block(), and tries the gaps that have one
 *
 * Invariants, all under lock:
 *   - those of range_augmented
 *   - both cached nodes are in the tree
 */
enum { BLOCK, NR_GAP_SIZES };

#include "range_augmented.h"

/* Long enough for small domains, short beside the descent in large ones. */
#define WALK_BOUND	8

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

/*
 * A block of the largest power of two up to the gap's length may fit or not;
 * one of half of it fits in any case.
 */
static struct gap_sizes gap_measure(const struct iova_domain *iovad,
				    unsigned long gap_lo, unsigned long high)
{
	unsigned long low = max(gap_lo, iovad->domain.start_pfn);
	unsigned long block, top;

	if (high <= low)
		return (struct gap_sizes) { .size = { [BLOCK] = 0 } };
	block = rounddown_pow_of_two(high - low);
	top = (high - block) & ~(block - 1);
	return (struct gap_sizes) { .size = {
		[BLOCK] = top >= low ? block : block / 2,
	} };
}

/*
 * The least block that every gap with room for the request holds.
 *
 * Aligned: the range begins with one, the largest power of two up to its size.
 * Not aligned: the longest gap without a block of 2 b lies between them like
 * this, and has 4 b - 2 pfns.
 *
 *      0             2b            4b
 *      |X............|............X|
 */
static unsigned long least_block(unsigned long size, bool size_aligned)
{
	if (size_aligned)
		return rounddown_pow_of_two(size);
	return max(roundup_pow_of_two(size + 2) / 4, 1UL);
}

/* As range_walk_down(), over a bounded number of nodes. */
static bool walk_near(struct rb_node *curr, const struct gap_request *request,
		      struct iova_gap *gap)
{
	struct rb_node *below;
	unsigned long gap_lo;
	int i;

	for (i = 0; curr && i < WALK_BOUND; i++) {
		iova_visit(search);
		below = rb_prev(curr);
		gap_lo = below ? to_iova(below)->pfn_hi + 1 : 0;
		if (range_take_top(to_iova(curr), gap_lo, request, gap))
			return true;
		curr = below;
	}
	return false;
}

/*
 * Right, own, left.  What lies above the limit is passed on one way down, and
 * only there can a subtree with a large enough block have nothing to give.
 */
static bool search_subtree(struct rb_node *node,
			   const struct gap_request *request,
			   struct iova_gap *gap)
{
	struct iova *iova = rb_entry_safe(node, struct iova, node);

	if (!iova)
		return false;
	iova_visit(search);
	if (!range_may_fit(iova, request))
		return false;
	if (iova->pfn_lo < request->limit &&
	    search_subtree(node->rb_right, request, gap))
		return true;
	if (iova->own.size[BLOCK] >= request->least &&
	    range_take_top(iova, range_gap_lo(iova), request, gap))
		return true;
	return search_subtree(node->rb_left, request, gap);
}

static bool find_gap(struct iova_domain *iovad, unsigned long size,
		     unsigned long limit, bool size_aligned,
		     struct iova_gap *gap)
{
	struct range_domain *domain = &iovad->domain;
	struct rb_node *start = limit <= domain->dma_32bit_pfn ?
				iovad->cached32_node : iovad->cached_node;
	struct gap_request request = {
		.size = size,
		.limit = limit,
		.low_pfn = domain->start_pfn,
		.mask = iova_align_mask(size, size_aligned),
		.most = BLOCK,
		.least = least_block(size, size_aligned),
	};

	return walk_near(start, &request, gap) ||
	       search_subtree(domain->ranges.rb_node, &request, gap);
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

	if (!range_tree_holds(ranges, iovad->cached_node))
		return "cached_node is not in the tree";
	if (!range_tree_holds(ranges, iovad->cached32_node))
		return "cached32_node is not in the tree";
	return range_augmented_verify(&iovad->domain);
}

static void dump_state(struct iova_domain *iovad, struct iova_words *out)
{
	iova_put_cached(out, iovad->cached_node);
	iova_put_cached(out, iovad->cached32_node);
	range_augmented_dump(&iovad->domain, out);
}

RANGE_VARIANT(
	.name		= "alignable",
	.summary	= "rbtree with the largest aligned block per subtree, two cached nodes",
	.kernel_release	= "v3, Sep 2022, declined",
	.flags		= IOVA_V_COMPLETE,
);
