// SPDX-License-Identifier: GPL-2.0-only
/*
 * max32 - anchor, two cached nodes, and the size of the last failure.
 *
 * Linux v4.20 - v5.10 (bee60e94a1e2); not today's 5.10 LTS: 5.10.262 also has the
 * reset by any 32-bit free (5b61343b5059) backported.
 *
 * As v4.15 - v4.19, and a 32-bit request at least as large as one that failed is
 * refused without a search, until a free moves cached32_node.
 *
 * Cost in live ranges n: as anchor; nothing for a request refused that way.
 * The record does not say which limit or alignment failed: a failed 24-bit
 * request refuses later 32-bit ones, and a 32-bit free below cached32_node does
 * not lift it, so requests fail though space exists.
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
	struct rb_node *start;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;

	start = is_32bit ? iovad->cached32_node : iovad->cached_node;
	/* start_pfn is looked at afterwards: it does not end the walk. */
	if (range_walk_down(start, size, limit, 0,
			    iova_align_mask(size, size_aligned), gap) &&
	    gap->pfn_lo >= domain->start_pfn)
		return true;

	iovad->max32_alloc_size = size;
	return false;
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
	.name		= "max32",
	.summary	= "anchor, two cached nodes, size of the last failure, one pass down",
	.kernel_release	= "v4.20 - v5.10",
);
