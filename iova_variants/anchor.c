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
#define IOVA_HOOK(name)	anchor_##name
#include "range_anchored.h"

struct iova_domain {
	struct range_anchored anchored;
};

static void anchor_init_state(struct iova_domain *iovad)
{
	range_anchored_init(&iovad->anchored);
}

/* The search of the kernel's __alloc_and_insert_iova_range(). */
static bool anchor_find_gap(struct iova_domain *iovad, unsigned long size,
			    unsigned long high, bool size_aligned,
			    struct iova_gap *gap)
{
	struct range_anchored *anchored = &iovad->anchored;
	struct range_domain *domain = &anchored->domain;
	struct rb_node *start = high <= domain->dma_32bit_pfn ?
					anchored->cached32_node :
					anchored->cached_node;

	/* start_pfn is looked at afterwards: it does not end the walk. */
	return range_walk_down(start, size, high, 0,
			       iova_align_mask(size, size_aligned), gap) &&
	       gap->pfn_lo >= domain->start_pfn;
}

/* The kernel's __cached_rbnode_delete_update(). */
static void anchor_forget(struct iova_domain *iovad, struct iova *freed)
{
	struct range_anchored *anchored = &iovad->anchored;
	struct iova *cached32 = to_iova(anchored->cached32_node);
	struct iova *cached = to_iova(anchored->cached_node);

	if (freed == cached32 ||
	    (freed->pfn_hi < anchored->domain.dma_32bit_pfn &&
	     freed->pfn_lo >= cached32->pfn_lo))
		anchored->cached32_node = rb_next(&freed->node);

	if (freed->pfn_lo >= cached->pfn_lo)
		anchored->cached_node = rb_next(&freed->node);
}

static void anchor_dump_state(struct iova_domain *iovad, struct iova_words *out)
{
	range_anchored_dump(&iovad->anchored, out);
}

RANGE_VARIANT(
	.name		= "anchor",
	.summary	= "anchor, two cached nodes kept by position, one pass down",
	.kernel_release	= "v4.15 - v4.19",
);
