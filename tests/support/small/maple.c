/* An allocator for tests. */
#include <linux/iova.h>
#include <linux/module.h>
#include <linux/slab.h>

static struct kmem_cache *cache;
static unsigned int nr_users;

int iova_cache_get(void)
{
	if (!nr_users)
		cache = kmem_cache_create("iova", sizeof(struct iova), 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	nr_users++;
	return 0;
}
EXPORT_SYMBOL_GPL(iova_cache_get);

void iova_cache_put(void)
{
	if (!--nr_users)
		kmem_cache_destroy(cache);
}
EXPORT_SYMBOL_GPL(iova_cache_put);

void init_iova_domain(struct iova_domain *iovad, unsigned long granule, unsigned long start_pfn)
{
	spin_lock_init(&iovad->lock);
	mt_init_flags(&iovad->ranges, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_LOCK_EXTERN);
	mt_set_external_lock(&iovad->ranges, &iovad->lock);
	iovad->start_pfn = start_pfn;
	iovad->dma_32bit_pfn = 1UL << (32 - ilog2(granule));
	iovad->max32_alloc_size = iovad->dma_32bit_pfn;
}
EXPORT_SYMBOL_GPL(init_iova_domain);

void put_iova_domain(struct iova_domain *iovad)
{
	struct iova *iova;
	MA_STATE(mas, &iovad->ranges, 0, 0);

	spin_lock(&iovad->lock);
	mas_for_each(&mas, iova, ULONG_MAX)
		kmem_cache_free(cache, iova);
	__mt_destroy(&iovad->ranges);
	spin_unlock(&iovad->lock);
}
EXPORT_SYMBOL_GPL(put_iova_domain);

static bool store(struct iova_domain *iovad, unsigned long pfn_lo, unsigned long pfn_hi,
			struct iova *iova)
{
	MA_STATE(mas, &iovad->ranges, pfn_lo, pfn_hi);

	if (mas_preallocate(&mas, iova, GFP_ATOMIC))
		return false;
	mas_store_prealloc(&mas, iova);
	return true;
}

static bool find_room(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn,
			unsigned long align, struct iova *new)
{
	bool is_32bit = limit_pfn < iovad->dma_32bit_pfn;
	MA_STATE(mas, &iovad->ranges, 0, 0);

	if (is_32bit && size >= iovad->max32_alloc_size)
		return false;
	if (mas_empty_area_rev(&mas, iovad->start_pfn, limit_pfn, size + align - 1)) {
		if (is_32bit)
			iovad->max32_alloc_size = size;
		return false;
	}
	new->pfn_lo = (mas.last - size + 1) & ~(align - 1);
	new->pfn_hi = new->pfn_lo + size - 1;
	return true;
}

struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn,
			bool size_aligned)
{
	unsigned long align = size_aligned ? roundup_pow_of_two(size) : 1, flags;
	struct iova *new = kmem_cache_zalloc(cache, GFP_ATOMIC);
	bool stored;

	if (!new)
		return NULL;
	spin_lock_irqsave(&iovad->lock, flags);
	stored = find_room(iovad, size, limit_pfn, align, new) &&
			store(iovad, new->pfn_lo, new->pfn_hi, new);
	spin_unlock_irqrestore(&iovad->lock, flags);
	if (stored)
		return new;
	kmem_cache_free(cache, new);
	return NULL;
}
EXPORT_SYMBOL_GPL(alloc_iova);

static struct iova *private_find_iova(struct iova_domain *iovad, unsigned long pfn)
{
	MA_STATE(mas, &iovad->ranges, pfn, pfn);

	return mas_walk(&mas);
}

${find_iova}
void free_iova(struct iova_domain *iovad, unsigned long pfn)
{
	unsigned long flags;
	struct iova *iova;

	spin_lock_irqsave(&iovad->lock, flags);
	iova = private_find_iova(iovad, pfn);
	if (iova && iova->pfn_lo < iovad->dma_32bit_pfn)
		iovad->max32_alloc_size = iovad->dma_32bit_pfn;
	if (iova && store(iovad, iova->pfn_lo, iova->pfn_hi, NULL))
		kmem_cache_free(cache, iova);
	spin_unlock_irqrestore(&iovad->lock, flags);
}
EXPORT_SYMBOL_GPL(free_iova);

struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo, unsigned long pfn_hi)
{
	struct iova *new = kmem_cache_zalloc(cache, GFP_ATOMIC), *iova, *merged = NULL;
	unsigned long flags;
	MA_STATE(mas, &iovad->ranges, pfn_lo, pfn_hi);

	if (!new)
		return NULL;
	new->pfn_lo = pfn_lo;
	new->pfn_hi = pfn_hi;
	spin_lock_irqsave(&iovad->lock, flags);
	mas_for_each(&mas, iova, pfn_hi) {
		iova->next = merged;
		merged = iova;
		new->pfn_lo = min(new->pfn_lo, iova->pfn_lo);
		new->pfn_hi = max(new->pfn_hi, iova->pfn_hi);
	}
	if (!store(iovad, new->pfn_lo, new->pfn_hi, new)) {
		merged = new;
		merged->next = NULL;
		new = NULL;
	}
	while (merged) {
		iova = merged;
		merged = iova->next;
		kmem_cache_free(cache, iova);
	}
	spin_unlock_irqrestore(&iovad->lock, flags);
	return new;
}
EXPORT_SYMBOL_GPL(reserve_iova);
MODULE_LICENSE("GPL");
