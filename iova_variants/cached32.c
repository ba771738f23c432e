// SPDX-License-Identifier: GPL-2.0-only
/*
 * cached32 - one cached node, for 32-bit requests only.
 *
 * Linux v2.6.24 - v4.14, and the base of David Woods' patch of September 2017.
 * A 32-bit request starts below the last 32-bit allocation; any other walks from
 * the top, over every live range above the gap.
 *
 * Cost in live ranges n: 1 step for 32-bit requests with room below the cached
 * node; up to n for every 64-bit request.  Freeing any 64-bit range drops the
 * cached node.  Space above it is invisible to 32-bit requests.
 *
 * Declared breach: a search that starts at the cached node takes its bound from
 * that node and not from the request, so a request with a lower limit can get a
 * range above its limit.
 *
 * Declared breach: start_pfn is held against the last gap only, so above a range
 * that was reserved below start_pfn a request can get a range below it too.
 *
 * Declared breach: alignment is computed in 32 bits, so a range of 2^32 pfns or
 * more is not aligned to its size.
 *
 * Invariant, under lock: cached32 is NULL or in the tree, below 4 GiB.
 */
#define IOVA_HOOK(name)	cached32_##name
#define RANGE_PAD	u32
#include "range_legacy.h"

struct iova_domain {
	struct range_domain domain;
	struct rb_node *cached32;
};

static void cached32_init_state(struct iova_domain *iovad)
{
	iovad->cached32 = NULL;
}

/* __get_cached_rbnode(), and the search of __alloc_and_insert_iova_range(). */
static bool cached32_find_gap(struct iova_domain *iovad, unsigned long size,
			      unsigned long high, bool size_aligned,
			      struct iova_gap *gap)
{
	struct range_domain *domain = &iovad->domain;
	struct rb_node *curr;

	if (high <= domain->dma_32bit_pfn && iovad->cached32) {
		gap->above = iovad->cached32;
		high = to_iova(iovad->cached32)->pfn_lo;
		curr = rb_prev(iovad->cached32);
	} else {
		gap->above = NULL;
		curr = rb_last(&domain->ranges);
	}
	return range_legacy_walk(curr, size, high, domain->start_pfn,
				 size_aligned, gap);
}

/* The kernel's __cached_rbnode_insert_update(). */
static void cached32_remember(struct iova_domain *iovad, struct iova *new,
			      unsigned long high)
{
	if (high == iovad->domain.dma_32bit_pfn)
		iovad->cached32 = &new->node;
}

/* The kernel's __cached_rbnode_delete_update(). */
static void cached32_forget(struct iova_domain *iovad, struct iova *freed)
{
	struct rb_node *next;

	if (!iovad->cached32 ||
	    freed->pfn_lo < to_iova(iovad->cached32)->pfn_lo)
		return;

	next = rb_next(&freed->node);
	if (next && to_iova(next)->pfn_lo < iovad->domain.dma_32bit_pfn)
		iovad->cached32 = next;
	else
		iovad->cached32 = NULL;
}

static const char *cached32_verify_state(struct iova_domain *iovad)
{
	if (iovad->cached32 &&
	    !range_tree_holds(&iovad->domain.ranges, iovad->cached32))
		return "cached32 is not in the tree";
	return NULL;
}

static void cached32_dump_state(struct iova_domain *iovad,
				struct iova_words *out)
{
	iova_put_cached(out, iovad->cached32);
}

RANGE_VARIANT(
	.name		= "cached32",
	.summary	= "rbtree, one cached node for 32-bit requests, others from the top",
	.kernel_release	= "v2.6.24 - v4.14",
	.flags		= IOVA_V_ABOVE_LIMIT | IOVA_V_BELOW_START |
			  IOVA_V_UNALIGNED,
	.place		= range_place,
);
