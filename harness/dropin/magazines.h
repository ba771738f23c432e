/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * magazines - each CPU's caches of freed ranges, one per power of two, and their
 * depots.
 *
 * As the kernel's rcache since v6.7: the depot has no bound, and delayed work
 * frees a magazine every 100 ms while there are more than CPUs.  Since v7.3 a
 * magazine is allocated when a free first needs it; before, with the domain.
 * A hit is O(1).
 *
 * Invariants:
 *   - a cached range is in use, for the candidate and for records
 *   - a magazine in a depot is full
 * Guarded by the lock of a CPU's cache, and by the depot's, taken in this order.
 * A flush frees a CPU's magazines under its lock.
 */
#ifndef DROPIN_MAGAZINES_H
#define DROPIN_MAGAZINES_H

#include "records.h"

#define NR_ORDERS	6
#define IOVA_MAG_SIZE	127 /* with its size, 1 KiB */
#define DEPOT_DELAY	msecs_to_jiffies(100)
#define LAZY_MAGAZINES	(LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0))

struct iova_magazine {
	union {
		unsigned long size;
		struct iova_magazine *next; /* in a depot */
	};
	unsigned long pfns[IOVA_MAG_SIZE];
};

/* If magazines are lazy, either may be missing: it has nothing, and no room. */
struct iova_cpu_rcache {
	spinlock_t lock;
	struct iova_magazine *loaded;
	struct iova_magazine *prev;
};

struct iova_rcache {
	spinlock_t lock;
	unsigned int depot_size;
	struct iova_magazine *depot;
	struct iova_cpu_rcache __percpu *cpu_rcaches;
	struct iova_domain *iovad;
	struct delayed_work work;
};

static inline bool magazine_any(const struct iova_magazine *magazine)
{
	return (!LAZY_MAGAZINES || magazine) && magazine->size;
}

static inline bool magazine_room(const struct iova_magazine *magazine)
{
	return (!LAZY_MAGAZINES || magazine) && magazine->size < IOVA_MAG_SIZE;
}

static struct iova_magazine *magazine_new(gfp_t gfp)
{
	struct iova_magazine *magazine = kmalloc(sizeof(*magazine), gfp);

	if (magazine)
		magazine->size = 0;
	return magazine;
}

/* The newest that lies low enough, or 0; the newest of all fills its place. */
static inline unsigned long magazine_pop(struct iova_magazine *magazine,
					 unsigned long highest)
{
	unsigned long i, pfn;

	for (i = magazine->size; i-- > 0;) {
		pfn = magazine->pfns[i];
		if (likely(pfn <= highest)) {
			magazine->pfns[i] = magazine->pfns[--magazine->size];
			return pfn;
		}
	}
	return 0;
}

/* A range without a record, unless the domain is used through both APIs. */
static noinline void tree_free(struct iova_domain *iovad, unsigned long pfn,
			       unsigned long size)
{
	struct space *space = space_of(iovad);

	if (unlikely(READ_ONCE(space->has_ranges)) && record_free(iovad, pfn))
		return;
	candidate.free_sized(&space->holes, pfn, size);
}

static void magazine_give_back(struct iova_rcache *rcache,
			       struct iova_magazine *magazine)
{
	unsigned long i, size = 1UL << (rcache - rcache->iovad->rcaches);

	if (!magazine)
		return;
	for (i = 0; i < magazine->size; i++)
		tree_free(rcache->iovad, magazine->pfns[i], size);
	magazine->size = 0;
}

/* ---- depot ---- */

static void depot_push(struct iova_rcache *rcache, struct iova_magazine *full)
{
	spin_lock(&rcache->lock);
	full->next = rcache->depot;
	rcache->depot = full;
	rcache->depot_size++;
	spin_unlock(&rcache->lock);
	schedule_delayed_work(&rcache->work, DEPOT_DELAY);
}

/* The newest magazine, if there are more than @nr_keep. */
static struct iova_magazine *depot_pop(struct iova_rcache *rcache,
				       unsigned int nr_keep)
{
	struct iova_magazine *magazine = NULL;
	unsigned long flags;

	spin_lock_irqsave(&rcache->lock, flags);
	if (rcache->depot_size > nr_keep) {
		magazine = rcache->depot;
		rcache->depot = magazine->next;
		magazine->size = IOVA_MAG_SIZE;
		rcache->depot_size--;
	}
	spin_unlock_irqrestore(&rcache->lock, flags);
	return magazine;
}

static bool depot_trim(struct iova_rcache *rcache, unsigned int nr_keep)
{
	struct iova_magazine *magazine = depot_pop(rcache, nr_keep);

	magazine_give_back(rcache, magazine);
	kfree(magazine);
	return magazine;
}

static void depot_work(struct work_struct *work)
{
	struct iova_rcache *rcache = container_of(to_delayed_work(work),
						  struct iova_rcache, work);

	if (depot_trim(rcache, num_online_cpus()))
		schedule_delayed_work(&rcache->work, DEPOT_DELAY);
}

/* ---- get and put ---- */

/* False if neither the CPU nor the depot has anything. */
static noinline bool rcache_reload(struct iova_rcache *rcache,
				   struct iova_cpu_rcache *cache)
{
	struct iova_magazine *full;

	if (magazine_any(cache->prev)) {
		swap(cache->loaded, cache->prev);
		return true;
	}
	full = depot_pop(rcache, 0);
	if (!full)
		return false;
	kfree(cache->loaded);
	cache->loaded = full;
	return true;
}

static unsigned long rcache_pop(struct iova_rcache *rcache,
				unsigned long highest)
{
	struct iova_cpu_rcache *cache = raw_cpu_ptr(rcache->cpu_rcaches);
	unsigned long pfn = 0, flags;

	spin_lock_irqsave(&cache->lock, flags);
	if (magazine_any(cache->loaded) || rcache_reload(rcache, cache))
		pfn = magazine_pop(cache->loaded, highest);
	spin_unlock_irqrestore(&cache->lock, flags);
	return pfn;
}

/*
 * Most calls need the loaded magazine alone, and no other function.  This is one
 * for these: 0 means that rcache_pop() has to look.
 */
static __always_inline unsigned long rcache_top(struct iova_rcache *rcache,
						unsigned long highest)
{
	struct iova_cpu_rcache *cache = raw_cpu_ptr(rcache->cpu_rcaches);
	struct iova_magazine *loaded;
	unsigned long pfn = 0, flags;

	spin_lock_irqsave(&cache->lock, flags);
	loaded = cache->loaded;
	if (likely(magazine_any(loaded))) {
		pfn = loaded->pfns[loaded->size - 1];
		if (likely(pfn <= highest))
			loaded->size--;
		else
			pfn = 0;
	}
	spin_unlock_irqrestore(&cache->lock, flags);
	return pfn;
}

/* Room in the loaded magazine, if need be in a new one. */
static noinline bool rcache_make_room(struct iova_rcache *rcache,
				      struct iova_cpu_rcache *cache)
{
	struct iova_magazine *new;

	if (magazine_room(cache->prev)) {
		swap(cache->loaded, cache->prev);
		return true;
	}
	new = magazine_new(GFP_ATOMIC | __GFP_NOWARN);
	if (!new)
		return false;
	if (cache->loaded && !cache->prev)
		cache->prev = cache->loaded;
	else if (cache->loaded)
		depot_push(rcache, cache->loaded);
	cache->loaded = new;
	return true;
}

static bool rcache_push(struct iova_rcache *rcache, unsigned long pfn)
{
	struct iova_cpu_rcache *cache = raw_cpu_ptr(rcache->cpu_rcaches);
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&cache->lock, flags);
	room = magazine_room(cache->loaded) || rcache_make_room(rcache, cache);
	if (room)
		cache->loaded->pfns[cache->loaded->size++] = pfn;
	spin_unlock_irqrestore(&cache->lock, flags);
	return room;
}

/* Likewise; false means that rcache_push() has to look. */
static __always_inline bool rcache_put(struct iova_rcache *rcache,
				       unsigned long pfn)
{
	struct iova_cpu_rcache *cache = raw_cpu_ptr(rcache->cpu_rcaches);
	struct iova_magazine *loaded;
	unsigned long flags;
	bool room;

	spin_lock_irqsave(&cache->lock, flags);
	loaded = cache->loaded;
	room = magazine_room(loaded);
	if (likely(room))
		loaded->pfns[loaded->size++] = pfn;
	spin_unlock_irqrestore(&cache->lock, flags);
	return room;
}

static void free_cpu_cached_iovas(unsigned int cpu, struct iova_domain *iovad)
{
	struct iova_cpu_rcache *cache;
	unsigned long flags;
	unsigned int order;

	for (order = 0; order < NR_ORDERS; order++) {
		cache = per_cpu_ptr(iovad->rcaches[order].cpu_rcaches, cpu);
		spin_lock_irqsave(&cache->lock, flags);
		magazine_give_back(&iovad->rcaches[order], cache->loaded);
		magazine_give_back(&iovad->rcaches[order], cache->prev);
		spin_unlock_irqrestore(&cache->lock, flags);
	}
}

static void free_global_cached_iovas(struct iova_domain *iovad)
{
	unsigned int order;

	for (order = 0; order < NR_ORDERS; order++)
		while (depot_trim(&iovad->rcaches[order], 0))
			;
}

/* ---- one order of a domain ---- */

static int rcache_start(struct iova_domain *iovad, struct iova_rcache *rcache)
{
	struct iova_cpu_rcache *cache;
	unsigned int cpu;

	spin_lock_init(&rcache->lock);
	rcache->iovad = iovad;
	INIT_DELAYED_WORK(&rcache->work, depot_work);
	rcache->cpu_rcaches = __alloc_percpu(sizeof(struct iova_cpu_rcache),
					     cache_line_size());
	if (!rcache->cpu_rcaches)
		return -ENOMEM;
	for_each_possible_cpu(cpu) {
		cache = per_cpu_ptr(rcache->cpu_rcaches, cpu);
		spin_lock_init(&cache->lock);
		if (LAZY_MAGAZINES)
			continue;
		cache->loaded = magazine_new(GFP_KERNEL);
		cache->prev = magazine_new(GFP_KERNEL);
		if (!cache->loaded || !cache->prev)
			return -ENOMEM;
	}
	return 0;
}

/* What is cached stays in use: the domain goes too. */
static void rcache_stop(struct iova_rcache *rcache)
{
	struct iova_magazine *magazine;
	unsigned int cpu;

	if (!rcache->cpu_rcaches)
		return;
	cancel_delayed_work_sync(&rcache->work);
	for_each_possible_cpu(cpu) {
		kfree(per_cpu_ptr(rcache->cpu_rcaches, cpu)->loaded);
		kfree(per_cpu_ptr(rcache->cpu_rcaches, cpu)->prev);
	}
	free_percpu(rcache->cpu_rcaches);
	while ((magazine = depot_pop(rcache, 0)))
		kfree(magazine);
}

#endif
