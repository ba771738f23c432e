/* An allocator for tests. */
#ifndef _IOVA_H_
#define _IOVA_H_
#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/maple_tree.h>

struct iova {
	unsigned long pfn_hi, pfn_lo;
	struct iova *next;
};
struct iova_domain {
	spinlock_t lock;
	struct maple_tree ranges;
	unsigned long start_pfn, dma_32bit_pfn, max32_alloc_size;
};
int iova_cache_get(void);
void iova_cache_put(void);
void init_iova_domain(struct iova_domain *iovad, unsigned long granule, unsigned long start_pfn);
struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size,
	unsigned long limit_pfn, bool size_aligned);
struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
	unsigned long pfn_hi);
struct iova *find_iova(struct iova_domain *iovad, unsigned long pfn);
void free_iova(struct iova_domain *iovad, unsigned long pfn);
void put_iova_domain(struct iova_domain *iovad);
#endif
