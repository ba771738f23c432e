/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_domain - what is free in a domain, and nothing else.
 *
 * Every caller that unmaps knows the size, so live ranges need no record: a domain
 * is what is free in it.  The two lowest holes are kept aside: the bottom one, out
 * of which a top-down allocator grows, and the next, which is the only other one
 * while ranges come and go in a packed domain.  All others are in a tree of the
 * including file's, above these two.
 *
 *	start_pfn    bottom_end  low           lowest                 asked_end
 *	    |... bottom ...|xxxx|....|xxxxxxxxx|.|xxxxx|...|xxx|......|
 *	                                        `---- in the tree ---'
 *
 * Above the highest limit that was asked for is nothing yet: a hole there would stand
 * in front of every search.  A higher limit adds the space up to it.
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
 *   - nothing reaches above asked_end, and all below it is in use or in a hole
 *   - holes are disjoint, not adjacent, not empty; but the bottom one, which
 *     begins at start_pfn, may be empty, and low may be none
 *   - what is in use is nr_live ranges, and pieces that were reserved, so there
 *     are nr_live + 1 holes at most, and nr_live of them above the bottom
 *   - tree and spare have nr_nodes in all, and nr_live < nr_nodes * NODE_COVERS
 */
#ifndef HOLE_DOMAIN_H
#define HOLE_DOMAIN_H

#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "aligned_room.h"
#include "iova_variant.h"

#define NODES_SLACK	16U	/* kept before nodes are given back */

/* None, if end is 0; then lo is ~0, above everything. */
struct hole {
	unsigned long lo;
	unsigned long end; /* exclusive */
};

#define NO_HOLE		((struct hole) { ~0UL, 0 })

struct room {
	unsigned long anywhere;
	unsigned long aligned;
};

struct request {
	unsigned long size;
	unsigned long high; /* the limit, exclusive */
	unsigned long mask; /* clears the offset within the alignment */
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
 * @asked_end: nothing above was asked for yet, and none of it is in a hole
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
	unsigned long asked_end;
	unsigned long start_pfn;
	unsigned long nr_live;
	unsigned long nr_covered;
	struct spare *spare;
	unsigned long space_end;
	struct kmem_cache *cache;
};

/*
 * The including file defines its struct iova_domain, which begins with a struct
 * hole_domain, NODE_COVERS, and these hooks, all of them required.  Each sees to
 * lowest.
 */
static unsigned int IOVA_HOOK(tree_node_size)(void);
static void IOVA_HOOK(tree_init)(struct iova_domain *iovad);
/* Give back the tree's nodes. */
static void IOVA_HOOK(tree_put)(struct iova_domain *iovad);
/* Take the highest fit; lowest is below the limit. */
static bool IOVA_HOOK(tree_take)(struct iova_domain *iovad,
				 const struct request *request,
				 unsigned long *pfn_lo);
/* Take [@lo, @end), which is in one hole. */
static void IOVA_HOOK(tree_take_out)(struct iova_domain *iovad,
				     unsigned long lo, unsigned long end);
/* False if some of [@lo, @end) is free already. */
static bool IOVA_HOOK(tree_give_back)(struct iova_domain *iovad,
				      unsigned long lo, unsigned long end);
/* Below all others. */
static void IOVA_HOOK(tree_add_lowest)(struct iova_domain *iovad,
				       struct hole hole);
/* Take out the lowest hole; returns its end. */
static unsigned long IOVA_HOOK(tree_pop_lowest)(struct iova_domain *iovad);
/* The highest hole that begins at or below @pfn, and the next above it. */
static void IOVA_HOOK(tree_around)(struct iova_domain *iovad, unsigned long pfn,
				   struct hole *below, unsigned long *above_lo);
/* What is wrong; from above space_end, count holes and nodes. */
struct hole_walk;
static const char *IOVA_HOOK(tree_verify)(struct iova_domain *iovad,
					  struct hole_walk *walk);
struct hole_words;
static void IOVA_HOOK(tree_dump)(struct iova_domain *iovad,
				 struct hole_words *out);

static inline struct hole_domain *to_hole_domain(struct iova_domain *iovad)
{
	return (struct hole_domain *)iovad;
}

/* ---- what fits ---- */

static inline struct room hole_room(struct hole hole)
{
	return (struct room){
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
	end = min(end, request->high);
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
			IOVA_HOOK(tree_add_lowest)(iovad, above);
	} else {
		domain->low = end < above.end ? above : NO_HOLE;
	}
}

/* What is low from now on; what has been goes into the tree. */
static void low_replace(struct iova_domain *iovad, struct hole hole)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	if (domain->low.end)
		IOVA_HOOK(tree_add_lowest)(iovad, domain->low);
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

/*
 * [@lo, @end) begins right above the bottom hole, or right above low: where will
 * that end?  0 if some of it is free already.
 */
static unsigned long grown_end(struct iova_domain *iovad, unsigned long end,
			       unsigned long next_lo)
{
	if (end < next_lo)
		return end;
	return end == next_lo ? IOVA_HOOK(tree_pop_lowest)(iovad) : 0;
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
		low_replace(iovad, (struct hole){ lo, end });
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

	if (unlikely(end <= lo || end > domain->asked_end ||
		     lo < domain->bottom_end))
		return false;
	if (lo == domain->bottom_end)
		return give_back_bottom(iovad, end);
	if (domain->low.end && lo <= domain->low.end)
		return give_back_low(iovad, lo, end);
	if (!domain->low.end && end < domain->lowest) {
		iova_visit(update);
		domain->low = (struct hole){ lo, end };
		return true;
	}
	return IOVA_HOOK(tree_give_back)(iovad, lo, end);
}

/* A limit is higher than all before, or a region is reserved there. */
static noinline void ask_up_to(struct iova_domain *iovad, unsigned long end)
{
	struct hole_domain *domain = to_hole_domain(iovad);
	unsigned long lo = domain->asked_end;

	domain->asked_end = min(end, domain->space_end);
	give_back(iovad, lo, domain->asked_end);
}

static __always_inline bool is_asked(const struct hole_domain *domain,
				     unsigned long end)
{
	return likely(end <= domain->asked_end) ||
	       domain->asked_end == domain->space_end;
}

/* Top down: the tree, low, bottom. */
static __always_inline bool take_highest(struct iova_domain *iovad,
					 const struct request *request,
					 unsigned long *pfn_lo)
{
	struct hole_domain *domain = to_hole_domain(iovad);

	if (!is_asked(domain, request->high))
		ask_up_to(iovad, request->high);
	if (domain->lowest < request->high &&
	    IOVA_HOOK(tree_take)(iovad, request, pfn_lo))
		return true;
	if (domain->low.lo < request->high) {
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

/* ---- for verify and dump ---- */

/* What is known while all holes are looked at, highest first. */
struct hole_walk {
	unsigned long nr_nodes;
	unsigned long nr_holes;
	unsigned long end; /* no hole may reach up to here any more */
};

static inline const char *hole_walk_on(struct hole_walk *walk, struct hole hole)
{
	if (hole.lo >= hole.end)
		return "a hole is empty";
	if (hole.end >= walk->end)
		return "two holes touch or are out of order";
	walk->end = hole.lo;
	walk->nr_holes++;
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

#endif
