// SPDX-License-Identifier: GPL-2.0-only
/*
 * unit - a variant as it would stand behind the kernel's API: see unit.h.
 *
 * Includes the variant, so that calls from the caches to the tree are direct, as
 * they are in the kernel's own file; IO_VARIANT_FILE is the variant's.
 * held.c includes all this with IO_HELD, for a unit that counts lock holds.
 *
 * Costs three instructions more than a file of the kernel's would, for each request
 * that the caches do not serve: they count it.
 */
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

/* What a variant calls so is its own, and not the kernel's. */
#define iova_domain	unit_tree
#ifdef IO_HELD
#include "held.h"
#endif
#include IO_VARIANT_FILE
#ifdef IO_HELD
#undef spin_lock_irqsave
#undef spin_unlock_irqrestore
#define spin_lock_irqsave(lock, flags)					\
	raw_spin_lock_irqsave(spinlock_check(lock), flags)
#define spin_unlock_irqrestore(lock, flags)				\
	raw_spin_unlock_irqrestore(spinlock_check(lock), flags)
#endif

#include "account.h"
#include "caches.h"

struct io_domain {
	unsigned long max_cached; /* largest size with caches; 0 without */
	long __percpu *nr_live; /* ranges in the tree, reserved ones not */
	u16 dom;
	struct cache caches[CACHE_NR_ORDERS];
	struct unit_tree tree;
};

/* ---- the tree ---- */

static unsigned long unit_tree_alloc(struct io_domain *domain,
				     unsigned long size,
				     unsigned long limit_pfn, bool size_aligned)
{
	unsigned long pfn = iova_variant.alloc(&domain->tree, size, limit_pfn,
					       size_aligned);

	this_cpu_inc(io_tree.nr_allocs);
	if (likely(pfn != IOVA_REFUSED))
		this_cpu_inc(*domain->nr_live);
	io_record(IO_ROW_ALLOC, domain->dom, pfn == IOVA_REFUSED ? 0 : pfn,
		  size, limit_pfn, size_aligned ? IO_ROW_SIZE_ALIGNED : 0);
	return pfn;
}

static noinline void unit_tree_free(struct io_domain *domain, unsigned long pfn,
				    unsigned long size)
{
	if (iova_variant.free_sized)
		iova_variant.free_sized(&domain->tree, pfn, size);
	else
		iova_variant.free(&domain->tree, pfn);
	this_cpu_inc(io_tree.nr_frees);
	this_cpu_dec(*domain->nr_live);
	io_record(IO_ROW_FREE, domain->dom, pfn, size, 0, 0);
}

/* ---- the fast API ---- */

/* What the tree is asked for: any range of an order serves any request of it. */
static unsigned long unit_tree_size(unsigned long size)
{
	return size - 1 < CACHE_MAX_SIZE ? 1UL << fls_long(size - 1) : size;
}

static noinline unsigned long
unit_alloc_miss(struct io_domain *domain, unsigned long size,
		unsigned long limit_pfn, bool flush)
{
	unsigned int order;
	unsigned long pfn;

	size = unit_tree_size(size);
	pfn = unit_tree_alloc(domain, size, limit_pfn, true);
	if (likely(pfn != IO_REFUSED) || !flush)
		return pfn;
	this_cpu_inc(io_tree.nr_flushes);
	for (order = 0; domain->max_cached && order < CACHE_NR_ORDERS; order++)
		cache_flush(&domain->caches[order]);
	return unit_tree_alloc(domain, size, limit_pfn, true);
}

/*
 * The kernel's own are called past their entry: these have nothing at theirs.
 * Most requests are of one page, so that has a way of its own.
 */
static notrace unsigned long
unit_alloc_fast(struct io_domain *domain, unsigned long size,
		unsigned long limit_pfn, bool flush)
{
	struct cache *cache = domain->caches;
	unsigned long pfn, highest = limit_pfn;

	if (unlikely(size - 1 >= domain->max_cached))
		return unit_alloc_miss(domain, size, limit_pfn, flush);
	if (unlikely(size != 1)) {
		unsigned int order = fls_long(size - 1);

		cache += order;
		highest = limit_pfn + 1 - (1UL << order);
	}
	pfn = cache_get(cache, highest);
	if (unlikely(pfn == IO_REFUSED))
		pfn = unit_alloc_miss(domain, size, limit_pfn, flush);
	return pfn;
}

static notrace void unit_free_fast(struct io_domain *domain, unsigned long pfn,
				   unsigned long size)
{
	struct cache *cache = domain->caches;

	if (likely(size - 1 < domain->max_cached)) {
		if (unlikely(size != 1))
			cache += fls_long(size - 1);
		if (likely(cache_put(cache, pfn)))
			return;
	}
	unit_tree_free(domain, pfn, unit_tree_size(size));
}

static int unit_reserve(struct io_domain *domain, unsigned long pfn_lo,
			unsigned long pfn_hi)
{
	return iova_variant.reserve(&domain->tree, pfn_lo, pfn_hi);
}

/* ---- domains ---- */

static struct io_domain *unit_new(unsigned long granule,
				  unsigned long start_pfn, u16 dom)
{
	struct io_domain *domain = kvzalloc(sizeof(*domain), GFP_KERNEL);

	if (!domain)
		return NULL;
	domain->dom = dom;
	domain->nr_live = alloc_percpu(long);
	if (domain->nr_live &&
	    !iova_variant.init_domain(&domain->tree, granule, start_pfn))
		return domain;
	free_percpu(domain->nr_live);
	kvfree(domain);
	return NULL;
}

/* What is there of the caches after an error is freed with the domain. */
static int unit_use_caches(struct io_domain *domain)
{
	unsigned int order;
	int err = 0;

	for (order = 0; !err && order < CACHE_NR_ORDERS; order++)
		err = cache_init(&domain->caches[order], domain, order);
	if (!err)
		domain->max_cached = CACHE_MAX_SIZE;
	return err;
}

static u64 unit_delete(struct io_domain *domain)
{
	unsigned int i;
	long nr_left = 0;

	for (i = 0; i < CACHE_NR_ORDERS; i++)
		nr_left -= cache_exit(&domain->caches[i]);
	for_each_possible_cpu(i)
		nr_left += *per_cpu_ptr(domain->nr_live, i);
	iova_variant.put_domain(&domain->tree);
	free_percpu(domain->nr_live);
	kvfree(domain);
	return nr_left;
}

const struct io_unit io_built_unit = {
	.new = unit_new,
	.delete = unit_delete,
	.use_caches = unit_use_caches,
	.alloc_fast = unit_alloc_fast,
	.free_fast = unit_free_fast,
	.alloc = unit_tree_alloc,
	.free = unit_tree_free,
	.reserve = unit_reserve,
};
