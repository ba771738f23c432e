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
#define IOVA_HOOK(name)	no_cache_##name
#include "range_legacy.h"

struct iova_domain {
	struct range_domain domain;
};

static void no_cache_init_state(struct iova_domain *iovad)
{
}

static bool no_cache_find_gap(struct iova_domain *iovad, unsigned long size,
			      unsigned long high, bool size_aligned,
			      struct iova_gap *gap)
{
	gap->above = NULL;
	/* The walk looks at start_pfn only where it finds no node below. */
	return range_legacy_walk(rb_last(&iovad->domain.ranges), size, high,
				 iovad->domain.start_pfn, size_aligned, gap) &&
	       gap->pfn_lo >= iovad->domain.start_pfn;
}

static void no_cache_remember(struct iova_domain *iovad, struct iova *new,
			      unsigned long high)
{
}

static void no_cache_forget(struct iova_domain *iovad, struct iova *freed)
{
}

static const char *no_cache_verify_state(struct iova_domain *iovad)
{
	return NULL;
}

static void no_cache_dump_state(struct iova_domain *iovad,
				struct iova_words *out)
{
}

RANGE_VARIANT(
	.name		= "no_cache",
	.summary	= "rbtree, search from the top every time",
	.kernel_release	= "-",
	.flags		= IOVA_V_COMPLETE | IOVA_V_EXACT,
	.place		= range_place,
);
