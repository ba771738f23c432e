/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_variant - the skeleton of a variant that keeps the holes of a domain only.
 *
 * Whoever unmaps knows the size, so live ranges need no books: a domain is what
 * is free in it.  The two lowest holes are kept aside: the bottom one, out of
 * which a top-down allocator grows, and the next, which is the only other one
 * while ranges come and go in a packed domain.  All others are in a tree of the
 * including file's, above these two.
 *
 *	start_pfn    bottom_end  low           lowest
 *	    |... bottom ...|xxxx|....|xxxxxxxxx|.|xxxxx|...|xxx|......|
 *	                                        `---- in the tree ---'
 *
 * What fits into a hole is two numbers, its room: the largest request that may
 * go anywhere, which is its length, and the largest that is aligned to its own
 * size.  The second is exact for every size, because whatever fits leaves room
 * at the same place for all that is smaller.
 *
 * Memory: a free may add a hole, and must not need memory for it.  There are no
 * more holes in the tree than live ranges, and as many nodes as those could need
 * are in the tree or stand ready: one node for NODE_COVERS ranges.
 *
 * Given up (IOVA_V_FREE_NEEDS_SIZE): a free by an address alone; the bounds of
 * single ranges; freeing what was reserved.
 *
 * Invariants, under lock:
 *   - holes are disjoint, not adjacent, not empty; but the bottom one, which
 *     begins at start_pfn, may be empty, and low may be none
 *   - what is in use is nr_live ranges, and pieces that were reserved, so there
 *     are nr_live + 1 holes at most, and nr_live of them above the bottom
 *   - tree and spare have nr_nodes in all, and nr_live < nr_nodes * NODE_COVERS
 */
#ifndef HOLE_VARIANT_H
#define HOLE_VARIANT_H

#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "aligned_room.h"
#include "iova_variant.h"

#define NODES_SLACK	2U	/* kept before nodes are given back */

/* None, if end is 0; then lo is ~0, above everything. */
struct hole {
	unsigned long lo;
	unsigned long end;	/* exclusive */
};

#define NO_HOLE		((struct hole) { ~0UL, 0 })

struct room {
	unsigned long anywhere;
	unsigned long aligned;
};

struct request {
	unsigned long size;
	unsigned long limit;	/* exclusive */
	unsigned long mask;	/* clears the offset within the alignment */
	bool size_aligned;
};

struct spare {
	struct spare *next;
};

/**
 * struct hole_domain - what is free in a domain
 * @lock: guards everything
 * @bottom_end: where the bottom hole ends, exclusive
 * @low: the next hole above it, if there is one that is not in the tree
 * @lowest: lowest pfn of all holes in the tree, ~0 if there is none
 * @start_pfn: where the bottom hole begins
 * @nr_live: live ranges, and pieces of holes that were reserved
 * @nr_covered: live ranges that all nodes are enough for
 * @spare: nodes that stand ready
 * @space_end: first pfn that no address has
 * @cache: memory of the nodes
 */
struct hole_domain {
	spinlock_t lock;
	unsigned long bottom_end;
	struct hole low;
	unsigned long lowest;
	unsigned long start_pfn;
	unsigned long nr_live;
	unsigned long nr_covered;
	struct spare *spare;
	unsigned long space_end;
	struct kmem_cache *cache;
};

/*
 * The including file defines its struct iova_domain, which begins with a struct
 * hole_domain, NODE_COVERS, and these.  Each sees to lowest.
 */
static unsigned int tree_node_size(void);
static void tree_init(struct iova_domain *iovad);
/* Give back the tree's nodes. */
static void tree_put(struct iova_domain *iovad);
/* Take the highest fit; lowest is below the limit. */
static bool tree_take(struct iova_domain *iovad, const struct request *request,
		      unsigned long *pfn_lo);
/* Take [@lo, @end), which is in one hole. */
static void tree_take_out(struct iova_domain *iovad, unsigned long lo,
			  unsigned long end);
/* False if some of [@lo, @end) is free already. */
static bool tree_give_back(struct iova_domain *iovad, unsigned long lo,
			   unsigned long end);
/* Below all others. */
static void tree_add_lowest(struct iova_domain *iovad, struct hole hole);
/* Take out the lowest hole; returns its end. */
static unsigned long tree_pop_lowest(struct iova_domain *iovad);
/* The highest hole that begins at or below @pfn, and the next above it. */
static void tree_around(struct iova_domain *iovad, unsigned long pfn,
			struct hole *below, unsigned long *above_lo);
/* What is wrong; from above space_end, count holes and nodes. */
struct hole_walk;
static const char *tree_verify(struct iova_domain *iovad,
			       struct hole_walk *walk);
struct hole_words;
static void tree_dump(struct iova_domain *iovad, struct hole_words *out);

static inline struct hole_domain *to_hole_domain(struct iova_domain *iovad)
{
	return (struct hole_domain *)iovad;
}

/* ---- what fits ---- */

static inline struct room hole_room(struct hole hole)
{
	return (struct room) {
		.anywhere = hole.end - hole.lo,
		.aligned = aligned_room(hole.lo, hole.end),
	};
}

static inline bool has_room(const struct room *room,
			    const struct request *request)
{
	return (request->size_aligned ? room->aligned : room->anywhere) >=
	       request->size;
}

/* The aligned top of [@lo, @end), cut at the limit. */
static __always_inline bool take_top(unsigned long lo, unsigned long end,
				     const struct request *request,
				     unsigned long *pfn_lo)
{
	end = min(end, request->limit);
	if (end < request->size)
		return false;
	*pfn_lo = (end - request->size) & request->mask;
	return *pfn_lo >= lo;
}

/* ---- nodes in stock ---- */

static inline void spare_push(struct hole_domain *domain, void *node)
{
	struct spare *spare = node;

	spare->next = domain->spare;
	domain->spare = spare;
}

/* There always is one: see nr_covered. */
static inline void *spare_pop(struct hole_domain *domain)
{
	struct spare *spare = domain->spare;

	domain->spare = spare->next;
	return spare;
}

/* One more node; drops the lock meanwhile. */
static noinline bool stock_up(struct hole_domain *domain, unsigned long *flags)
{
	void *node;

	spin_unlock_irqrestore(&domain->lock, *flags);
	node = kmem_cache_alloc(domain->cache, GFP_ATOMIC);
	spin_lock_irqsave(&domain->lock, *flags);
	if (!node)
		return false;
	domain->nr_covered += NODE_COVERS;
	iova_visit(update);
	spare_push(domain, node);
	return true;
}

/* A node that the live ranges can't need any more. */
static noinline void *surplus(struct hole_domain *domain)
{
	domain->nr_covered -= NODE_COVERS;
	iova_visit(update);
	return spare_pop(domain);
}

/* ---- the holes that are aside ---- */

/* Of low: what is left above goes into the tree, if something is left below. */
static void low_take_out(struct iova_domain *iovad, unsigned long lo,
			 unsigned long end)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	struct hole above = { end, domain->low.end };

	if (lo > domain->low.lo) {
		domain->low.end = lo;
		if (end < above.end)
			tree_add_lowest(iovad, above);
	} else {
		domain->low = end < above.end ? above : NO_HOLE;
	}
}

/* What is low from now on; what has been goes into the tree. */
static void low_replace(struct iova_domain *iovad, struct hole hole)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	if (domain->low.end)
		tree_add_lowest(iovad, domain->low);
	domain->low = hole;
}

static void bottom_take_out(struct iova_domain *iovad, unsigned long lo,
			    unsigned long end)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	struct hole above = { end, domain->bottom_end };

	domain->bottom_end = lo;
	if (unlikely(end < above.end))
		low_replace(iovad, above);
}

/* Top down: the tree, low, bottom. */
static __always_inline bool take_highest(struct iova_domain *iovad,
					 const struct request *request,
					 unsigned long *pfn_lo)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	if (domain->lowest < request->limit &&
	    tree_take(iovad, request, pfn_lo))
		return true;
	if (domain->low.lo < request->limit) {
		iova_visit(search);
		if (take_top(domain->low.lo, domain->low.end, request,
			     pfn_lo)) {
			low_take_out(iovad, *pfn_lo, *pfn_lo + request->size);
			return true;
		}
	}
	iova_visit(search);
	if (!take_top(domain->start_pfn, domain->bottom_end, request, pfn_lo))
		return false;
	bottom_take_out(iovad, *pfn_lo, *pfn_lo + request->size);
	return true;
}

/*
 * [@lo, @end) begins right above the bottom hole, or right above low: where will
 * that end?  0 if some of it is free already.
 */
static unsigned long grown_end(struct iova_domain *iovad, unsigned long end,
			       unsigned long next_lo)
{
	if (end < next_lo)
		return end;
	return end == next_lo ? tree_pop_lowest(iovad) : 0;
}

static bool give_back_bottom(struct iova_domain *iovad, unsigned long end)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	iova_visit(update);
	if (!domain->low.end)
		end = grown_end(iovad, end, domain->lowest);
	else if (end > domain->low.lo)
		return false;
	if (end == domain->low.lo) {
		end = domain->low.end;
		domain->low = NO_HOLE;
	}
	if (end)
		domain->bottom_end = end;
	return end;
}

/* Above the bottom hole, not above low, and there is one. */
static bool give_back_low(struct iova_domain *iovad, unsigned long lo,
			  unsigned long end)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	iova_visit(update);
	if (end < domain->low.lo) {
		low_replace(iovad, (struct hole) { lo, end });
	} else if (end == domain->low.lo) {
		domain->low.lo = lo;
	} else {
		if (lo == domain->low.end)
			end = grown_end(iovad, end, domain->lowest);
		else
			end = 0;
		if (end)
			domain->low.end = end;
	}
	return end;
}

static __always_inline bool give_back(struct iova_domain *iovad,
				      unsigned long lo, unsigned long end)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	if (unlikely(end <= lo || end > domain->space_end ||
		     lo < domain->bottom_end))
		return false;
	if (lo == domain->bottom_end)
		return give_back_bottom(iovad, end);
	if (domain->low.end && lo <= domain->low.end)
		return give_back_low(iovad, lo, end);
	if (!domain->low.end && end < domain->lowest) {
		iova_visit(update);
		domain->low = (struct hole) { lo, end };
		return true;
	}
	return tree_give_back(iovad, lo, end);
}

/* ---- the contract ---- */

static int hole_init_domain(struct iova_domain *iovad, unsigned long granule,
			    unsigned long start_pfn)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	unsigned long flags;

	domain->cache = kmem_cache_create("iova_variant", tree_node_size(), 0,
					  SLAB_HWCACHE_ALIGN, NULL);
	if (!domain->cache)
		return -ENOMEM;
	spin_lock_init(&domain->lock);
	domain->start_pfn = start_pfn;
	domain->space_end = (~0UL >> ilog2(granule)) + 1;
	domain->bottom_end = domain->space_end;
	domain->low = NO_HOLE;
	domain->lowest = ~0UL;

	spin_lock_irqsave(&domain->lock, flags);
	if (stock_up(domain, &flags))
		tree_init(iovad);
	spin_unlock_irqrestore(&domain->lock, flags);
	if (domain->nr_covered)
		return 0;
	kmem_cache_destroy(domain->cache);
	return -ENOMEM;
}

static void hole_put_domain(struct iova_domain *iovad)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	tree_put(iovad);
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
		.limit = limit_pfn + 1,
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

	if (domain->lowest < end)
		tree_around(iovad, end - 1, hole, &above_lo);
	else if (domain->low.lo < end)
		*hole = domain->low;
	else
		*hole = (struct hole) { domain->start_pfn, domain->bottom_end };
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
			tree_take_out(iovad, hole.lo, hole.end);
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
		tree_around(iovad, pfn, &below, &above_lo);
	} else if (pfn >= domain->low.lo) {
		below = domain->low;
		above_lo = domain->lowest;
	} else {
		below.end = domain->bottom_end;
		above_lo = min(domain->low.lo, domain->lowest);
	}
	*pfn_lo = below.end;
	*pfn_hi = min(above_lo, domain->space_end) - 1;
	spin_unlock_irqrestore(&domain->lock, flags);
	return pfn >= *pfn_lo && pfn <= *pfn_hi;
}

/* ---- verify and dump: every node ---- */

/* What is known while all holes are looked at, highest first. */
struct hole_walk {
	unsigned long nr_nodes;
	unsigned long nr_holes;
	unsigned long end;	/* no hole may reach up to here any more */
};

static inline const char *hole_walk_on(struct hole_walk *walk,
				       struct hole hole)
{
	if (hole.lo >= hole.end)
		return "a hole is empty";
	if (hole.end >= walk->end)
		return "two holes touch or are out of order";
	walk->end = hole.lo;
	walk->nr_holes++;
	return NULL;
}

static const char *hole_verify(struct iova_domain *iovad)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	struct hole_walk walk = { .end = domain->space_end + 1 };
	const char *wrong = tree_verify(iovad, &walk);
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

/* Words for dump(): counted even where there is no room for them. */
struct hole_words {
	u64 *words;
	size_t nr_room;
	size_t nr;
};

static inline void put_word(struct hole_words *out, u64 word)
{
	if (out->nr < out->nr_room)
		out->words[out->nr] = word;
	out->nr++;
}

static inline void put_hole(struct hole_words *out, struct hole hole)
{
	put_word(out, hole.lo);
	put_word(out, hole.end);
}

static size_t hole_dump(struct iova_domain *iovad, u64 *words, size_t nr_words)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	struct hole_words out = { words, nr_words, 0 };

	put_word(&out, domain->bottom_end);
	put_hole(&out, domain->low);
	put_word(&out, domain->nr_live);
	put_word(&out, domain->nr_covered);
	tree_dump(iovad, &out);
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
