/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_variant - the ops table of a variant that keeps the holes of a domain only.
 *
 * What is kept, and the hooks of the including file, are in hole_domain.h.  One
 * lock around all of it.  Memory for the nodes that a free may need is taken by
 * the alloc before it, with the lock dropped meanwhile.
 */
#ifndef HOLE_VARIANT_H
#define HOLE_VARIANT_H

#include "hole_domain.h"

static int hole_init_domain(struct iova_domain *iovad, unsigned long granule,
			    unsigned long start_pfn)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	unsigned long flags;

	domain->cache = kmem_cache_create("iova_variant",
					  IOVA_HOOK(tree_node_size)(), 0,
					  SLAB_HWCACHE_ALIGN, NULL);
	if (!domain->cache)
		return -ENOMEM;
	spin_lock_init(&domain->lock);
	domain->start_pfn = start_pfn;
	domain->space_end = (~0UL >> ilog2(granule)) + 1;
	domain->bottom_end = start_pfn;
	domain->asked_end = start_pfn;
	domain->low = NO_HOLE;
	domain->lowest = ~0UL;

	spin_lock_irqsave(&domain->lock, flags);
	if (stock_up(domain, &flags))
		IOVA_HOOK(tree_init)(iovad);
	spin_unlock_irqrestore(&domain->lock, flags);
	if (domain->nr_covered)
		return 0;
	kmem_cache_destroy(domain->cache);
	return -ENOMEM;
}

static void hole_put_domain(struct iova_domain *iovad)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	IOVA_HOOK(tree_put)(iovad);
	while (domain->spare)
		kmem_cache_free(domain->cache, spare_pop(domain));
	kmem_cache_destroy(domain->cache);
}

static unsigned long hole_alloc(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn, bool size_aligned)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	const struct request request = {
		.size = size,
		.high = limit_pfn + 1,
		.mask = size_aligned ? ~0UL << fls_long(size - 1) : ~0UL,
		.size_aligned = size_aligned,
	};
	unsigned long flags, pfn_lo;
	bool found = false;

	spin_lock_irqsave(&domain->lock, flags);
	while (unlikely(domain->nr_live + 1 >= domain->nr_covered))
		if (!stock_up(domain, &flags))
			goto out;
	found = take_highest(iovad, &request, &pfn_lo);
	domain->nr_live += found;
out:
	spin_unlock_irqrestore(&domain->lock, flags);
	return found ? pfn_lo : IOVA_REFUSED;
}

static void hole_free_sized(struct iova_domain *iovad, unsigned long pfn,
			    unsigned long size)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	void *node = NULL;
	unsigned long flags;

	spin_lock_irqsave(&domain->lock, flags);
	if (likely(give_back(iovad, pfn, pfn + size))) {
		domain->nr_live--;
		if (unlikely(domain->nr_live + (NODES_SLACK + 1) * NODE_COVERS <
			     domain->nr_covered))
			node = surplus(domain);
	}
	spin_unlock_irqrestore(&domain->lock, flags);

	if (unlikely(node))
		kmem_cache_free(domain->cache, node);
}

/* The highest hole that reaches into [@lo, @end), cut to that. */
static bool hole_within(struct iova_domain *iovad, unsigned long lo,
			unsigned long end, struct hole *hole)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	unsigned long above_lo;

	if (!is_asked(domain, end))
		ask_up_to(iovad, end);
	if (domain->lowest < end)
		IOVA_HOOK(tree_around)(iovad, end - 1, hole, &above_lo);
	else if (domain->low.lo < end)
		*hole = domain->low;
	else
		*hole = (struct hole){ domain->start_pfn, domain->bottom_end };
	hole->lo = max(hole->lo, lo);
	hole->end = min(hole->end, end);
	return hole->lo < hole->end;
}

static unsigned long count_within(struct iova_domain *iovad, unsigned long lo,
				  unsigned long end)
{
	unsigned long nr = 0;
	struct hole hole;

	for (; hole_within(iovad, lo, end, &hole); end = hole.lo)
		nr++;
	return nr;
}

/* Twice over the same holes: nothing may change before there is memory. */
static int hole_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
			unsigned long pfn_hi)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	unsigned long flags, nr, end = pfn_hi + 1;
	struct hole hole;
	int err = -ENOMEM;

	spin_lock_irqsave(&domain->lock, flags);
	while (nr = count_within(iovad, pfn_lo, end),
	       domain->nr_live + nr >= domain->nr_covered)
		if (!stock_up(domain, &flags))
			goto out;
	for (; hole_within(iovad, pfn_lo, end, &hole); end = hole.lo) {
		if (domain->lowest < end)
			IOVA_HOOK(tree_take_out)(iovad, hole.lo, hole.end);
		else if (domain->low.lo < end)
			low_take_out(iovad, hole.lo, hole.end);
		else
			bottom_take_out(iovad, hole.lo, hole.end);
		domain->nr_live++;
	}
	err = 0;
out:
	spin_unlock_irqrestore(&domain->lock, flags);
	return err;
}

/* The bounds are those of everything in use around it. */
static bool hole_find(struct iova_domain *iovad, unsigned long pfn,
		      unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	unsigned long flags, above_lo;
	struct hole below;

	spin_lock_irqsave(&domain->lock, flags);
	if (pfn >= domain->lowest) {
		IOVA_HOOK(tree_around)(iovad, pfn, &below, &above_lo);
	} else if (pfn >= domain->low.lo) {
		below = domain->low;
		above_lo = domain->lowest;
	} else {
		below.end = domain->bottom_end;
		above_lo = min(domain->low.lo, domain->lowest);
	}
	above_lo = min(above_lo, domain->asked_end);
	spin_unlock_irqrestore(&domain->lock, flags);
	*pfn_lo = below.end;
	*pfn_hi = above_lo - 1;
	return pfn >= below.end && pfn < above_lo;
}

/* ---- verify and dump: every node ---- */

static const char *hole_verify(struct iova_domain *iovad)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	struct hole_walk walk = { .end = domain->asked_end + 1 };
	const char *wrong = IOVA_HOOK(tree_verify)(iovad, &walk);
	const struct spare *spare;

	if (!wrong && domain->lowest != (walk.nr_holes ? walk.end : ~0UL))
		wrong = "the lowest hole of the tree begins elsewhere";
	if (!wrong && domain->low.end)
		wrong = hole_walk_on(&walk, domain->low);
	if (wrong)
		return wrong;
	for (spare = domain->spare; spare; spare = spare->next)
		walk.nr_nodes++;
	if (domain->bottom_end < domain->start_pfn)
		return "the bottom hole ends before it starts";
	if (domain->bottom_end >= walk.end)
		return "the bottom hole reaches into the next";
	if (walk.nr_holes > domain->nr_live)
		return "there are more holes than live ranges can leave";
	if (walk.nr_nodes * NODE_COVERS != domain->nr_covered)
		return "the number of nodes is wrong";
	if (domain->nr_live >= domain->nr_covered)
		return "there are too few nodes for what may be freed";
	return NULL;
}

static size_t hole_dump(struct iova_domain *iovad, u64 *words, size_t nr_words)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	struct hole_words out = { words, nr_words, 0 };

	put_word(&out, domain->asked_end);
	put_word(&out, domain->bottom_end);
	put_hole(&out, domain->low);
	put_word(&out, domain->nr_live);
	put_word(&out, domain->nr_covered);
	IOVA_HOOK(tree_dump)(iovad, &out);
	return out.nr;
}

#define HOLE_VARIANT(...)						\
	IOVA_VARIANT(							\
		.flags		= IOVA_V_COMPLETE | IOVA_V_EXACT |	\
				  IOVA_V_FREE_NEEDS_SIZE,		\
		.domain_size	= sizeof(struct iova_domain),		\
		.init_domain	= hole_init_domain,			\
		.put_domain	= hole_put_domain,			\
		.alloc		= hole_alloc,				\
		.free_sized	= hole_free_sized,			\
		.reserve	= hole_reserve,				\
		.find		= hole_find,				\
		.verify		= hole_verify,				\
		.dump		= hole_dump,				\
		__VA_ARGS__						\
	)

#endif
