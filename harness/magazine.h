/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * magazine - what the rcache's parts do with one magazine, and with the tree.
 *
 * Included by rcache.c, get and put, and by rcache_depot.c.  All of it is O(1) but
 * for a get that skips what lies too high, and for emptying: one free() of the
 * tree per range.
 */
#ifndef MAGAZINE_H
#define MAGAZINE_H

#include <linux/kernel.h>
#include <linux/slab.h>

#include "rcache.h"

/* ---- the tree ---- */

static inline unsigned long
tree_alloc(struct rcache *rcache, unsigned long size, unsigned long limit_pfn,
	   bool size_aligned)
{
	struct rcache_run *run = rcache->run;
	unsigned long pfn;

	pfn = iova_variant.alloc(rcache->iovad, size, limit_pfn, size_aligned);
	rcache_stats_of(run)->nr_tree_allocs++;
	if (unlikely(run->told))
		run->told(run->context, rcache->iovad, size, limit_pfn,
			  size_aligned, pfn);
	return pfn;
}

static inline void tree_free(struct rcache *rcache, unsigned long pfn,
			     unsigned long size)
{
	struct rcache_run *run = rcache->run;

	if (iova_variant.free_sized)
		iova_variant.free_sized(rcache->iovad, pfn, size);
	else
		iova_variant.free(rcache->iovad, pfn);
	rcache_stats_of(run)->nr_tree_frees++;
	if (unlikely(run->told))
		run->told(run->context, rcache->iovad, 0, 0, false, pfn);
}

/* ---- magazines ---- */

static inline size_t magazine_size(const struct rcache *rcache)
{
	return sizeof(struct magazine) +
	       rcache->run->config.magazine_size * sizeof(unsigned long);
}

static inline u64 magazine_bytes(const struct rcache *rcache)
{
	return kmalloc_size_roundup(magazine_size(rcache));
}

static inline struct magazine *magazine_new(const struct rcache *rcache)
{
	struct rcache_stats *stats = rcache_stats_of(rcache->run);
	struct magazine *magazine;

	magazine = kmalloc(magazine_size(rcache), GFP_ATOMIC);
	if (!magazine)
		return NULL;
	magazine->nr = 0;
	stats->magazine_bytes += magazine_bytes(rcache);
	stats->peak_magazine_bytes = max(stats->peak_magazine_bytes,
					 stats->magazine_bytes);
	return magazine;
}

/* @magazine may be missing. */
static inline void magazine_free(const struct rcache *rcache,
				 struct magazine *magazine)
{
	if (!magazine)
		return;
	rcache_stats_of(rcache->run)->magazine_bytes -= magazine_bytes(rcache);
	kfree(magazine);
}

/* A missing one has nothing, and no room either. */
static inline bool magazine_has_any(const struct magazine *magazine)
{
	return magazine && magazine->nr;
}

static inline bool magazine_has_room(const struct rcache *rcache,
				     const struct magazine *magazine)
{
	return magazine && magazine->nr != rcache->run->config.magazine_size;
}

/* Take the newest that lies low enough; the newest of all fills its place. */
static inline unsigned long magazine_get(struct magazine *magazine,
					 unsigned long highest)
{
	unsigned long i, pfn;

	for (i = magazine->nr; i-- > 0;) {
		pfn = magazine->pfns[i];
		if (likely(pfn <= highest)) {
			magazine->pfns[i] = magazine->pfns[--magazine->nr];
			return pfn;
		}
	}
	return IOVA_REFUSED;
}

static inline void magazine_empty(struct rcache *rcache, unsigned int order,
				  struct magazine *magazine)
{
	unsigned long i;

	for (i = 0; i < magazine->nr; i++)
		tree_free(rcache, magazine->pfns[i], 1UL << order);
	rcache_stats_of(rcache->run)->held_pfns -= magazine->nr << order;
	magazine->nr = 0;
}

/* @full has left the caches. */
static inline void magazine_retire(struct rcache *rcache, unsigned int order,
				   struct magazine *full)
{
	magazine_empty(rcache, order, full);
	magazine_free(rcache, full);
}

/* Before a flush empties a magazine; a kernel does that under the tree's lock. */
static inline void magazine_count_lock(const struct rcache *rcache)
{
	rcache_stats_of(rcache->run)->nr_flush_locks++;
}

/* ---- rcache_depot.c ---- */

/* False if it is full: then @full is the caller's again. */
bool rcache_depot_push(struct rcache *rcache, unsigned int order,
		       struct magazine *full);
/* The newest magazine if there are more than @nr_keep, else NULL. */
struct magazine *rcache_depot_pop(struct rcache_order *depot, u64 nr_keep,
				  u64 magazine_size);
void rcache_flush_depots(struct rcache *rcache);

#endif
