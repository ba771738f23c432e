// SPDX-License-Identifier: GPL-2.0-only
/*
 * retry - anchor, two cached nodes, size of the last failure, second pass.
 *
 * Linux v5.13 - v5.17 (4e89dce72521; from v5.11, and as here, with a second pass
 * from the limit, since 371d7955e310).  As v4.20 - v5.10, and when the walk down
 * from the cached node fails, the space above that node is searched too.
 *
 * Cost in live ranges n: as mainline; a request that fails visits every node
 * below its limit.
 *
 * CVE-2023-52910, fixed by dcdb3ba7e2a8: the second pass begins right above the
 * node that the first one started at, and above the anchor, ~0, there is 0.  So
 * after a first pass from the anchor the second forgets start_pfn.  And only its
 * lower bound tells it from the first.
 *
 * Declared breach: a request can get a range below start_pfn.
 *
 * Declared breach: where the second pass begins at start_pfn it is taken for the
 * first, so a request that fails searches for ever, with the lock held: always if
 * start_pfn is 0 and the first pass started at the anchor.
 *
 * Invariants, all under lock:
 *   - the anchor is the last node, above every limit
 *   - both cached nodes are in the tree
 *   - max32_alloc_size is dma_32bit_pfn, or the size of a request that failed
 *     since a free last moved cached32_node, whatever its limit was
 */
#include "range_variant.h"

struct iova_domain {
	struct range_domain domain;
	struct rb_node *cached_node;
	struct rb_node *cached32_node;
	unsigned long max32_alloc_size;
};

static void init_state(struct iova_domain *iovad)
{
	iovad->cached_node = range_anchor(&iovad->domain);
	iovad->cached32_node = iovad->cached_node;
	iovad->max32_alloc_size = iovad->domain.dma_32bit_pfn;
}

static bool find_gap(struct iova_domain *iovad, unsigned long size,
		     unsigned long limit, bool size_aligned,
		     struct iova_gap *gap)
{
	struct range_domain *domain = &iovad->domain;
	bool is_32bit = limit <= domain->dma_32bit_pfn;
	unsigned long mask = iova_align_mask(size, size_aligned);
	unsigned long low_pfn = domain->start_pfn;
	struct rb_node *start;
	unsigned long retry_pfn;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;

	start = is_32bit ? iovad->cached32_node : iovad->cached_node;
	retry_pfn = to_iova(start)->pfn_hi + 1;	/* the anchor's wraps to 0 */
	while (!range_walk_down(start, size, limit, low_pfn, mask, gap)) {
		if (low_pfn != domain->start_pfn || retry_pfn >= limit) {
			iovad->max32_alloc_size = size;
			return false;
		}
		/* The first pass never saw what lies above its start. */
		low_pfn = retry_pfn;
		start = is_32bit ? range_tree_above(&domain->ranges, limit)
				 : &domain->anchor.node;
	}
	return true;
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
	unsigned long d32 = iovad->domain.dma_32bit_pfn;
	struct iova *cached32 = to_iova(iovad->cached32_node);
	struct iova *cached = to_iova(iovad->cached_node);

	if (freed == cached32 ||
	    (freed->pfn_hi < d32 && freed->pfn_lo >= cached32->pfn_lo)) {
		iovad->cached32_node = rb_next(&freed->node);
		iovad->max32_alloc_size = d32;
	}

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
	iova_put_word(out, iovad->max32_alloc_size);
}

RANGE_VARIANT(
	.name		= "retry",
	.summary	= "anchor, two cached nodes, max32, second pass from the limit",
	.kernel_release	= "v5.13 - v5.17",
	.flags		= IOVA_V_BELOW_START | IOVA_V_ENDLESS,
);
