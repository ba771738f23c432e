// SPDX-License-Identifier: GPL-2.0-only
/*
 * slab - magazines per thread before the shim's slab; threaded builds only.
 *
 * A thread takes objects from its own magazine and puts them back into it; only
 * every NR_BATCH objects does it go to the slab proper, which one thread may
 * use at a time, under a lock that is not timed.  What a thread frees, it hands
 * out next, whoever had it: SLUB gives a foreign object back to its slab,
 * with an atomic exchange.  Costs about 2 ns, and some 100 ns once a batch; no
 * variant asks for memory inside its lock, so none of it is in any hold.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/slab.h>

/* The slab proper, under other names. */
#define kmem_cache		slab_cache
#define kmem_cache_create	slab_cache_create
#define kmem_cache_destroy	slab_cache_destroy
#define kmem_cache_alloc	slab_cache_alloc
#define kmem_cache_free		slab_cache_free
#include "../userspace/slab.c"
#undef kmem_cache
#undef kmem_cache_create
#undef kmem_cache_destroy
#undef kmem_cache_alloc
#undef kmem_cache_free

#include "threads.h"

#include <linux/spinlock.h>

#define NR_BATCH	32U

struct shim_magazine {
	u32 nr;
	void *objects[2 * NR_BATCH];
} __attribute__((__aligned__(128)));

struct kmem_cache {
	struct slab_cache *slab;
	size_t object_size;
	void (*ctor)(void *object);
	u32 busy; /* guards the slab */
	u32 nr_magazines;
	struct shim_magazine *magazines; /* one per thread, and the harness's */
};

static void lock_slab(struct kmem_cache *cache)
{
	u32 nr_spins = 0;

	while (__atomic_exchange_n(&cache->busy, 1, __ATOMIC_ACQUIRE))
		shim_spin(&nr_spins, SHIM_LOCK_PATIENCE);
}

static void unlock_slab(struct kmem_cache *cache)
{
	__atomic_store_n(&cache->busy, 0, __ATOMIC_RELEASE);
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *object))
{
	struct kmem_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->nr_magazines = threads_max_id + 1;
	cache->magazines = aligned_alloc(
		128, cache->nr_magazines * sizeof(*cache->magazines));
	/* The constructor runs at each allocation, as in the slab proper. */
	cache->slab = slab_cache_create(name, size, align, flags, NULL);
	cache->object_size = size;
	cache->ctor = ctor;
	if (!cache->slab || !cache->magazines) {
		slab_cache_destroy(cache->slab);
		free(cache->magazines);
		free(cache);
		return NULL;
	}
	memset(cache->magazines, 0,
	       cache->nr_magazines * sizeof(*cache->magazines));
	return cache;
}

static void give_back(struct kmem_cache *cache, struct shim_magazine *magazine,
		      u32 nr_keep)
{
	lock_slab(cache);
	while (magazine->nr > nr_keep)
		slab_cache_free(cache->slab, magazine->objects[--magazine->nr]);
	unlock_slab(cache);
}

void kmem_cache_destroy(struct kmem_cache *cache)
{
	u32 i;

	if (!cache)
		return;
	for (i = 0; i < cache->nr_magazines; i++)
		give_back(cache, &cache->magazines[i], 0);
	slab_cache_destroy(cache->slab);
	free(cache->magazines);
	free(cache);
}

static bool refill(struct kmem_cache *cache, struct shim_magazine *magazine)
{
	lock_slab(cache);
	while (magazine->nr < NR_BATCH) {
		void *object = slab_cache_alloc(cache->slab, 0);

		if (!object)
			break;
		magazine->objects[magazine->nr++] = object;
	}
	unlock_slab(cache);
	return magazine->nr;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	struct shim_magazine *magazine = &cache->magazines[this_cpu->id];
	void *object;

	if (unlikely(!magazine->nr) && !refill(cache, magazine))
		return NULL;
	object = magazine->objects[--magazine->nr];
	if (gfp & __GFP_ZERO)
		memset(object, 0, cache->object_size);
	if (cache->ctor)
		cache->ctor(object);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	struct shim_magazine *magazine = &cache->magazines[this_cpu->id];

	if (unlikely(magazine->nr == 2 * NR_BATCH))
		give_back(cache, magazine, NR_BATCH);
	magazine->objects[magazine->nr++] = object;
}
