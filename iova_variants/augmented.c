// SPDX-License-Identifier: GPL-2.0-only
/*
 * augmented - every node knows the largest gap in its subtree.
 *
 * Rik van Riel, v2 of 18 May 2026.  A node keeps the gap below it, the part of
 * that gap below 4 GiB, and the most of both over its subtree.  A search goes
 * over the nodes from the top and leaves out subtrees whose gaps are too small.
 * There are no cached nodes; a 32-bit request that failed is remembered by its
 * size, as in v5.18, and refuses those of its size or more.
 *
 * Cost in live ranges n: O(log n) while a gap that is large enough also fits.
 * Where many do not, because they are misaligned or above the limit, every one
 * is looked at: n at worst.  72 bytes per range, 128 in the slab.
 *
 * Exact: gaps are tried from the top.  Not complete: max32_alloc_size says
 * nothing of the limit or alignment that failed.
 *
 * Invariants, all under lock:
 *   - those of range_augmented
 *   - max32_alloc_size is dma_32bit_pfn, or the size of a 32-bit request that
 *     failed since the last free below dma_32bit_pfn, whatever its limit was
 */
#define IOVA_HOOK(name)	augmented_##name

enum { GAP, GAP_32BIT, NR_GAP_SIZES };

#include "range_augmented.h"

struct iova_domain {
	struct range_domain domain;
	unsigned long max32_alloc_size;
};

static void augmented_init_state(struct iova_domain *iovad)
{
	range_anchor(&iovad->domain);
	iovad->max32_alloc_size = iovad->domain.dma_32bit_pfn;
}

static struct gap_sizes augmented_gap_measure(const struct iova_domain *iovad,
					      unsigned long gap_lo,
					      unsigned long high)
{
	unsigned long high32 = min(high, iovad->domain.dma_32bit_pfn);
	struct gap_sizes gap = {
		.size[GAP] = high - gap_lo,
		.size[GAP_32BIT] = high32 > gap_lo ? high32 - gap_lo : 0,
	};

	return gap;
}

/*
 * Right, own, left.  That a whole subtree lies above the limit is not seen: its
 * gaps are tried one by one.
 */
static bool augmented_search(struct rb_node *node,
			     const struct gap_request *request,
			     struct iova_gap *gap)
{
	struct iova *iova = rb_entry_safe(node, struct iova, node);

	if (!iova)
		return false;
	iova_visit(search);
	if (!range_may_fit(iova, request))
		return false;
	return augmented_search(node->rb_right, request, gap) ||
	       range_take_top(iova, iova->pfn_lo - iova->own.size[GAP], request,
			      gap) ||
	       augmented_search(node->rb_left, request, gap);
}

static bool augmented_find_gap(struct iova_domain *iovad, unsigned long size,
			       unsigned long high, bool size_aligned,
			       struct iova_gap *gap)
{
	struct range_domain *domain = &iovad->domain;
	bool is_32bit = high <= domain->dma_32bit_pfn;
	struct gap_request request = {
		.size = size,
		.high = high,
		.low_pfn = domain->start_pfn,
		.mask = iova_align_mask(size, size_aligned),
		.most = is_32bit ? GAP_32BIT : GAP,
		.least = size,
	};

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;
	if (augmented_search(domain->ranges.rb_node, &request, gap))
		return true;
	if (is_32bit)
		iovad->max32_alloc_size = size;
	return false;
}

static void augmented_remember(struct iova_domain *iovad, struct iova *new,
			       unsigned long high)
{
}

static void augmented_forget(struct iova_domain *iovad, struct iova *freed)
{
	if (freed->pfn_lo < iovad->domain.dma_32bit_pfn)
		iovad->max32_alloc_size = iovad->domain.dma_32bit_pfn;
}

static const char *augmented_verify_state(struct iova_domain *iovad)
{
	if (iovad->max32_alloc_size > iovad->domain.dma_32bit_pfn)
		return "max32_alloc_size is more than the 32-bit space";
	return range_augmented_verify(&iovad->domain);
}

static void augmented_dump_state(struct iova_domain *iovad,
				 struct iova_words *out)
{
	iova_put_word(out, iovad->max32_alloc_size);
	range_augmented_dump(&iovad->domain, out);
}

RANGE_VARIANT(
	.name		= "augmented",
	.summary	= "rbtree with the largest gap per subtree, whole and below 4 GiB",
	.kernel_release	= "v2, 18 May 2026",
	.flags		= IOVA_V_EXACT,
);
