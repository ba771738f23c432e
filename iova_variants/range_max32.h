/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * range_max32 - range_anchored, and the size of the last request that failed.
 *
 * A 32-bit request of that size or more is refused without a search.  When the
 * record is dropped again is what the kernels that have it differ in.
 *
 * Of the hooks of range_variant.h, init_state() is here; and dump_state(), unless
 * the tree is augmented and so has more to dump.
 *
 * Invariant, under the domain's lock: max32_alloc_size is dma_32bit_pfn, or the
 * size of a request that failed since it last was.
 */
#ifndef RANGE_MAX32_H
#define RANGE_MAX32_H

#include "range_anchored.h"

struct iova_domain {
	struct range_anchored anchored;
	unsigned long max32_alloc_size;
};

static void IOVA_HOOK(init_state)(struct iova_domain *iovad)
{
	range_anchored_init(&iovad->anchored);
	iovad->max32_alloc_size = iovad->anchored.domain.dma_32bit_pfn;
}

/* Until v5.17: the record is dropped where cached32_node moves. */
static inline void range_max32_forget_moved(struct iova_domain *iovad,
					    struct iova *freed)
{
	struct range_anchored *anchored = &iovad->anchored;
	unsigned long d32 = anchored->domain.dma_32bit_pfn;
	struct iova *cached32 = to_iova(anchored->cached32_node);
	struct iova *cached = to_iova(anchored->cached_node);

	if (freed == cached32 ||
	    (freed->pfn_hi < d32 && freed->pfn_lo >= cached32->pfn_lo)) {
		anchored->cached32_node = rb_next(&freed->node);
		iovad->max32_alloc_size = d32;
	}

	if (freed->pfn_lo >= cached->pfn_lo)
		anchored->cached_node = rb_next(&freed->node);
}

/* Since v5.18: the record is dropped by any free below 4 GiB. */
static inline void range_max32_forget_any(struct iova_domain *iovad,
					  struct iova *freed)
{
	struct range_anchored *anchored = &iovad->anchored;
	unsigned long d32 = anchored->domain.dma_32bit_pfn;
	struct iova *cached32 = to_iova(anchored->cached32_node);
	struct iova *cached = to_iova(anchored->cached_node);

	if (freed == cached32 ||
	    (freed->pfn_hi < d32 && freed->pfn_lo >= cached32->pfn_lo))
		anchored->cached32_node = rb_next(&freed->node);

	if (freed->pfn_lo < d32)
		iovad->max32_alloc_size = d32;

	if (freed->pfn_lo >= cached->pfn_lo)
		anchored->cached_node = rb_next(&freed->node);
}

#ifndef RANGE_AUGMENTED
static void IOVA_HOOK(dump_state)(struct iova_domain *iovad,
				  struct iova_words *out)
{
	range_anchored_dump(&iovad->anchored, out);
	iova_put_word(out, iovad->max32_alloc_size);
}
#endif

#endif
