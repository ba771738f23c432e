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
#define IOVA_HOOK(name)	mainline_##name
#include "range_max32.h"

/* The search of the kernel's __alloc_and_insert_iova_range(). */
static bool mainline_find_gap(struct iova_domain *iovad, unsigned long size,
			      unsigned long high, bool size_aligned,
			      struct iova_gap *gap)
{
	struct range_anchored *anchored = &iovad->anchored;
	struct range_domain *domain = &anchored->domain;
	bool is_32bit = high <= domain->dma_32bit_pfn;
	unsigned long mask = iova_align_mask(size, size_aligned);
	struct rb_node *start;
	unsigned long retry_pfn;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;

	start = is_32bit ? anchored->cached32_node : anchored->cached_node;
	retry_pfn = to_iova(start)->pfn_hi;
	if (range_walk_down(start, size, high, domain->start_pfn, mask, gap))
		return true;

	/* The first pass never saw what lies above its start. */
	if (retry_pfn < high) {
		start = is_32bit ? range_tree_above(&domain->ranges, high) :
				   &domain->anchor.node;
		if (range_walk_down(start, size, high, retry_pfn + 1, mask,
				    gap))
			return true;
	}
	iovad->max32_alloc_size = size;
	return false;
}

/* The kernel's __cached_rbnode_delete_update(). */
static void mainline_forget(struct iova_domain *iovad, struct iova *freed)
{
	range_max32_forget_any(iovad, freed);
}

RANGE_VARIANT(
	.name		= "mainline",
	.summary	= "anchor, two cached nodes, second pass, max32 reset by any 32-bit free",
	.kernel_release	= "v6.1.7, v6.2 - 7.x",
);
