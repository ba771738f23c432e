/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * caches - per-CPU magazines of freed ranges in front of a unit's tree.
 *
 * What harness/rcache.h describes, on real CPUs: it is that of the kernel which
 * the module is built for, so that an allocator behind the livepatch and the
 * kernel's own have the same caches.  O(1) at a hit.
 *
 *	before 6.7	a depot holds 32 magazines; one more goes to the tree
 *	6.7 to 7.2	no bound; every 100 ms a depot with more magazines than
 *			there are CPUs gives one to the tree
 *	since 7.3	likewise, and a magazine is allocated when a free needs it
 *
 * Invariants:
 *   - a cached range lives in the tree, is 1 << order pfns long, aligned to
 *     that, and in one magazine once; no caller has it
 *   - a magazine in a depot is full
 * Guarded by cache_cpu::lock (loaded, previous) and cache::lock (depot), taken in
 * this order.
 *
 * Different from the kernel: the tree's lock is taken for each range of a
 * magazine, not once for all, because a variant frees one range at a time.
 */
#ifndef IO_CACHES_H
#define IO_CACHES_H

#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#include "unit.h"

#define CACHE_NR_ORDERS		6
#define CACHE_MAX_SIZE		(1UL << (CACHE_NR_ORDERS - 1))
#define CACHE_MAGAZINE_SIZE	127
#define CACHE_IS_LAZY		(LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0))
#define CACHE_DEPOT_MAX						\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0) ? 0 : 32)
#define CACHE_TRIM_DELAY	msecs_to_jiffies(100)

struct cache_magazine {
	union {
		unsigned long nr;
		struct cache_magazine *next; /* while in a depot, being full */
	};
	unsigned long pfns[CACHE_MAGAZINE_SIZE];
};

struct cache_cpu {
	spinlock_t lock;
	struct cache_magazine *loaded;
	struct cache_magazine *previous;
};

/* All magazines of one order. */
struct cache {
	spinlock_t lock;
	unsigned int order;
	unsigned int depot_size;
	struct cache_magazine *depot;
	struct cache_cpu __percpu *cpus;
	struct io_domain *domain;
	struct delayed_work trim;
};

/* The unit's own: one range goes back to the tree. */
static void unit_tree_free(struct io_domain *domain, unsigned long pfn,
			   unsigned long size);

/* ---- magazines ---- */

static struct cache_magazine *cache_magazine_new(gfp_t gfp)
{
	struct cache_magazine *magazine = kmalloc(sizeof(*magazine), gfp);

	if (magazine)
		magazine->nr = 0;
	return magazine;
}

/* A missing one has nothing, and no room either; only a lazy cache misses any. */
static __always_inline bool cache_has_any(const struct cache_magazine *magazine)
{
	return (!CACHE_IS_LAZY || magazine) && magazine->nr;
}

static __always_inline bool
cache_has_room(const struct cache_magazine *magazine)
{
	return (!CACHE_IS_LAZY || magazine) &&
	       magazine->nr != CACHE_MAGAZINE_SIZE;
}

/* Of one that has any: the newest that lies low enough, replaced by the newest. */
static __always_inline unsigned long
cache_magazine_get(struct cache_magazine *magazine, unsigned long highest)
{
	unsigned long last = magazine->nr - 1, i = last, pfn;

	do {
		pfn = magazine->pfns[i];
		if (likely(pfn <= highest)) {
			magazine->pfns[i] = magazine->pfns[last];
			magazine->nr = last;
			return pfn;
		}
	} while (i--);
	return IO_REFUSED;
}

/* @magazine may be missing. */
static void cache_magazine_empty(struct cache *cache,
				 struct cache_magazine *magazine)
{
	unsigned long i;

	if (!magazine)
		return;
	for (i = 0; i < magazine->nr; i++)
		unit_tree_free(cache->domain, magazine->pfns[i],
			       1UL << cache->order);
	magazine->nr = 0;
}

/* ---- depot ---- */

static void cache_depot_push(struct cache *cache, struct cache_magazine *full)
{
	full->next = cache->depot;
	cache->depot = full;
	cache->depot_size++;
}

static struct cache_magazine *cache_depot_pop(struct cache *cache)
{
	struct cache_magazine *magazine = cache->depot;

	cache->depot = magazine->next;
	magazine->nr = CACHE_MAGAZINE_SIZE;
	cache->depot_size--;
	return magazine;
}

static struct cache_magazine *cache_depot_pop_above(struct cache *cache,
						    unsigned int nr_keep)
{
	struct cache_magazine *magazine = NULL;
	unsigned long flags;

	spin_lock_irqsave(&cache->lock, flags);
	if (cache->depot_size > nr_keep)
		magazine = cache_depot_pop(cache);
	spin_unlock_irqrestore(&cache->lock, flags);
	return magazine;
}

static void cache_trim(struct work_struct *work)
{
	struct cache *cache = container_of(to_delayed_work(work), struct cache,
					   trim);
	struct cache_magazine *magazine = cache_depot_pop_above(
		cache, num_online_cpus());

	if (!magazine)
		return;
	cache_magazine_empty(cache, magazine);
	kfree(magazine);
	schedule_delayed_work(&cache->trim, CACHE_TRIM_DELAY);
}

/* ---- get and put ---- */

/* A magazine that has any, or NULL. */
static noinline struct cache_magazine *cache_reload(struct cache *cache,
						    struct cache_cpu *cpu)
{
	struct cache_magazine *full = NULL;

	if (cache_has_any(cpu->previous)) {
		swap(cpu->loaded, cpu->previous);
		return cpu->loaded;
	}
	spin_lock(&cache->lock);
	if (cache->depot)
		full = cache_depot_pop(cache);
	spin_unlock(&cache->lock);
	if (full) {
		kfree(cpu->loaded);
		cpu->loaded = full;
	}
	return full;
}

static __always_inline unsigned long cache_get(struct cache *cache,
					       unsigned long highest)
{
	struct cache_cpu *cpu = raw_cpu_ptr(cache->cpus);
	unsigned long pfn = IO_REFUSED, flags;
	struct cache_magazine *magazine;

	spin_lock_irqsave(&cpu->lock, flags);
	magazine = cpu->loaded;
	if (unlikely(!cache_has_any(magazine)))
		magazine = cache_reload(cache, cpu);
	if (likely(magazine))
		pfn = cache_magazine_get(magazine, highest);
	spin_unlock_irqrestore(&cpu->lock, flags);
	return pfn;
}

/* False if there is no memory.  @retired: a magazine that no depot takes. */
static bool cache_make_room(struct cache *cache, struct cache_cpu *cpu,
			    struct cache_magazine **retired)
{
	struct cache_magazine *empty = cache_magazine_new(GFP_ATOMIC);

	if (!empty)
		return false;
	if (CACHE_IS_LAZY && !cpu->loaded) {
		;
	} else if (CACHE_IS_LAZY && !cpu->previous) {
		cpu->previous = cpu->loaded;
	} else {
		spin_lock(&cache->lock);
		if (CACHE_DEPOT_MAX && cache->depot_size == CACHE_DEPOT_MAX)
			*retired = cpu->loaded;
		else
			cache_depot_push(cache, cpu->loaded);
		spin_unlock(&cache->lock);
		if (!CACHE_DEPOT_MAX)
			schedule_delayed_work(&cache->trim, CACHE_TRIM_DELAY);
	}
	cpu->loaded = empty;
	return true;
}

/* With the lock of @cpu held, which it releases. */
static noinline bool cache_put_elsewhere(struct cache *cache,
					 struct cache_cpu *cpu,
					 unsigned long pfn, unsigned long flags)
{
	struct cache_magazine *retired = NULL;
	bool room = true;

	if (cache_has_room(cpu->previous))
		swap(cpu->loaded, cpu->previous);
	else
		room = cache_make_room(cache, cpu, &retired);
	if (room)
		cpu->loaded->pfns[cpu->loaded->nr++] = pfn;
	spin_unlock_irqrestore(&cpu->lock, flags);

	if (retired) {
		cache_magazine_empty(cache, retired);
		kfree(retired);
	}
	return room;
}

static __always_inline bool cache_put(struct cache *cache, unsigned long pfn)
{
	struct cache_cpu *cpu = raw_cpu_ptr(cache->cpus);
	struct cache_magazine *magazine;
	unsigned long flags;

	spin_lock_irqsave(&cpu->lock, flags);
	magazine = cpu->loaded;
	if (unlikely(!cache_has_room(magazine)))
		return cache_put_elsewhere(cache, cpu, pfn, flags);
	magazine->pfns[magazine->nr++] = pfn;
	spin_unlock_irqrestore(&cpu->lock, flags);
	return true;
}

/* All that is held goes back to the tree. */
static void cache_flush(struct cache *cache)
{
	struct cache_magazine *magazine;
	unsigned long flags;
	unsigned int i;

	for_each_online_cpu(i) {
		struct cache_cpu *cpu = per_cpu_ptr(cache->cpus, i);

		spin_lock_irqsave(&cpu->lock, flags);
		cache_magazine_empty(cache, cpu->loaded);
		cache_magazine_empty(cache, cpu->previous);
		spin_unlock_irqrestore(&cpu->lock, flags);
	}
	while ((magazine = cache_depot_pop_above(cache, 0))) {
		cache_magazine_empty(cache, magazine);
		kfree(magazine);
	}
}

/* ---- one domain ---- */

static int cache_init(struct cache *cache, struct io_domain *domain,
		      unsigned int order)
{
	unsigned int i;

	spin_lock_init(&cache->lock);
	cache->domain = domain;
	cache->order = order;
	INIT_DELAYED_WORK(&cache->trim, cache_trim);
	cache->cpus = __alloc_percpu(sizeof(*cache->cpus), SMP_CACHE_BYTES);
	if (!cache->cpus)
		return -ENOMEM;
	for_each_possible_cpu(i) {
		struct cache_cpu *cpu = per_cpu_ptr(cache->cpus, i);

		spin_lock_init(&cpu->lock);
		if (CACHE_IS_LAZY)
			continue;
		cpu->loaded = cache_magazine_new(GFP_KERNEL);
		cpu->previous = cache_magazine_new(GFP_KERNEL);
		if (!cpu->loaded || !cpu->previous)
			return -ENOMEM;
	}
	return 0;
}

static unsigned long cache_magazine_delete(struct cache_magazine *magazine)
{
	unsigned long nr = magazine ? magazine->nr : 0;

	kfree(magazine);
	return nr;
}

/* Returns how many ranges it held: they stay in the tree. */
static unsigned long cache_exit(struct cache *cache)
{
	struct cache_magazine *magazine;
	unsigned long nr = 0;
	unsigned int i;

	if (!cache->cpus)
		return 0;
	cancel_delayed_work_sync(&cache->trim);
	for_each_possible_cpu(i) {
		struct cache_cpu *cpu = per_cpu_ptr(cache->cpus, i);

		nr += cache_magazine_delete(cpu->loaded);
		nr += cache_magazine_delete(cpu->previous);
	}
	free_percpu(cache->cpus);
	while ((magazine = cache_depot_pop_above(cache, 0)))
		nr += cache_magazine_delete(magazine);
	return nr;
}

#endif
