// SPDX-License-Identifier: GPL-2.0-only
/*
 * no_cache - search from the top, every time.
 *
 * The textbook first fit, and what cached32 does to every 64-bit request.
 * Complete and exact, because it looks at every gap below the limit.
 *
 * Cost in live ranges n: every node above the gap, n at worst.
 *
 * Invariants, all under lock: those of range_tree; there is no other state.
 */
#include "range_legacy.h"

struct iova_domain {
	struct range_domain domain;
};

static void init_state(struct iova_domain *iovad)
{
}

static bool find_gap(struct iova_domain *iovad, unsigned long size,
		     unsigned long limit, bool size_aligned,
		     struct iova_gap *gap)
{
	gap->above = NULL;
	/* The walk looks at start_pfn only where it finds no node below. */
	return range_legacy_walk(rb_last(&iovad->domain.ranges), size, limit,
				 iovad->domain.start_pfn, size_aligned, gap) &&
	       gap->pfn_lo >= iovad->domain.start_pfn;
}

static void remember(struct iova_domain *iovad, struct iova *new,
		     unsigned long limit)
{
}

static void forget(struct iova_domain *iovad, struct iova *freed)
{
}

static const char *verify_state(struct iova_domain *iovad)
{
	return NULL;
}

static void dump_state(struct iova_domain *iovad, struct iova_words *out)
{
}

RANGE_VARIANT(
	.name		= "no_cache",
	.summary	= "rbtree, search from the top every time",
	.kernel_release	= "-",
	.flags		= IOVA_V_COMPLETE | IOVA_V_EXACT,
	.place		= range_place,
);
