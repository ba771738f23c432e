// SPDX-License-Identifier: GPL-2.0-only
/*
 * rcache - per-CPU magazines of freed ranges, in front of any variant.
 *
 * A hit costs O(1) while the last range put in serves the request; a request
 * below what the loaded magazine holds scans all of it and goes to the tree.
 * A magazine that leaves the caches costs the tree one free() per range.
 *
 * Invariants:
 *   - a cached range lives in the tree, is 1 << order pfns long, aligned to
 *     that, and in one magazine once; no caller has it
 *   - a magazine in a depot is full
 *   - depot_size is at most depot_max where that is set
 * Guarded by cpu_cache::lock (loaded, previous) and rcache_order::lock (depot),
 * taken in this order; neither is held while the tree is called, except that a
 * flush empties a CPU's magazines under its lock.
 *
 * Different from the kernel: the tree's lock is taken for each range of a
 * magazine, not once for all of it, because a variant can be asked to free
 * one range only; and pfn 0 is an address.  In a threaded build the peak of what
 * is held is not known: each thread counts what it puts and takes itself.
 */
#include <linux/bitops.h>

#include "magazine.h"

/* A missing magazine is passed by, and the tree's lock is not taken for it. */
static void flush_magazine(struct rcache *rcache, unsigned int order,
			   struct magazine *magazine)
{
	if (!magazine)
		return;
	magazine_count_lock(rcache);
	magazine_empty(rcache, order, magazine);
}

static void flush_cpus(struct rcache *rcache)
{
	unsigned long flags;
	unsigned int order;
	u64 cpu;

	for (cpu = 0; cpu < rcache->run->config.nr_cpus; cpu++)
		for (order = 0; order < RCACHE_NR_ORDERS; order++) {
			struct cpu_cache *cache =
				&rcache->orders[order].cpus[cpu];

			spin_lock_irqsave(&cache->lock, flags);
			flush_magazine(rcache, order, cache->loaded);
			flush_magazine(rcache, order, cache->previous);
			spin_unlock_irqrestore(&cache->lock, flags);
		}
}

void rcache_flush(struct rcache *rcache)
{
	flush_cpus(rcache);
	rcache_flush_depots(rcache);
}

/* ---- get and put ---- */

/* Is there anything in the loaded magazine, after all that can be done? */
static bool reload(struct rcache *rcache, struct rcache_order *depot,
		   struct cpu_cache *cache)
{
	struct magazine *full;

	if (likely(magazine_has_any(cache->loaded)))
		return true;
	if (magazine_has_any(cache->previous)) {
		swap(cache->loaded, cache->previous);
		return true;
	}
	full = rcache_depot_pop(depot, 0, rcache->run->config.magazine_size);
	if (!full)
		return false;
	magazine_free(rcache, cache->loaded);
	cache->loaded = full;
	return true;
}

static unsigned long cache_get(struct rcache *rcache, unsigned int cpu,
			       unsigned int order, unsigned long highest)
{
	struct rcache_order *depot = &rcache->orders[order];
	struct cpu_cache *cache = &depot->cpus[cpu];
	unsigned long pfn = IOVA_REFUSED, flags;

	spin_lock_irqsave(&cache->lock, flags);
	if (reload(rcache, depot, cache))
		pfn = magazine_get(cache->loaded, highest);
	spin_unlock_irqrestore(&cache->lock, flags);
	return pfn;
}

/* Is there room in the loaded magazine?  @retired: what left the caches. */
static bool unload(struct rcache *rcache, unsigned int order,
		   struct cpu_cache *cache, struct magazine **retired)
{
	struct magazine *empty;

	if (likely(magazine_has_room(rcache, cache->loaded)))
		return true;
	if (magazine_has_room(rcache, cache->previous)) {
		swap(cache->loaded, cache->previous);
		return true;
	}
	empty = magazine_new(rcache);
	if (!empty)
		return false;
	if (cache->loaded && !cache->previous)
		cache->previous = cache->loaded;
	else if (cache->loaded &&
		 !rcache_depot_push(rcache, order, cache->loaded))
		*retired = cache->loaded;
	cache->loaded = empty;
	return true;
}

static bool cache_put(struct rcache *rcache, unsigned int cpu,
		      unsigned int order, unsigned long pfn)
{
	struct cpu_cache *cache = &rcache->orders[order].cpus[cpu];
	struct rcache_stats *stats = rcache_stats_of(rcache->run);
	struct magazine *retired = NULL;
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&cache->lock, flags);
	room = unload(rcache, order, cache, &retired);
	if (likely(room)) {
		cache->loaded->pfns[cache->loaded->nr++] = pfn;
		stats->held_pfns += 1UL << order;
		stats->peak_held_pfns = max(stats->peak_held_pfns,
					    stats->held_pfns);
	}
	spin_unlock_irqrestore(&cache->lock, flags);

	if (unlikely(retired)) {
		stats->nr_overflows++;
		magazine_retire(rcache, order, retired);
	}
	return room;
}

/* ---- the fast API ---- */

/* RCACHE_NR_ORDERS for what no order takes: 0, and the large. */
static __always_inline unsigned int order_of(unsigned long size)
{
	if (unlikely(size - 1 >= RCACHE_MAX_SIZE))
		return RCACHE_NR_ORDERS;
	return fls_long(size - 1);
}

unsigned long rcache_alloc(struct rcache *rcache, unsigned int cpu,
			   unsigned long size, unsigned long limit_pfn)
{
	struct rcache_run *run = rcache->run;
	unsigned int order = order_of(size);
	unsigned long pfn;

	rcache_stats_of(run)->nr_allocs[order]++;
	if (order < RCACHE_NR_ORDERS) {
		size = 1UL << order;
		/* Wraps as the kernel's does: then any cached range will do. */
		pfn = cache_get(rcache, cpu, order, limit_pfn + 1 - size);
		if (likely(pfn != IOVA_REFUSED)) {
			rcache_stats_of(run)->nr_hits[order]++;
			rcache_stats_of(run)->held_pfns -= size;
			return pfn;
		}
	}
	pfn = tree_alloc(rcache, size, limit_pfn, true);
	if (likely(pfn != IOVA_REFUSED) || !run->config.flush)
		return pfn;

	rcache_stats_of(run)->nr_flushes++;
	flush_cpus(rcache);
	if (run->config.flush_depots)
		rcache_flush_depots(rcache);
	return tree_alloc(rcache, size, limit_pfn, true);
}

void rcache_free(struct rcache *rcache, unsigned int cpu, unsigned long pfn,
		 unsigned long size)
{
	unsigned int order = order_of(size);

	rcache_stats_of(rcache->run)->nr_frees[order]++;
	if (unlikely(order == RCACHE_NR_ORDERS) ||
	    unlikely(!cache_put(rcache, cpu, order, pfn)))
		tree_free(rcache, pfn,
			  order < RCACHE_NR_ORDERS ? 1UL << order : size);
}

unsigned long rcache_alloc_past(struct rcache *rcache, unsigned long size,
				unsigned long limit_pfn, bool size_aligned)
{
	rcache_stats_of(rcache->run)->nr_allocs[RCACHE_NR_ORDERS]++;
	return tree_alloc(rcache, size, limit_pfn, size_aligned);
}

void rcache_free_past(struct rcache *rcache, unsigned long pfn,
		      unsigned long size)
{
	rcache_stats_of(rcache->run)->nr_frees[RCACHE_NR_ORDERS]++;
	tree_free(rcache, pfn, size);
}

/* ---- one domain ---- */

static int order_init(struct rcache *rcache, struct rcache_order *depot)
{
	const struct rcache_config *config = &rcache->run->config;
	u64 cpu;

	spin_lock_init(&depot->lock);
	depot->depot = NULL;
	depot->depot_size = 0;
	depot->cpus = kcalloc(config->nr_possible, sizeof(*depot->cpus),
			      GFP_KERNEL);
	if (!depot->cpus)
		return -ENOMEM;
	for (cpu = 0; cpu < config->nr_possible; cpu++) {
		struct cpu_cache *cache = &depot->cpus[cpu];

		spin_lock_init(&cache->lock);
		if (config->lazy)
			continue;
		cache->loaded = magazine_new(rcache);
		cache->previous = magazine_new(rcache);
		if (!cache->loaded || !cache->previous)
			return -ENOMEM;
	}
	return 0;
}

int rcache_init(struct rcache *rcache, struct iova_domain *iovad,
		struct rcache_run *run)
{
	unsigned int order;
	int err = 0;

	rcache->iovad = iovad;
	rcache->run = run;
	for (order = 0; order < RCACHE_NR_ORDERS; order++)
		rcache->orders[order].cpus = NULL;
	for (order = 0; !err && order < RCACHE_NR_ORDERS; order++)
		err = order_init(rcache, &rcache->orders[order]);
	return err;
}

static void order_exit(struct rcache_order *depot, u64 nr_possible)
{
	struct magazine *magazine;
	u64 cpu;

	if (!depot->cpus)
		return;
	for (cpu = 0; cpu < nr_possible; cpu++) {
		kfree(depot->cpus[cpu].loaded);
		kfree(depot->cpus[cpu].previous);
	}
	kfree(depot->cpus);
	while ((magazine = rcache_depot_pop(depot, 0, 0)))
		kfree(magazine);
}

void rcache_exit(struct rcache *rcache)
{
	unsigned int order;

	for (order = 0; order < RCACHE_NR_ORDERS; order++)
		order_exit(&rcache->orders[order],
			   rcache->run->config.nr_possible);
}

static u64 count_magazine(const struct magazine *magazine, u64 *nr_held)
{
	if (!magazine)
		return 0;
	*nr_held += magazine->nr;
	return 1;
}

u64 rcache_count(const struct rcache *rcache, u64 *nr_held)
{
	const struct rcache_config *config = &rcache->run->config;
	u64 cpu, nr_magazines = 0;
	unsigned int order;

	for (order = 0; order < RCACHE_NR_ORDERS; order++) {
		const struct rcache_order *depot = &rcache->orders[order];

		nr_held[order] += depot->depot_size * config->magazine_size;
		nr_magazines += depot->depot_size;
		for (cpu = 0; cpu < config->nr_possible; cpu++) {
			const struct cpu_cache *cache = &depot->cpus[cpu];

			nr_magazines += count_magazine(cache->loaded,
						       &nr_held[order]);
			nr_magazines += count_magazine(cache->previous,
						       &nr_held[order]);
		}
	}
	return nr_magazines * magazine_bytes(rcache);
}
