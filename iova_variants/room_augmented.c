// SPDX-License-Identifier: GPL-2.0-only
/*
 * room_augmented - every node knows exactly what fits into its subtree's gaps.
 *
 * The candidate's two numbers on the kernel's tree of live ranges: for the gap
 * below each node, its length and the largest request that fits aligned to its
 * own size, and the most of both over its subtree.  So it is exact and O(log n),
 * and a free still takes an address alone.
 *
 * Cost in live ranges n: O(log n) nodes an op, for every limit, size and
 * alignment, refusals too; every insertion and erasure updates the nodes above.
 * 72 bytes per range, 128 in the slab.
 *
 * Invariants, all under lock: those of range_augmented.
 */
#define IOVA_HOOK(name)	room_augmented_##name

/* In the order in which gap_measure() has them. */
enum { ANYWHERE, ALIGNED, NR_GAP_SIZES };

#include "aligned_room.h"
#include "range_augmented.h"

struct iova_domain {
	struct range_domain domain;
};

static void room_augmented_init_state(struct iova_domain *iovad)
{
	range_anchor(&iovad->domain);
}

static struct gap_sizes
room_augmented_gap_measure(const struct iova_domain *iovad,
			   unsigned long gap_lo, unsigned long high)
{
	unsigned long low = max(gap_lo, iovad->domain.start_pfn);

	if (high <= low)
		return (struct gap_sizes){ .size = { 0, 0 } };
	return (struct gap_sizes){ .size = { high - low,
					     aligned_room(low, high) } };
}

/*
 * Right, own, left.  Only on the one way down to the limit can a subtree with
 * room have nothing to give.
 */
static bool room_augmented_search(struct rb_node *node,
				  const struct gap_request *request,
				  struct iova_gap *gap)
{
	struct iova *iova = rb_entry_safe(node, struct iova, node);

	if (!iova)
		return false;
	iova_visit(search);
	if (!range_may_fit(iova, request))
		return false;
	if (iova->pfn_lo < request->high &&
	    room_augmented_search(node->rb_right, request, gap))
		return true;
	if (iova->own.size[request->most] >= request->least &&
	    range_take_top(iova, range_gap_lo(iova), request, gap))
		return true;
	return room_augmented_search(node->rb_left, request, gap);
}

static bool room_augmented_find_gap(struct iova_domain *iovad,
				    unsigned long size, unsigned long high,
				    bool size_aligned, struct iova_gap *gap)
{
	struct gap_request request = {
		.size = size,
		.high = high,
		.low_pfn = iovad->domain.start_pfn,
		.mask = iova_align_mask(size, size_aligned),
		.most = size_aligned ? ALIGNED : ANYWHERE,
		.least = size,
	};

	return room_augmented_search(iovad->domain.ranges.rb_node, &request,
				     gap);
}

static void room_augmented_remember(struct iova_domain *iovad, struct iova *new,
				    unsigned long high)
{
}

static void room_augmented_forget(struct iova_domain *iovad, struct iova *freed)
{
}

static const char *room_augmented_verify_state(struct iova_domain *iovad)
{
	return range_augmented_verify(&iovad->domain);
}

static void room_augmented_dump_state(struct iova_domain *iovad,
				      struct iova_words *out)
{
	range_augmented_dump(&iovad->domain, out);
}

RANGE_VARIANT(
	.name		= "room_augmented",
	.summary	= "rbtree of live ranges with exactly what fits into each subtree",
	.kernel_release	= "-",
	.flags		= IOVA_V_COMPLETE | IOVA_V_EXACT,
);
