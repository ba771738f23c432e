// SPDX-License-Identifier: GPL-2.0-only
/*
 * best_fit - look at every gap, take the smallest that fits.
 *
 * Android and Qualcomm trees.  A gap is cut at the limit, and the range goes to
 * its aligned top; the search ends early only at a gap of exactly the size.
 * Complete, because it looks at every gap.
 *
 * Cost in live ranges n: every node, for every request.
 *
 * Invariants, all under lock: those of range_tree, and the anchor is the last
 * node; there is no other state.
 */
#define IOVA_HOOK(name)	best_fit_##name
#include "range_variant.h"

struct iova_domain {
	struct range_domain domain;
};

static void best_fit_init_state(struct iova_domain *iovad)
{
	range_anchor(&iovad->domain);
}

/*
 *	..|  below  |......... gap .........|  node  |..
 *		      [ new ] aligned down from min(high, node)
 */
static bool best_fit_find_gap(struct iova_domain *iovad, unsigned long size,
			      unsigned long high, bool size_aligned,
			      struct iova_gap *gap)
{
	unsigned long mask = iova_align_mask(size, size_aligned);
	unsigned long smallest = ~0UL, low, top, new;
	struct rb_node *node, *below;

	gap->above = NULL;
	for (node = &iovad->domain.anchor.node; node; node = below) {
		iova_visit(search);
		below = rb_prev(node);
		low = iovad->domain.start_pfn;
		if (below)
			low = max(low, to_iova(below)->pfn_hi + 1);
		top = min(high, to_iova(node)->pfn_lo);
		if (top < size || top <= low)
			continue;
		new = (top - size) & mask;
		if (new < low || top - low >= smallest)
			continue;
		smallest = top - low;
		gap->above = node;
		gap->pfn_lo = new;
		if (smallest == size)
			break;
	}
	return gap->above;
}

static void best_fit_remember(struct iova_domain *iovad, struct iova *new,
			      unsigned long high)
{
}

static void best_fit_forget(struct iova_domain *iovad, struct iova *freed)
{
}

static const char *best_fit_verify_state(struct iova_domain *iovad)
{
	if (rb_last(&iovad->domain.ranges) != &iovad->domain.anchor.node)
		return "the anchor is not the last node";
	return NULL;
}

static void best_fit_dump_state(struct iova_domain *iovad,
				struct iova_words *out)
{
}

RANGE_VARIANT(
	.name		= "best_fit",
	.summary	= "every gap is looked at, the smallest that fits is taken",
	.kernel_release	= "Android, Qualcomm",
	.flags		= IOVA_V_COMPLETE,
	.place		= range_place,
);
