/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - many objects of the lab's slab at a time: by bulk (until
 * v6.17) and by sheaf (since v6.18).  Each object is a request of its own, and
 * can be refused.  One sheaf that was given back is kept with its objects for who
 * asks next; the kernel keeps more, per CPU.
 */
#ifndef SHIM_MAPLE_SLAB_H
#define SHIM_MAPLE_SLAB_H

#include_next <linux/slab.h>

#include <errno.h>

#include <linux/minmax.h>

#define SHIM_SHEAF_OBJECTS	32U

/* Of no effect: without memory NULL is returned all the same. */
#define __GFP_NOFAIL			0U
#define gfpflags_allow_blocking(gfp)	(!((gfp) & GFP_ATOMIC))
#define might_alloc(gfp)		((void)(gfp))

struct kmem_cache_args {
	unsigned int align;
	unsigned int sheaf_capacity;
};

static inline unsigned int shim_align(unsigned int align)
{
	return align;
}

static inline unsigned int shim_align_of(const struct kmem_cache_args *args)
{
	return args->align;
}

/* Five arguments, or four with the third a struct kmem_cache_args. */
#define kmem_cache_create(name, size, align, flags, ...)		\
	(kmem_cache_create)(name, size,					\
			    _Generic((align),				\
				     struct kmem_cache_args *: shim_align_of, \
				     default: shim_align)(align),	\
			    flags, NULL)

static inline void kmem_cache_free_bulk(struct kmem_cache *cache, size_t nr,
					void **objects)
{
	while (nr)
		kmem_cache_free(cache, objects[--nr]);
}

/* All or none: returns how many. */
static inline int kmem_cache_alloc_bulk(struct kmem_cache *cache, gfp_t gfp,
					size_t nr, void **objects)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		objects[i] = kmem_cache_alloc(cache, gfp);
		if (!objects[i]) {
			kmem_cache_free_bulk(cache, i, objects);
			return 0;
		}
	}
	return nr;
}

struct slab_sheaf {
	unsigned int capacity;
	unsigned int size;
	void *objects[];
};

static struct slab_sheaf *shim_spare_sheaf;

static inline void shim_drop_sheaf(struct kmem_cache *cache,
				   struct slab_sheaf *sheaf)
{
	if (!sheaf)
		return;
	kmem_cache_free_bulk(cache, sheaf->size, sheaf->objects);
	kfree(sheaf);
}

static inline struct slab_sheaf *shim_swap_spare(struct slab_sheaf *sheaf)
{
	return __atomic_exchange_n(&shim_spare_sheaf, sheaf, __ATOMIC_ACQ_REL);
}

static inline bool shim_fill_sheaf(struct kmem_cache *cache, gfp_t gfp,
				   struct slab_sheaf *sheaf, unsigned int size)
{
	unsigned int more = size > sheaf->size ? size - sheaf->size : 0;

	if (more && !kmem_cache_alloc_bulk(cache, gfp, more,
					   sheaf->objects + sheaf->size))
		return false;
	sheaf->size += more;
	return true;
}

static inline void kmem_cache_return_sheaf(struct kmem_cache *cache, gfp_t gfp,
					   struct slab_sheaf *sheaf)
{
	if (sheaf->capacity == SHIM_SHEAF_OBJECTS)
		sheaf = shim_swap_spare(sheaf);
	shim_drop_sheaf(cache, sheaf);
}

static inline struct slab_sheaf *
kmem_cache_prefill_sheaf(struct kmem_cache *cache, gfp_t gfp, unsigned int size)
{
	unsigned int capacity = max(size, SHIM_SHEAF_OBJECTS);
	struct slab_sheaf *sheaf = NULL;

	if (capacity == SHIM_SHEAF_OBJECTS)
		sheaf = shim_swap_spare(NULL);
	if (!sheaf) {
		sheaf = kmalloc(sizeof(*sheaf) + capacity * sizeof(void *),
				gfp);
		if (!sheaf)
			return NULL;
		sheaf->capacity = capacity;
		sheaf->size = 0;
	}
	if (shim_fill_sheaf(cache, gfp, sheaf, size))
		return sheaf;
	kmem_cache_return_sheaf(cache, gfp, sheaf);
	return NULL;
}

static inline int kmem_cache_refill_sheaf(struct kmem_cache *cache, gfp_t gfp,
					  struct slab_sheaf **sheafp,
					  unsigned int size)
{
	struct slab_sheaf *sheaf = *sheafp;

	if (size > sheaf->capacity) {
		sheaf = kmem_cache_prefill_sheaf(cache, gfp, size);
		if (!sheaf)
			return -ENOMEM;
		kmem_cache_return_sheaf(cache, gfp, *sheafp);
		*sheafp = sheaf;
	}
	return shim_fill_sheaf(cache, gfp, sheaf, size) ? 0 : -ENOMEM;
}

static inline void *kmem_cache_alloc_from_sheaf(struct kmem_cache *cache,
						gfp_t gfp,
						struct slab_sheaf *sheaf)
{
	return sheaf->size ? sheaf->objects[--sheaf->size] : NULL;
}

static inline unsigned int kmem_cache_sheaf_size(const struct slab_sheaf *sheaf)
{
	return sheaf->size;
}

#endif
