/* An allocator for tests. */
#ifndef _IOVA_H_ /* as the kernel's: one of the two is included */
#define _IOVA_H_
#include <linux/dma-mapping.h>
#include <linux/types.h>
#include <linux/kernel.h>
#include <linux/rbtree.h>
${includes}
struct iova {
	struct rb_node node;
	unsigned long pfn_hi;
	unsigned long pfn_lo;
};
struct cpu_cache;
struct iova_cpu_rcache;
struct iova_domain {
	spinlock_t lock;
	struct rb_root rbroot;
	unsigned long granule, start_pfn, dma_32bit_pfn, nr_freed;
	${members}
};
#if IS_ENABLED(CONFIG_IOMMU_IOVA)
int iova_cache_get(void);
void iova_cache_put(void);
void init_iova_domain(struct iova_domain *iovad, unsigned long granule,
	unsigned long start_pfn${fourth});
struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size,
	unsigned long limit_pfn, bool size_aligned);
struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
	unsigned long pfn_hi);
struct iova *find_iova(struct iova_domain *iovad, unsigned long pfn);
void free_iova(struct iova_domain *iovad, unsigned long pfn);
int iova_domain_init_rcaches(struct iova_domain *iovad);
void put_iova_domain(struct iova_domain *iovad);
#endif
#endif
