// SPDX-License-Identifier: GPL-2.0-only
/*
 * slab - the shim's, and to which object an address belongs.
 */
#include "../userspace/slab.c"

#include "accesses.h"

const void *traced_object(const void *address)
{
	struct kmem_cache *cache;
	struct arena *arena;
	size_t offset, slab;

	for (cache = newest; cache; cache = cache->older) {
		for (arena = cache->arenas; arena; arena = arena->next) {
			offset = (const char *)address - arena->memory;
			if (offset >= arena->size)
				continue;
			slab = offset / cache->slab_bytes * cache->slab_bytes;
			return arena->memory + slab +
			       (offset - slab) / cache->stride * cache->stride;
		}
	}
	return NULL;
}
