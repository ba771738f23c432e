/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - more names for the lab's slab, which see for what differs.
 * A cache that the harness has destroyed, with the domains of an op that did not
 * return, is not destroyed again.
 */
#ifndef SHIM_TEXT_SLAB_H
#define SHIM_TEXT_SLAB_H

#include_next <linux/slab.h>

#define GFP_NOWAIT		GFP_ATOMIC

#define KMEM_CACHE(name, flags)						\
	kmem_cache_create(#name, sizeof(struct name),			\
			  __alignof__(struct name), flags, NULL)
#define kmem_cache_destroy(cache) do {	\
	if (shim_memory.nr_caches)	\
		kmem_cache_destroy(cache); \
} while (0)

#define kmalloc_array(n, size, gfp)	kcalloc(n, size, gfp)
#define kvfree(ptr)			kfree(ptr)

/* v7.0 and later: by type or variable; the flags may be left out. */
#define kmalloc_obj(what, ...)						\
	((__typeof__(what) *)kmalloc(sizeof(__typeof__(what)), GFP_KERNEL))
#define kzalloc_obj(what, ...)						\
	((__typeof__(what) *)kzalloc(sizeof(__typeof__(what)), GFP_KERNEL))
#define kmalloc_objs(what, n, ...)	kzalloc_objs(what, n)
#define kzalloc_objs(what, n, ...)					\
	((__typeof__(what) *)kcalloc(n, sizeof(__typeof__(what)), GFP_KERNEL))

#endif
