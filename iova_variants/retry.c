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
#define IOVA_HOOK(name)	retry_##name
#include "range_max32.h"

/* The search of the kernel's __alloc_and_insert_iova_range(). */
static bool retry_find_gap(struct iova_domain *iovad, unsigned long size,
			   unsigned long high, bool size_aligned,
			   struct iova_gap *gap)
{
	struct range_anchored *anchored = &iovad->anchored;
	struct range_domain *domain = &anchored->domain;
	bool is_32bit = high <= domain->dma_32bit_pfn;
	unsigned long mask = iova_align_mask(size, size_aligned);
	unsigned long low_pfn = domain->start_pfn;
	struct rb_node *start;
	unsigned long retry_pfn;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;

	start = is_32bit ? anchored->cached32_node : anchored->cached_node;
	retry_pfn = to_iova(start)->pfn_hi + 1; /* the anchor's wraps to 0 */
	while (!range_walk_down(start, size, high, low_pfn, mask, gap)) {
		if (low_pfn != domain->start_pfn || retry_pfn >= high) {
			iovad->max32_alloc_size = size;
			return false;
		}
		/* The first pass never saw what lies above its start. */
		low_pfn = retry_pfn;
		start = is_32bit ? range_tree_above(&domain->ranges, high) :
				   &domain->anchor.node;
	}
	return true;
}

/* The kernel's __cached_rbnode_delete_update(). */
static void retry_forget(struct iova_domain *iovad, struct iova *freed)
{
	range_max32_forget_moved(iovad, freed);
}

RANGE_VARIANT(
	.name		= "retry",
	.summary	= "anchor, two cached nodes, max32, second pass from the limit",
	.kernel_release	= "v5.13 - v5.17",
	.flags		= IOVA_V_BELOW_START | IOVA_V_ENDLESS,
);
