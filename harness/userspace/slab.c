// SPDX-License-Identifier: GPL-2.0-only
/*
 * slab - the object caches behind <linux/slab.h> in user space.
 *
 * A cache takes arenas from the system (256 KiB, doubling up to 16 MiB, touched
 * when taken), cuts 4 KiB slabs from them as it grows, and threads freed
 * objects on a list through themselves.  It never gives memory back before it
 * is destroyed.  O(1) per call.
 *
 * In the counted build the harness can have one request refused; in the timed
 * build that question is a constant, and costs nothing.
 *
 * With AddressSanitizer, memory that is not inside a live object is poisoned.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define poison(p, size)		__asan_poison_memory_region(p, size)
#define unpoison(p, size)	__asan_unpoison_memory_region(p, size)
#else
#define poison(p, size)		((void)(p), (void)(size))
#define unpoison(p, size)	((void)(p), (void)(size))
#endif

#define CACHE_LINE	64U
#define SLAB_BYTES	4096UL
#define ARENA_MIN	(256UL << 10)
#define ARENA_MAX	(16UL << 20)

struct arena {
	struct arena *next;
	char *memory;
	size_t size;
};

struct kmem_cache {
	void *free; /* each free object holds the next */
	char *fresh, *fresh_end; /* the slab that is being cut */
	size_t stride; /* from object to object */
	size_t object_size;
	size_t slab_bytes; /* 4 KiB, or enough for one object */
	struct arena *arenas; /* newest first */
	size_t arena_used; /* bytes cut from the newest */
	u64 nr_objects, bytes;
	void (*ctor)(void *object);
	u64 number;
	struct kmem_cache *older, *newer;
};

static struct kmem_cache *newest;
static u64 nr_caches;

#ifndef IOVA_THREADED
struct shim_books shim_memory;
#endif

static void account(u64 bytes)
{
	shim_memory.bytes += bytes;
	shim_memory.peak_bytes = max(shim_memory.peak_bytes, shim_memory.bytes);
}

#ifdef IOVA_COUNTED
static bool refuse(void)
{
	if (++shim_memory.nr_requests != shim_memory.fail_at)
		return false;
	shim_memory.nr_refused++;
	return true;
}
#else
static inline bool refuse(void)
{
	return false;
}
#endif

static size_t object_stride(unsigned int size, unsigned int align,
			    unsigned int flags)
{
	size_t line = CACHE_LINE;

	align = max(align, (unsigned int)sizeof(void *));
	if (flags & SLAB_HWCACHE_ALIGN) {
		while (size <= line / 2)
			line /= 2;
		align = max(align, (unsigned int)line);
	}
	return (size + align - 1) / align * align;
}

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *object))
{
	struct kmem_cache *cache = refuse() ? NULL : calloc(1, sizeof(*cache));

	(void)name;
	if (!cache)
		return NULL;
	cache->stride = object_stride(size, align, flags);
	cache->object_size = size;
	if (!shim_memory.object_size)
		shim_memory.object_size = size;
	cache->slab_bytes = max(SLAB_BYTES, cache->stride);
	cache->ctor = ctor;
	cache->number = nr_caches++;
	shim_memory.nr_caches++;
	cache->older = newest;
	if (newest)
		newest->newer = cache;
	newest = cache;
	return cache;
}

/* With room for @least bytes, in whole slabs. */
static bool grow_arena(struct kmem_cache *cache, size_t least)
{
	struct arena *arena = malloc(sizeof(*arena));
	size_t size = cache->arenas ? cache->arenas->size * 2 : ARENA_MIN;

	if (!arena)
		return false;
	size = max(min(size, ARENA_MAX), least);
	arena->memory = aligned_alloc(SLAB_BYTES, size);
	if (!arena->memory) {
		free(arena);
		return false;
	}
	memset(arena->memory, 0, size);
	poison(arena->memory, size);
	arena->size = size;
	arena->next = cache->arenas;
	cache->arenas = arena;
	cache->arena_used = 0;
	shim_memory.nr_arenas++;
	return true;
}

/* What was not cut from the arena before is left where it is. */
static bool has_room(struct kmem_cache *cache, size_t bytes)
{
	return (cache->arenas &&
		cache->arenas->size - cache->arena_used >= bytes) ||
	       grow_arena(cache, bytes);
}

static bool grow(struct kmem_cache *cache)
{
	if (!has_room(cache, cache->slab_bytes))
		return false;

	cache->fresh = cache->arenas->memory + cache->arena_used;
	cache->fresh_end = cache->fresh + cache->slab_bytes;
	cache->arena_used += cache->slab_bytes;
	cache->bytes += cache->slab_bytes;
	account(cache->slab_bytes);
	return true;
}

void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	void *object = cache->free;

	if (refuse())
		return NULL;
	if (object) {
		unpoison(object, cache->object_size);
		cache->free = *(void **)object;
	} else {
		if (cache->fresh == NULL ||
		    cache->fresh + cache->stride > cache->fresh_end)
			if (!grow(cache))
				return NULL;
		object = cache->fresh;
		cache->fresh += cache->stride;
		unpoison(object, cache->object_size);
	}
	cache->nr_objects++;
	shim_memory.nr_objects++;
	if (gfp & __GFP_ZERO)
		memset(object, 0, cache->object_size);
	if (cache->ctor)
		cache->ctor(object);
	return object;
}

void kmem_cache_free(struct kmem_cache *cache, void *object)
{
	*(void **)object = cache->free;
	cache->free = object;
	cache->nr_objects--;
	shim_memory.nr_objects--;
	poison(object, cache->object_size);
}

/* Objects that are still live stay in shim_memory: the harness reports them. */
void kmem_cache_destroy(struct kmem_cache *cache)
{
	struct arena *arena, *next;

	if (!cache)
		return;
	*(cache->newer ? &cache->newer->older : &newest) = cache->older;
	if (cache->older)
		cache->older->newer = cache->newer;
	for (arena = cache->arenas; arena; arena = next) {
		next = arena->next;
		unpoison(arena->memory, arena->size);
		free(arena->memory);
		free(arena);
	}
	shim_memory.bytes -= cache->bytes;
	shim_memory.nr_caches--;
	free(cache);
}

u64 shim_nr_caches(void)
{
	return nr_caches;
}

bool shim_prepare(u64 first, u64 end, u64 nr_objects)
{
	struct kmem_cache *cache;
	size_t nr_slabs;

	for (cache = newest; cache && cache->number >= first;
	     cache = cache->older) {
		nr_slabs = nr_objects / (cache->slab_bytes / cache->stride) + 1;
		if (cache->number < end &&
		    !has_room(cache, nr_slabs * cache->slab_bytes))
			return false;
	}
	return true;
}

void shim_abandon(u64 first)
{
	while (newest && newest->number >= first)
		kmem_cache_destroy(newest);
}

/* A kmalloc block remembers its class in front of itself. */
struct block {
	size_t class_bytes;
	size_t unused; /* keeps the object 16-byte aligned */
};

static size_t size_class(size_t size)
{
	if (size <= 8)
		return 8;
	if (size > 64 && size <= 96)
		return 96;
	if (size > 128 && size <= 192)
		return 192;
	return roundup_pow_of_two(size);
}

/* A sanitizer is to see what is beyond the object, so it gets no rounding up. */
static size_t usable(size_t size, size_t class_bytes)
{
#ifdef __SANITIZE_ADDRESS__
	return size;
#else
	return class_bytes;
#endif
}

void *kmalloc(size_t size, gfp_t gfp)
{
	size_t class_bytes = size_class(size);
	struct block *block;

	if (refuse())
		return NULL;
	block = malloc(sizeof(*block) + usable(size, class_bytes));
	if (!block)
		return NULL;
	block->class_bytes = class_bytes;
	shim_memory.nr_objects++;
	account(class_bytes);
	if (gfp & __GFP_ZERO)
		memset(block + 1, 0, usable(size, class_bytes));
	return block + 1;
}

size_t kmalloc_size_roundup(size_t size)
{
	return size_class(size);
}

void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}

void kfree(const void *object)
{
	struct block *block;

	if (!object)
		return;
	block = (struct block *)object - 1;
	shim_memory.nr_objects--;
	shim_memory.bytes -= block->class_bytes;
	free(block);
}
