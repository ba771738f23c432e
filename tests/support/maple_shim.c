// SPDX-License-Identifier: GPL-2.0-only
/*
 * maple_shim - what a maple tree asks of the shim for, one by one.
 *
 * Prints the line of what does not hold, and ends.
 */
#include <stdio.h>

#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#define check(is) do {							\
	if (!(is)) {							\
		printf("%s:%d: %s\n", __FILE__, __LINE__, #is);		\
		exit(1);						\
	}								\
} while (0)

struct object {
	struct rcu_head rcu;
	unsigned int number;
	char pad[200];
};

static struct kmem_cache *cache;
static unsigned int nr_freed, last_freed;

static void freed(struct rcu_head *head)
{
	struct object *object = container_of(head, struct object, rcu);

	nr_freed++;
	last_freed = object->number;
	kmem_cache_free(cache, object);
}

static void grace_periods(void)
{
	unsigned int i;

	for (i = 1; i <= SHIM_GRACE + 3; i++) {
		struct object *object = kmem_cache_alloc(cache, GFP_KERNEL);

		object->number = i;
		call_rcu(&object->rcu, freed);
		check(nr_freed == (i > SHIM_GRACE ? i - SHIM_GRACE : 0));
	}
	check(last_freed == 3);
	rcu_barrier();
	check(nr_freed == SHIM_GRACE + 3 && last_freed == nr_freed);
	check(!shim_memory.nr_objects);
}

static void bulk(void)
{
	void *objects[8];

	check(kmem_cache_alloc_bulk(cache, GFP_ATOMIC, 8, objects) == 8);
	check(shim_memory.nr_objects == 8);
	check(!((unsigned long)objects[7] & 255));
	kmem_cache_free_bulk(cache, 8, objects);
	shim_memory.nr_requests = 0;
	shim_memory.fail_at = 5;
	check(!kmem_cache_alloc_bulk(cache, GFP_ATOMIC, 8, objects));
	check(!shim_memory.nr_objects);
	shim_memory.fail_at = 0;
}

static void sheaves(void)
{
	struct slab_sheaf *sheaf = kmem_cache_prefill_sheaf(cache, 0, 3);
	struct slab_sheaf *first = sheaf;
	void *object;

	check(kmem_cache_sheaf_size(sheaf) == 3);
	object = kmem_cache_alloc_from_sheaf(cache, 0, sheaf);
	check(object && kmem_cache_sheaf_size(sheaf) == 2);
	kmem_cache_free(cache, object);
	check(!kmem_cache_refill_sheaf(cache, 0, &sheaf, 2));
	check(sheaf == first && sheaf->size == 2);
	check(!kmem_cache_refill_sheaf(cache, 0, &sheaf, 40));
	check(sheaf != first && sheaf->size == 40);
	/* The first one is the spare now, with its two objects. */
	kmem_cache_return_sheaf(cache, 0, sheaf);
	check(shim_memory.nr_objects == 2 + 1);
	sheaf = kmem_cache_prefill_sheaf(cache, 0, 1);
	check(sheaf == first && sheaf->size == 2);
	shim_memory.nr_requests = 0;
	shim_memory.fail_at = 1;
	check(kmem_cache_refill_sheaf(cache, 0, &sheaf, 4) == -ENOMEM);
	check(sheaf->size == 2);
	shim_memory.fail_at = 0;
	kmem_cache_alloc_from_sheaf(cache, 0, sheaf);
	check(shim_memory.nr_objects == 2 + 1);
	kmem_cache_free(cache, sheaf->objects[1]);
	kmem_cache_return_sheaf(cache, 0, sheaf);
	shim_drop_sheaf(cache, shim_swap_spare(NULL));
	check(!shim_memory.nr_objects);
}

static void entries(void)
{
	check(xa_to_value(xa_mk_value(77)) == 77 &&
	      xa_is_value(xa_mk_value(77)));
	check(!xa_is_internal(xa_mk_value(77)) &&
	      xa_is_internal(XA_ZERO_ENTRY));
	check(xa_is_zero(XA_ZERO_ENTRY) && !xa_is_zero(XA_RETRY_ENTRY));
	check(xa_is_advanced(XA_RETRY_ENTRY) && !xa_is_advanced(XA_ZERO_ENTRY));
	check(xa_err(xa_mk_internal(-ENOMEM)) == -ENOMEM);
	check(!xa_is_err(&cache) && !xa_err(XA_ZERO_ENTRY));
}

int main(void)
{
	struct kmem_cache_args args = { .align = 256, .sheaf_capacity = 32 };

	cache = kmem_cache_create("object", sizeof(struct object), &args, 0);
	grace_periods();
	bulk();
	sheaves();
	entries();
	kmem_cache_destroy(cache);
	cache = kmem_cache_create("object", sizeof(struct object), 256, 0,
				  NULL);
	kmem_cache_destroy(cache);
	check(!shim_memory.nr_caches);
	return 0;
}
