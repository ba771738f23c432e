/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * holes - the candidate, as it is, for a file that has a struct iova_domain of the
 * kernel's.
 *
 * candidate.c is included with another name for its struct iova_domain, and its
 * table becomes a static one.  All domains share one cache of nodes, which
 * iova_cache_get() creates, where the variant creates one per domain.
 */
#ifndef DROPIN_HOLES_H
#define DROPIN_HOLES_H

#include "iova_variant.h"

static struct kmem_cache *node_cache;

struct candidate_domain;

/* As struct iova_variant_ops has them. */
struct candidate_ops {
	const char *name, *summary, *kernel_release;
	u32 flags;
	u32 domain_size;
	int (*init_domain)(struct candidate_domain *holes,
			   unsigned long granule, unsigned long start_pfn);
	void (*put_domain)(struct candidate_domain *holes);
	unsigned long (*alloc)(struct candidate_domain *holes,
			       unsigned long size, unsigned long limit_pfn,
			       bool size_aligned);
	void (*free_sized)(struct candidate_domain *holes, unsigned long pfn,
			   unsigned long size);
	int (*reserve)(struct candidate_domain *holes, unsigned long pfn_lo,
		       unsigned long pfn_hi);
	bool (*find)(struct candidate_domain *holes, unsigned long pfn,
		     unsigned long *pfn_lo, unsigned long *pfn_hi);
	const char *(*verify)(struct candidate_domain *holes);
	size_t (*dump)(struct candidate_domain *holes, u64 *words,
		       size_t nr_words);
};

#pragma push_macro("IOVA_VARIANT")
#pragma push_macro("kmem_cache_create")
#pragma push_macro("kmem_cache_destroy")
#undef IOVA_HOOK
#undef IOVA_VARIANT
#undef kmem_cache_create
#undef kmem_cache_destroy
#define IOVA_VARIANT(...)	\
	static const struct candidate_ops candidate = { __VA_ARGS__ }
#define kmem_cache_create(...)		node_cache
#define kmem_cache_destroy(cache)	((void)(cache))
#define iova_domain			candidate_domain

#include "candidate.c"

#undef iova_domain
#pragma pop_macro("kmem_cache_destroy")
#pragma pop_macro("kmem_cache_create")
#pragma pop_macro("IOVA_VARIANT")

/* Take the highest hole in [@lo, @end); returns 1 for one, 0 or -ENOMEM. */
static int take_hole(struct candidate_domain *holes, unsigned long lo,
		     unsigned long end, struct hole *hole)
{
	struct hole_domain *domain = to_hole_domain(holes);
	unsigned long flags;
	int taken = -ENOMEM;

	spin_lock_irqsave(&domain->lock, flags);
	while (domain->nr_live + 1 >= domain->nr_covered)
		if (!stock_up(domain, &flags))
			goto out;
	taken = hole_within(holes, lo, end, hole);
	if (!taken)
		goto out;
	if (domain->lowest < end)
		candidate_tree_take_out(holes, hole->lo, hole->end);
	else if (domain->low.lo < end)
		low_take_out(holes, hole->lo, hole->end);
	else
		bottom_take_out(holes, hole->lo, hole->end);
	domain->nr_live++;
out:
	spin_unlock_irqrestore(&domain->lock, flags);
	return taken;
}

/**
 * struct space - what the header's struct iova_domain has no room for
 * @holes: the candidate's domain
 * @notes: records that have no pfns, for put_iova_domain()
 * @has_ranges: alloc_iova() was called, so a free by size may be of a record
 */
struct space {
	struct candidate_domain holes;
	struct rb_root notes;
	bool has_ranges;
};

/* The anchor is of the kernel's tree; here its pfn is the pointer, or 0. */
static __always_inline struct space *space_of(const struct iova_domain *iovad)
{
	return (struct space *)iovad->anchor.pfn_lo;
}

#endif
