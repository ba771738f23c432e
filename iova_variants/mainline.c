// SPDX-License-Identifier: GPL-2.0-only
/*
 * mainline - anchor, two cached nodes, two passes, size of the last failure.
 *
 * Linux v6.1.7, v6.2 and later: as retry, except that any free below 4 GiB
 * forgets the recorded failure (5b61343b5059, v5.18), and that the second pass
 * keeps to start_pfn and ends (dcdb3ba7e2a8, v6.2-rc4 and 6.1.7): v5.18 - v6.1.6
 * are this with retry's two breaches, CVE-2023-52910.  A request starts at a node kept
 * near the last allocation of its kind and walks down; if that fails, a second
 * pass looks above the starting node.
 *
 * Cost in live ranges n: 1 step when the space below the cached node is free;
 * every node below the limit for a request that fails; n/6 on average where
 * one random range is freed and one allocated, over and over.
 *
 * Invariants, all under lock:
 *   - the anchor is the last node, above every limit
 *   - both cached nodes are in the tree
 *   - max32_alloc_size is dma_32bit_pfn, or the size of a request that failed
 *     since the last free below dma_32bit_pfn, whatever its limit was
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
	struct rb_node *start;
	unsigned long retry_pfn;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;

	start = is_32bit ? iovad->cached32_node : iovad->cached_node;
	retry_pfn = to_iova(start)->pfn_hi;
	if (range_walk_down(start, size, limit, domain->start_pfn, mask, gap))
		return true;

	/* The first pass never saw what lies above its start. */
	if (retry_pfn < limit) {
		start = is_32bit ? range_tree_above(&domain->ranges, limit)
				 : &domain->anchor.node;
		if (range_walk_down(start, size, limit, retry_pfn + 1, mask,
				    gap))
			return true;
	}
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
	    (freed->pfn_hi < d32 && freed->pfn_lo >= cached32->pfn_lo))
		iovad->cached32_node = rb_next(&freed->node);

	if (freed->pfn_lo < d32)
		iovad->max32_alloc_size = d32;

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
	.name		= "mainline",
	.summary	= "anchor, two cached nodes, second pass, max32 reset by any 32-bit free",
	.kernel_release	= "v6.1.7, v6.2 - 7.x",
);
