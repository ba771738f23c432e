/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - a slab cache is a last-in first-out free list over
 * 4 KiB slabs, with the kernel's object sizes: SLAB_HWCACHE_ALIGN rounds to
 * a cache line, or to the fraction of one that still holds the object; kmalloc
 * rounds to the kernel's size classes.  Bytes are counted in whole slabs.
 * Different: no per-CPU lists and no atomic exchange, so an allocation costs
 * about 1 ns where SLUB's fast path takes several; memory comes in arenas that
 * are touched beforehand, and the harness asks for what a measured window can
 * use before it begins, so that no page is taken within one.  What kmalloc()
 * gives is the C library's, and may be a new page.
 * One cache may be used by one thread at a time; threaded builds put magazines
 * in front (harness/threaded/slab.c).  The counted build can be told to refuse
 * one request; in the timed build nothing of that is left.
 */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <linux/types.h>

#define GFP_KERNEL		0U
#define GFP_ATOMIC		1U
#define __GFP_ZERO		2U
#define __GFP_NOWARN		4U

#define SLAB_HWCACHE_ALIGN	1U
#define SLAB_PANIC		2U	/* accepted, means nothing here */

struct kmem_cache;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size,
				     unsigned int align, unsigned int flags,
				     void (*ctor)(void *object));
void kmem_cache_destroy(struct kmem_cache *cache);
void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
void kmem_cache_free(struct kmem_cache *cache, void *object);

void *kmalloc(size_t size, gfp_t gfp);
/* The bytes that kmalloc() takes for @size. */
size_t kmalloc_size_roundup(size_t size);
void *kzalloc(size_t size, gfp_t gfp);
void kfree(const void *object);

#define kmem_cache_zalloc(cache, gfp)	\
	kmem_cache_alloc(cache, (gfp) | __GFP_ZERO)

static inline void *kcalloc(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL :
							 kzalloc(bytes, gfp);
}

/**
 * struct shim_books - what the variants of this shared object hold
 * @bytes: in whole slabs and kmalloc size classes, now
 * @peak_bytes: the most that @bytes has been
 * @nr_objects: live objects and kmalloc blocks, now
 * @nr_caches: caches that have not been destroyed, now
 * @object_size: of the first cache that was created, as asked for
 * @nr_requests: requests since the harness last set it to 0; counted build
 * @fail_at: the request that is refused, from 1; 0 for none; counted build
 * @nr_refused: requests refused for that reason
 * @nr_arenas: arenas taken from the system, ever
 */
struct shim_books {
	u64 bytes;
	u64 peak_bytes;
	u64 nr_objects;
	u64 nr_caches;
	u64 object_size;
	u64 nr_requests;
	u64 fail_at;
	u64 nr_refused;
	u64 nr_arenas;
};

/* In threaded builds each thread keeps books of its own. */
#ifndef IOVA_THREADED
extern struct shim_books shim_memory;
#endif

/*
 * For the harness.  Caches are numbered in the order of their creation, from 0;
 * how many there have been so far:
 */
u64 shim_nr_caches(void);
/* Have room for @nr_objects more in each of the caches [@first, @end). */
bool shim_prepare(u64 first, u64 end, u64 nr_objects);
/* Destroy all caches from number @first on, whatever is in them. */
void shim_abandon(u64 first);

#endif
