/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rcache - per-CPU magazines of freed ranges, in front of any variant.
 *
 * What alloc_iova_fast() and free_iova_fast() ask before the tree: O(1) at a
 * hit.  A cached range stays in the tree, so the variant takes it for live.
 *
 *   CPU 0      CPU 1   ...              one such column per order 0..5
 *   loaded     loaded                   the magazine in use
 *   previous   previous                 full or empty, in turn with loaded
 *        \      /
 *         depot   full magazines: at most depot_max, or trimmed by a timer
 *           |
 *         tree    the variant
 */
#ifndef RCACHE_H
#define RCACHE_H

#include <linux/log2.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "iova_variant.h"

#define RCACHE_NR_ORDERS	6
#define RCACHE_MAX_SIZE		(1UL << (RCACHE_NR_ORDERS - 1))

/**
 * struct rcache_config - which kernel's rcache, on which machine
 * @nr_cpus: CPUs online: a flush empties their magazines, the timer counts them
 * @nr_possible: CPUs that have caches, online or not
 * @lazy: a free allocates a magazine where one is missing; else each CPU has two
 *	per order from the start
 * @magazine_size: pfns in a full magazine
 * @depot_max: full magazines that a depot takes; one more is freed into the
 *	tree.  0 for no bound: rcache_tick() trims instead.
 * @flush: a request that the tree refuses empties all CPUs' magazines and tries
 *	again
 * @flush_depots: it empties the depots as well
 */
struct rcache_config {
	u64 nr_cpus;
	u64 nr_possible;
	u64 lazy;
	u64 magazine_size;
	u64 depot_max;
	u64 flush;
	u64 flush_depots;
};

/**
 * struct rcache_stats - totals of one replay, over its domains
 * @nr_allocs: requests by order; the last counts those too large for any, and
 *	those made past the rcache
 * @nr_hits: of these, answered without the tree
 * @nr_frees: frees by order; the last counts those that no order takes, and
 *	those made past the rcache
 * @nr_tree_allocs: requests that reached the tree, second tries included
 * @nr_tree_frees: ranges freed into the tree, for whatever reason
 * @nr_flushes: requests that emptied all caches
 * @nr_flush_locks: how often a kernel takes the tree's lock in them: once for each
 *	magazine, whatever is in it
 * @nr_overflows: magazines freed into the tree because their depot was full
 * @nr_trims: magazines freed into the tree by the timer
 * @nr_held: ranges in the caches now, by order; see rcache_count()
 * @held_pfns: pfns of these: live in the tree, but not to any caller
 * @peak_held_pfns: the most that @held_pfns has been
 * @magazine_bytes: memory of all magazines now, as the slab rounds it up
 * @peak_magazine_bytes: the most that @magazine_bytes has been
 */
struct rcache_stats {
	u64 nr_allocs[RCACHE_NR_ORDERS + 1];
	u64 nr_hits[RCACHE_NR_ORDERS];
	u64 nr_frees[RCACHE_NR_ORDERS + 1];
	u64 nr_tree_allocs;
	u64 nr_tree_frees;
	u64 nr_flushes;
	u64 nr_flush_locks;
	u64 nr_overflows;
	u64 nr_trims;
	u64 nr_held[RCACHE_NR_ORDERS];
	u64 held_pfns;
	u64 peak_held_pfns;
	u64 magazine_bytes;
	u64 peak_magazine_bytes;
};

/**
 * struct rcache_run - what the rcaches of one replay share
 * @config: what they imitate
 * @stats: what they did
 * @told: called after each op on the tree, or NULL; its size is 0 for a free
 * @context: for @told
 */
struct rcache_run {
	struct rcache_config config;
	struct rcache_stats stats;
	void (*told)(void *context, struct iova_domain *iovad,
		     unsigned long size, unsigned long limit_pfn,
		     bool size_aligned, unsigned long pfn);
	void *context;
};

/* In a threaded build each thread counts for itself; the harness adds up. */
#ifdef IOVA_THREADED
#define rcache_stats_of(run)	\
	((void)(run), (struct rcache_stats *)this_cpu->rcache_stats)
#else
#define rcache_stats_of(run)	(&(run)->stats)
#endif

/* Of one CPU and order, or in a depot. */
struct magazine {
	union {
		unsigned long nr;
		struct magazine *next; /* while in a depot, being full */
	};
	unsigned long pfns[];
};

/* @loaded and @previous may be missing in a lazy rcache, @previous for longer. */
struct cpu_cache {
	spinlock_t lock;
	struct magazine *loaded;
	struct magazine *previous;
};

/**
 * struct rcache_order - the caches of one size
 * @cpus: one per CPU
 * @lock: guards the depot
 * @depot: full magazines, the last one in first
 * @depot_size: how many
 */
struct rcache_order {
	struct cpu_cache *cpus;
	spinlock_t lock;
	struct magazine *depot;
	u64 depot_size;
};

/* All caches of one domain. */
struct rcache {
	struct iova_domain *iovad;
	struct rcache_run *run;
	struct rcache_order orders[RCACHE_NR_ORDERS];
};

/* 0 or a negative errno; rcache_exit() is due in both cases. */
int rcache_init(struct rcache *rcache, struct iova_domain *iovad,
		struct rcache_run *run);
/* Frees the caches' memory; what they held stays in the tree. */
void rcache_exit(struct rcache *rcache);

/*
 * The fast API.  @size is the caller's, in pfns, and the same for both.  The
 * tree is asked for the power of two above it if it is below RCACHE_MAX_SIZE,
 * and always for an aligned range, so that every range of an order serves
 * every request of that order.
 */
unsigned long rcache_alloc(struct rcache *rcache, unsigned int cpu,
			   unsigned long size, unsigned long limit_pfn);
void rcache_free(struct rcache *rcache, unsigned int cpu, unsigned long pfn,
		 unsigned long size);

/*
 * Past the caches.  @size of a free is what the tree has: what was asked of
 * rcache_alloc_past(), or rcache_tree_size() of what was asked of rcache_alloc().
 */
unsigned long rcache_alloc_past(struct rcache *rcache, unsigned long size,
				unsigned long limit_pfn, bool size_aligned);
void rcache_free_past(struct rcache *rcache, unsigned long pfn,
		      unsigned long size);

/* What the fast API asks the tree for. */
static inline unsigned long rcache_tree_size(unsigned long size)
{
	return size < RCACHE_MAX_SIZE ? roundup_pow_of_two(size) : size;
}

/*
 * The timer, every 100 ms of virtual time: a depot with more magazines than
 * there are CPUs frees one.
 */
void rcache_tick(struct rcache *rcache);
/* All that is held goes back to the tree. */
void rcache_flush(struct rcache *rcache);
/* Adds to @nr_held, and returns the bytes of all magazines. */
u64 rcache_count(const struct rcache *rcache, u64 *nr_held);

#endif
