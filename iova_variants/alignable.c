// SPDX-License-Identifier: GPL-2.0-only
/*
 * alignable - every node keeps the largest aligned size that its subtree fits.
 *
 * Peng Zhang, v3, August - September 2022, declined.  The measure of the gap
 * below a node is the largest size, of any length, that fits there aligned to
 * the next power of two; a node keeps the maximum over its subtree.
 *
 * An allocation looks at the gap below the cached node.  With a limit above
 * 4 GiB it then looks at WALK_BOUND gaps from the top.  If none of them fits it
 * searches, from the gap that holds the limit towards lower addresses, and
 * leaves out every subtree whose maximum is below the size.
 *
 * Cost in live ranges n: 1 node if the gap below the cached node fits, else
 * O(log n) for every limit, size and alignment, and WALK_BOUND nodes more above
 * 4 GiB.  56 bytes per range, 64 in the slab.
 *
 * Not complete: the search measures an unaligned request as if it were aligned,
 * so it refuses requests that fit, and max32_alloc_size refuses them too.  Not
 * exact: the gap below the cached node need not be the highest that fits.
 *
 * [0, start_pfn - 1] is a live range from init_domain() on, and the only thing
 * that keeps allocations at or above start_pfn: a free of a pfn below start_pfn
 * opens that space.
 *
 * The description of the patch leaves room, which is filled like this:
 *   - the two cached nodes, which of them a limit takes, and how insert and
 *     erase move them, are those of v5.18, see mainline.c
 *   - a limit of exactly 4 GiB is a 32-bit limit: it takes the 32-bit cached
 *     node, has no walk from the top, and max32_alloc_size refuses it, as in
 *     v5.18; its failure is recorded, like that of every higher limit
 *   - what is recorded is the size of the last failure, even if a smaller one
 *     had failed before, as in v5.18
 *   - "below 4 GiB" is where the freed range begins, as in v5.18
 *   - a gap looked at before the search is judged by whether the request fits
 *     there, cut at the limit; a gap looked at by the search must also measure
 *     the size uncut, the one that holds the limit included
 *   - the walk from the top begins with the gap below the anchor, and counts
 *     gaps that lie above the limit
 *   - the search begins at the lowest node that does not end below the limit
 *   - where start_pfn is 0 there is no node below it
 *
 * Invariants, all under lock:
 *   - those of range_augmented
 *   - both cached nodes are in the tree
 *   - max32_alloc_size is dma_32bit_pfn, or the size of a request that failed
 *     with a limit of 4 GiB or more since the last free below dma_32bit_pfn
 */
#define IOVA_HOOK(name)	alignable_##name

enum { ALIGNED, NR_GAP_SIZES };

#include "aligned_room.h"
#include "range_augmented.h"
#include "range_max32.h"

#define WALK_BOUND	32

static int alignable_init_domain(struct iova_domain *iovad,
				 unsigned long granule, unsigned long start_pfn)
{
	int err = range_init_domain(iovad, granule, start_pfn);

	if (err || !start_pfn)
		return err;
	err = range_reserve(iovad, 0, start_pfn - 1);
	if (err)
		range_put_domain(iovad);
	return err;
}

static struct gap_sizes alignable_gap_measure(const struct iova_domain *iovad,
					      unsigned long gap_lo,
					      unsigned long high)
{
	struct gap_sizes gap = {
		.size[ALIGNED] = high > gap_lo ? aligned_room(gap_lo, high) : 0,
	};

	return gap;
}

static bool alignable_take_gap_below(struct rb_node *node,
				     const struct gap_request *request,
				     struct iova_gap *gap)
{
	iova_visit(search);
	return range_take_top(to_iova(node), range_gap_lo(to_iova(node)),
			      request, gap);
}

static bool alignable_walk_from_top(struct range_domain *domain,
				    const struct gap_request *request,
				    struct iova_gap *gap)
{
	struct rb_node *node = &domain->anchor.node;
	int i;

	for (i = 0; node && i < WALK_BOUND; i++) {
		if (alignable_take_gap_below(node, request, gap))
			return true;
		node = rb_prev(node);
	}
	return false;
}

static bool alignable_has_room(const struct iova *iova,
			       const struct gap_request *request)
{
	return iova->own.size[ALIGNED] >= request->least;
}

/* The highest gap with room in a subtree that has one. */
static struct iova *
alignable_highest_with_room(struct iova *iova,
			    const struct gap_request *request)
{
	for (;;) {
		struct iova *right = rb_entry_safe(iova->node.rb_right,
						   struct iova, node);

		iova_visit(search);
		if (right && range_may_fit(right, request))
			iova = right;
		else if (alignable_has_room(iova, request))
			return iova;
		else
			iova = to_iova(iova->node.rb_left);
	}
}

/*
 * Below the first gap the limit cuts none, and a gap with room fits: left
 * subtree, then the next lower ancestor, and so on.
 */
static bool alignable_search_left(struct rb_node *node,
				  const struct gap_request *request,
				  struct iova_gap *gap)
{
	struct rb_node *child;

	for (;;) {
		if (alignable_has_room(to_iova(node), request) &&
		    alignable_take_gap_below(node, request, gap))
			return true;
		child = node->rb_left;
		if (child && range_may_fit(to_iova(child), request)) {
			struct iova *above = alignable_highest_with_room(
				to_iova(child), request);

			return alignable_take_gap_below(&above->node, request,
							gap);
		}
		do {
			child = node;
			node = rb_parent(node);
			if (!node)
				return false;
			iova_visit(search);
		} while (child == node->rb_left);
	}
}

static bool alignable_find_gap(struct iova_domain *iovad, unsigned long size,
			       unsigned long high, bool size_aligned,
			       struct iova_gap *gap)
{
	struct range_anchored *anchored = &iovad->anchored;
	struct range_domain *domain = &anchored->domain;
	bool is_32bit = high <= domain->dma_32bit_pfn;
	struct gap_request request = {
		.size = size,
		.high = high,
		.mask = iova_align_mask(size, size_aligned),
		.most = ALIGNED,
		.least = size,
	};

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;
	if (alignable_take_gap_below(is_32bit ? anchored->cached32_node :
						anchored->cached_node,
				     &request, gap))
		return true;
	if (!is_32bit && alignable_walk_from_top(domain, &request, gap))
		return true;
	if (alignable_search_left(range_tree_at_high(&domain->ranges, high),
				  &request, gap))
		return true;
	if (high >= domain->dma_32bit_pfn)
		iovad->max32_alloc_size = size;
	return false;
}

/* The kernel's __cached_rbnode_delete_update(), of v5.18. */
static void alignable_forget(struct iova_domain *iovad, struct iova *freed)
{
	range_max32_forget_any(iovad, freed);
}

static const char *alignable_verify_state(struct iova_domain *iovad)
{
	const char *wrong = range_anchored_verify(&iovad->anchored);

	return wrong ? wrong : range_augmented_verify(&iovad->anchored.domain);
}

static void alignable_dump_state(struct iova_domain *iovad,
				 struct iova_words *out)
{
	range_anchored_dump(&iovad->anchored, out);
	iova_put_word(out, iovad->max32_alloc_size);
	range_augmented_dump(&iovad->anchored.domain, out);
}

RANGE_VARIANT_INIT(alignable_init_domain,
	.name		= "alignable",
	.summary	= "rbtree with the largest aligned size per subtree, cached nodes, max32",
	.kernel_release	= "v3, Sep 2022, declined",
	.flags		= IOVA_V_BELOW_START | IOVA_V_LOW_RANGE,
);
