// SPDX-License-Identifier: GPL-2.0-only
/*
 * candidate_iova - the kernel's IOVA API on the candidate, in the place of the file
 * drivers/iommu/iova.c, behind the kernel's own <linux/iova.h>.
 *
 *	alloc_iova_fast()	alloc_iova(), reserve_iova(), find_iova()
 *	magazines of a CPU	records, a struct iova per range
 *	depot				|
 *	     `----------- holes --------'	the candidate, as it is
 *
 * A range of the fast API has no record: free_iova_fast() is given its size.  A
 * domain that is used through the fast API alone has records of what was reserved
 * in it, and looks at none of them.
 *
 * Cost: the candidate's; records add O(log records) to the API that has them.
 *
 * Different from the kernel's file:
 *   - find_iova() and free_iova() know no range of alloc_iova_fast(), and the size
 *     given to free_iova_fast() has to be the range's
 *   - init_iova_domain() takes memory and may sleep.  If there is none, the domain
 *     refuses all requests, and iova_domain_init_rcaches() returns -ENOMEM
 *   - a magazine takes the lock once for each range that it gives back
 *
 * Locks, in the order in which they are taken: a CPU's cache, its depot;
 * iova_rbtree_lock (records), the candidate's (holes).
 */
#include <linux/bitops.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/iova.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#include "magazines.h"

/* ---- ranges with a record ---- */

struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size,
			unsigned long limit_pfn, bool size_aligned)
{
	struct space *space = space_of(iovad);
	struct record *new = record_new();
	unsigned long pfn = IOVA_REFUSED, flags;

	if (!new)
		return NULL;
	if (likely(space))
		pfn = candidate.alloc(&space->holes, size, limit_pfn,
				      size_aligned);
	if (pfn == IOVA_REFUSED) {
		kmem_cache_free(record_cache, new);
		return NULL;
	}
	new->iova.pfn_lo = pfn;
	new->iova.pfn_hi = pfn + size - 1;
	new->nr_live = 1;

	spin_lock_irqsave(&iovad->iova_rbtree_lock, flags);
	space->has_ranges = true;
	record_insert(&iovad->rbroot, new);
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);
	return &new->iova;
}
EXPORT_SYMBOL_GPL(alloc_iova);

void __free_iova(struct iova_domain *iovad, struct iova *iova)
{
	struct record *record = container_of(iova, struct record, iova);
	unsigned long flags;

	spin_lock_irqsave(&iovad->iova_rbtree_lock, flags);
	record_erase(iovad, record);
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);
	record_give_back(iovad, record);
}
EXPORT_SYMBOL_GPL(__free_iova);

/* An address that is in use and has no record is the fast API's: it leaks. */
void free_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct space *space = space_of(iovad);
	unsigned long lo, hi;

	if (likely(record_free(iovad, pfn)) || !space)
		return;
	WARN_ONCE(candidate.find(&space->holes, pfn, &lo, &hi),
		  "iova: a range of alloc_iova_fast() is freed by its size\n");
}
EXPORT_SYMBOL_GPL(free_iova);

struct iova *find_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct record *record;
	unsigned long flags;

	spin_lock_irqsave(&iovad->iova_rbtree_lock, flags);
	record = record_at(iovad, pfn);
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);
	return record ? &record->iova : NULL;
}
EXPORT_SYMBOL_GPL(find_iova);

struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
			  unsigned long pfn_hi)
{
	struct record *record;
	unsigned long flags;

	if (WARN_ON((pfn_lo | pfn_hi) > (~0ULL >> iova_shift(iovad))) ||
	    !space_of(iovad))
		return NULL;
	spin_lock_irqsave(&iovad->iova_rbtree_lock, flags);
	record = record_reserve(iovad, pfn_lo, pfn_hi);
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);
	return record ? &record->iova : NULL;
}
EXPORT_SYMBOL_GPL(reserve_iova);

/* ---- ranges without one ---- */

unsigned long iova_rcache_range(void)
{
	return PAGE_SIZE << (NR_ORDERS - 1);
}

/* NR_ORDERS for what no magazine takes. */
static __always_inline unsigned int order_of(unsigned long size)
{
	return likely(size <= 1UL << (NR_ORDERS - 1)) ? order_base_2(size) :
							NR_ORDERS;
}

static unsigned long tree_alloc(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn)
{
	struct space *space = space_of(iovad);
	unsigned long pfn = IOVA_REFUSED;

	if (likely(space))
		pfn = candidate.alloc(&space->holes, size, limit_pfn, true);
	return pfn == IOVA_REFUSED ? 0 : pfn;
}

/* All that may help; NR_ORDERS asks no magazine. */
static noinline unsigned long
alloc_slow(struct iova_domain *iovad, unsigned int order, unsigned long size,
	   unsigned long limit_pfn, bool flush_rcache)
{
	unsigned long pfn = 0;
	unsigned int cpu;

	if (order < NR_ORDERS)
		pfn = rcache_pop(&iovad->rcaches[order], limit_pfn + 1 - size);
	if (!pfn)
		pfn = tree_alloc(iovad, size, limit_pfn);
	if (likely(pfn) || !flush_rcache)
		return pfn;
	for_each_online_cpu(cpu)
		free_cpu_cached_iovas(cpu, iovad);
	free_global_cached_iovas(iovad);
	return tree_alloc(iovad, size, limit_pfn);
}

unsigned long alloc_iova_fast(struct iova_domain *iovad, unsigned long size,
			      unsigned long limit_pfn, bool flush_rcache)
{
	unsigned int order = order_of(size);
	unsigned long pfn;

	if (likely(order < NR_ORDERS)) {
		size = 1UL << order;
		pfn = rcache_top(&iovad->rcaches[order], limit_pfn + 1 - size);
		if (likely(pfn))
			return pfn;
	}
	return alloc_slow(iovad, order, size, limit_pfn, flush_rcache);
}
EXPORT_SYMBOL_GPL(alloc_iova_fast);

static noinline void free_slow(struct iova_domain *iovad, unsigned int order,
			       unsigned long pfn, unsigned long size)
{
	if (order == NR_ORDERS || !rcache_push(&iovad->rcaches[order], pfn))
		tree_free(iovad, pfn, size);
}

void free_iova_fast(struct iova_domain *iovad, unsigned long pfn,
		    unsigned long size)
{
	unsigned int order = order_of(size);

	if (likely(order < NR_ORDERS)) {
		size = 1UL << order;
		if (likely(rcache_put(&iovad->rcaches[order], pfn)))
			return;
	}
	free_slow(iovad, order, pfn, size);
}
EXPORT_SYMBOL_GPL(free_iova_fast);

/* ---- users of the API ---- */

static DEFINE_MUTEX(users_lock);
static unsigned int nr_users;

static int iova_cpu_dead(unsigned int cpu, struct hlist_node *node)
{
	free_cpu_cached_iovas(cpu, hlist_entry_safe(node, struct iova_domain,
						    cpuhp_dead));
	return 0;
}

static int create_caches(void)
{
	int err = -ENOMEM;

	record_cache = kmem_cache_create("iova_record", sizeof(struct record),
					 0, SLAB_HWCACHE_ALIGN, NULL);
	node_cache = kmem_cache_create("iova_holes", candidate_tree_node_size(),
				       0, SLAB_HWCACHE_ALIGN, NULL);
	if (record_cache && node_cache)
		err = cpuhp_setup_state_multi(CPUHP_IOMMU_IOVA_DEAD,
					      "iommu/iova:dead", NULL,
					      iova_cpu_dead);
	if (err) {
		kmem_cache_destroy(record_cache);
		kmem_cache_destroy(node_cache);
	}
	return err;
}

int iova_cache_get(void)
{
	int err = 0;

	mutex_lock(&users_lock);
	if (!nr_users)
		err = create_caches();
	if (!err)
		nr_users++;
	mutex_unlock(&users_lock);
	return err;
}
EXPORT_SYMBOL_GPL(iova_cache_get);

void iova_cache_put(void)
{
	mutex_lock(&users_lock);
	if (!WARN_ON(!nr_users) && !--nr_users) {
		cpuhp_remove_multi_state(CPUHP_IOMMU_IOVA_DEAD);
		kmem_cache_destroy(record_cache);
		kmem_cache_destroy(node_cache);
	}
	mutex_unlock(&users_lock);
}
EXPORT_SYMBOL_GPL(iova_cache_put);

/* ---- domains ---- */

/* A user by itself: drivers initialise a domain first and get the cache then. */
static struct space *space_new(unsigned long granule, unsigned long start_pfn)
{
	struct space *space;

	if (iova_cache_get())
		return NULL;
	space = kzalloc(sizeof(*space), GFP_KERNEL);
	if (space && !candidate.init_domain(&space->holes, granule, start_pfn))
		return space;
	kfree(space);
	iova_cache_put();
	return NULL;
}

static void space_put(struct space *space)
{
	records_put(&space->notes);
	candidate.put_domain(&space->holes);
	kfree(space);
	iova_cache_put();
}

void init_iova_domain(struct iova_domain *iovad, unsigned long granule,
		      unsigned long start_pfn)
{
	BUG_ON(granule > PAGE_SIZE || !is_power_of_2(granule));
	spin_lock_init(&iovad->iova_rbtree_lock);
	iovad->rbroot = RB_ROOT;
	iovad->cached_node = NULL;
	iovad->cached32_node = NULL;
	iovad->granule = granule;
	iovad->start_pfn = start_pfn;
	iovad->dma_32bit_pfn = 1UL << (32 - iova_shift(iovad));
	iovad->max32_alloc_size = iovad->dma_32bit_pfn;
	iovad->anchor.pfn_lo = (unsigned long)space_new(granule, start_pfn);
}
EXPORT_SYMBOL_GPL(init_iova_domain);

static void stop_rcaches(struct iova_domain *iovad)
{
	unsigned int order;

	for (order = 0; order < NR_ORDERS; order++)
		rcache_stop(&iovad->rcaches[order]);
	kfree(iovad->rcaches);
	iovad->rcaches = NULL;
}

int iova_domain_init_rcaches(struct iova_domain *iovad)
{
	unsigned int order;
	int err = 0;

	if (!space_of(iovad))
		return -ENOMEM;
	iovad->rcaches = kcalloc(NR_ORDERS, sizeof(struct iova_rcache),
				 GFP_KERNEL);
	if (!iovad->rcaches)
		return -ENOMEM;
	for (order = 0; !err && order < NR_ORDERS; order++)
		err = rcache_start(iovad, &iovad->rcaches[order]);
	if (!err)
		err = cpuhp_state_add_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD,
						       &iovad->cpuhp_dead);
	if (err)
		stop_rcaches(iovad);
	return err;
}
EXPORT_SYMBOL_GPL(iova_domain_init_rcaches);

void put_iova_domain(struct iova_domain *iovad)
{
	if (iovad->rcaches) {
		cpuhp_state_remove_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD,
						    &iovad->cpuhp_dead);
		stop_rcaches(iovad);
	}
	records_put(&iovad->rbroot);
	if (space_of(iovad))
		space_put(space_of(iovad));
	iovad->anchor.pfn_lo = 0;
}
EXPORT_SYMBOL_GPL(put_iova_domain);

MODULE_DESCRIPTION("IOVA allocator over holes");
MODULE_LICENSE("GPL");
