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
#define IOVA_HOOK(name)	max32_##name
#include "range_max32.h"

/* The search of the kernel's __alloc_and_insert_iova_range(). */
static bool max32_find_gap(struct iova_domain *iovad, unsigned long size,
			   unsigned long high, bool size_aligned,
			   struct iova_gap *gap)
{
	struct range_anchored *anchored = &iovad->anchored;
	struct range_domain *domain = &anchored->domain;
	bool is_32bit = high <= domain->dma_32bit_pfn;
	struct rb_node *start;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;

	start = is_32bit ? anchored->cached32_node : anchored->cached_node;
	/* start_pfn is looked at afterwards: it does not end the walk. */
	if (range_walk_down(start, size, high, 0,
			    iova_align_mask(size, size_aligned), gap) &&
	    gap->pfn_lo >= domain->start_pfn)
		return true;

	iovad->max32_alloc_size = size;
	return false;
}

/* The kernel's __cached_rbnode_delete_update(). */
static void max32_forget(struct iova_domain *iovad, struct iova *freed)
{
	range_max32_forget_moved(iovad, freed);
}

RANGE_VARIANT(
	.name		= "max32",
	.summary	= "anchor, two cached nodes, size of the last failure, one pass down",
	.kernel_release	= "v4.20 - v5.10",
);
