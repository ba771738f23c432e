/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * range_variant - the skeleton of a variant whose live ranges are a range_tree.
 *
 * One lock around search and insert, memory taken before it and given back after
 * it.  The including file holds only what makes it different: its struct
 * iova_domain, which begins with a struct range_domain, and six hooks, all of them
 * required.  RANGE_VARIANT() fills in the rest of the ops table.
 *
 * In drivers/iommu/iova.c the same jobs are those of
 *	range_init_domain()	init_iova_domain()
 *	range_put_domain()	put_iova_domain()
 *	range_alloc()		alloc_iova(), __alloc_and_insert_iova_range()
 *	range_free()		free_iova(), remove_iova()
 *	range_reserve()		reserve_iova()
 *	range_find()		find_iova()
 */
#ifndef RANGE_VARIANT_H
#define RANGE_VARIANT_H

#include <linux/spinlock.h>

#include "range_tree.h"

/**
 * struct range_domain - what every rbtree variant keeps
 * @lock: guards everything in the domain
 * @ranges: live ranges, and the anchor where there is one
 * @start_pfn: lowest pfn of the domain
 * @dma_32bit_pfn: first pfn above 4 GiB
 * @cache: memory of the nodes
 * @anchor: [~0, ~0], above every limit; in the tree only after range_anchor()
 */
struct range_domain {
	spinlock_t lock;
	struct rb_root ranges;
	unsigned long start_pfn;
	unsigned long dma_32bit_pfn;
	struct kmem_cache *cache;
	struct iova anchor;
};

/**
 * struct iova_gap - where a request goes
 * @above: the node that will follow it, NULL for "descend from the root"
 * @pfn_lo: its lowest pfn
 */
struct iova_gap {
	struct rb_node *above;
	unsigned long pfn_lo;
};

/* Set up the variant's own state; the range_domain is already there. */
static void IOVA_HOOK(init_state)(struct iova_domain *iovad);
/* Search below the exclusive bound @high; false to refuse. */
static bool IOVA_HOOK(find_gap)(struct iova_domain *iovad, unsigned long size,
				unsigned long high, bool size_aligned,
				struct iova_gap *gap);
/* @new went in for a request with the exclusive bound @high. */
static void IOVA_HOOK(remember)(struct iova_domain *iovad, struct iova *new,
				unsigned long high);
/* @freed is about to leave the tree. */
static void IOVA_HOOK(forget)(struct iova_domain *iovad, struct iova *freed);
/* NULL, or what is wrong with the variant's own state. */
static const char *IOVA_HOOK(verify_state)(struct iova_domain *iovad);
/* Put the variant's own state into a dump(). */
static void IOVA_HOOK(dump_state)(struct iova_domain *iovad,
				  struct iova_words *out);

static inline struct range_domain *to_range_domain(struct iova_domain *iovad)
{
	return (struct range_domain *)iovad;
}

static inline struct rb_node *range_anchor(struct range_domain *domain)
{
	domain->anchor.pfn_lo = ~0UL;
	domain->anchor.pfn_hi = ~0UL;
	range_tree_insert(&domain->ranges, &domain->anchor, NULL);
	return &domain->anchor.node;
}

/*
 * Walk down from @curr over the gaps that reach into [@low_pfn, @high).
 *
 *      ..|  low  |..... gap .....|  curr  |..
 *                      [ new ]<- aligned down from min(high, curr->pfn_lo)
 */
static inline bool range_walk_down(struct rb_node *curr, unsigned long size,
				   unsigned long high, unsigned long low_pfn,
				   unsigned long mask, struct iova_gap *gap)
{
	do {
		iova_visit(search);
		high = min(high, to_iova(curr)->pfn_lo);
		gap->pfn_lo = (high - size) & mask;
		gap->above = curr;
		curr = rb_prev(curr);
	} while (curr && gap->pfn_lo <= to_iova(curr)->pfn_hi &&
		 gap->pfn_lo >= low_pfn);

	return high >= size && gap->pfn_lo >= low_pfn;
}

static int range_init_domain(struct iova_domain *iovad, unsigned long granule,
			     unsigned long start_pfn)
{
	struct range_domain *domain = to_range_domain(iovad);

	domain->cache = kmem_cache_create("iova_variant", sizeof(struct iova),
					  0, SLAB_HWCACHE_ALIGN, NULL);
	if (!domain->cache)
		return -ENOMEM;
	spin_lock_init(&domain->lock);
	domain->ranges = RB_ROOT;
	domain->start_pfn = start_pfn;
	domain->dma_32bit_pfn = 1UL << (32 - ilog2(granule));
	IOVA_HOOK(init_state)(iovad);
	return 0;
}

static void range_put_domain(struct iova_domain *iovad)
{
	struct range_domain *domain = to_range_domain(iovad);

	range_tree_destroy(&domain->ranges, domain->cache, &domain->anchor);
	kmem_cache_destroy(domain->cache);
}

static inline void range_add(struct iova_domain *iovad, struct iova *new,
			     const struct iova_gap *gap, unsigned long size,
			     unsigned long high)
{
	new->pfn_lo = gap->pfn_lo;
	new->pfn_hi = gap->pfn_lo + size - 1;
	range_tree_insert(&to_range_domain(iovad)->ranges, new, gap->above);
	IOVA_HOOK(remember)(iovad, new, high);
}

static unsigned long range_alloc(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn, bool size_aligned)
{
	struct range_domain *domain = to_range_domain(iovad);
	struct iova *new = kmem_cache_alloc(domain->cache, GFP_ATOMIC);
	struct iova_gap gap;
	unsigned long flags;
	bool found;

	if (!new)
		return IOVA_REFUSED;

	spin_lock_irqsave(&domain->lock, flags);
	found = IOVA_HOOK(find_gap)(iovad, size, limit_pfn + 1, size_aligned,
				    &gap);
	if (found)
		range_add(iovad, new, &gap, size, limit_pfn + 1);
	spin_unlock_irqrestore(&domain->lock, flags);

	if (!found) {
		kmem_cache_free(domain->cache, new);
		return IOVA_REFUSED;
	}
	return gap.pfn_lo;
}

static void range_free(struct iova_domain *iovad, unsigned long pfn)
{
	struct range_domain *domain = to_range_domain(iovad);
	struct iova *iova;
	unsigned long flags;

	spin_lock_irqsave(&domain->lock, flags);
	iova = range_tree_find(&domain->ranges, pfn);
	if (iova) {
		IOVA_HOOK(forget)(iovad, iova);
		range_tree_erase(&domain->ranges, iova);
	}
	spin_unlock_irqrestore(&domain->lock, flags);

	if (iova)
		kmem_cache_free(domain->cache, iova);
}

static int range_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
			 unsigned long pfn_hi)
{
	struct range_domain *domain = to_range_domain(iovad);
	struct iova *new = kmem_cache_alloc(domain->cache, GFP_ATOMIC);
	unsigned long flags;
	bool used;

	if (!new)
		return -ENOMEM;

	spin_lock_irqsave(&domain->lock, flags);
	used = range_tree_reserve(&domain->ranges, pfn_lo, pfn_hi, new);
	spin_unlock_irqrestore(&domain->lock, flags);

	if (!used)
		kmem_cache_free(domain->cache, new);
	return 0;
}

static bool range_find(struct iova_domain *iovad, unsigned long pfn,
		       unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	struct range_domain *domain = to_range_domain(iovad);
	struct iova *iova;
	unsigned long flags;

	spin_lock_irqsave(&domain->lock, flags);
	iova = range_tree_find(&domain->ranges, pfn);
	if (iova) {
		*pfn_lo = iova->pfn_lo;
		*pfn_hi = iova->pfn_hi;
	}
	spin_unlock_irqrestore(&domain->lock, flags);
	return iova;
}

static const char *range_verify(struct iova_domain *iovad)
{
	const char *wrong = range_tree_verify(&to_range_domain(iovad)->ranges);

	return wrong ? wrong : IOVA_HOOK(verify_state)(iovad);
}

static size_t range_dump(struct iova_domain *iovad, u64 *words, size_t nr_words)
{
	struct iova_words out = { words, nr_words, 0 };

	range_tree_dump(&to_range_domain(iovad)->ranges, &out);
	IOVA_HOOK(dump_state)(iovad, &out);
	return out.nr;
}

/*
 * For place(): free space is one gap, below the lowest range.  A linear search
 * would arrive there with that range as the last node it passed.
 */
static inline int range_place(struct iova_domain *iovad, unsigned long pfn_lo,
			      unsigned long size, unsigned long limit_pfn)
{
	struct range_domain *domain = to_range_domain(iovad);
	struct iova *new = kmem_cache_alloc(domain->cache, GFP_ATOMIC);
	struct iova_gap gap = { .pfn_lo = pfn_lo };
	unsigned long flags;

	if (!new)
		return -ENOMEM;

	spin_lock_irqsave(&domain->lock, flags);
	gap.above = rb_first(&domain->ranges);
	range_add(iovad, new, &gap, size, limit_pfn + 1);
	spin_unlock_irqrestore(&domain->lock, flags);
	return 0;
}

#define RANGE_VARIANT(...)						\
	RANGE_VARIANT_INIT(range_init_domain, __VA_ARGS__)

/* For a variant whose @init does more than range_init_domain(). */
#define RANGE_VARIANT_INIT(init, ...)					\
	IOVA_VARIANT(							\
		.domain_size	= sizeof(struct iova_domain),		\
		.init_domain	= init,					\
		.put_domain	= range_put_domain,			\
		.alloc		= range_alloc,				\
		.free		= range_free,				\
		.reserve	= range_reserve,			\
		.find		= range_find,				\
		.verify		= range_verify,				\
		.dump		= range_dump,				\
		__VA_ARGS__						\
	)

#endif
