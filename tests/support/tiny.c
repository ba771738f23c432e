// SPDX-License-Identifier: GPL-2.0-only
/*
 * tiny - a sorted array of ranges and a walk from the top, as a user may try.
 *
 * Correct as it stands, and made wrong in one place at a time: a test defines
 * one of the AT_ macros in front of it.
 */
#ifndef AT_INIT
#define AT_INIT
#endif
#ifndef AT_ALLOC
#define AT_ALLOC
#endif
#ifndef AT_UNLOCK
#define AT_UNLOCK	spin_unlock_irqrestore(&iovad->lock, flags);
#endif
#ifndef AT_FREE
#define AT_FREE
#endif
#ifndef AT_PUT
#define AT_PUT		kfree(iovad->ranges);
#endif
#ifndef AT_VERIFY
#define AT_VERIFY
#endif
#ifndef CLAIMS
#define CLAIMS		(IOVA_V_COMPLETE | IOVA_V_EXACT)
#endif

#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "iova_variant.h"

#define NR_MAX 4096
struct range { unsigned long lo, hi; };
struct iova_domain {
	spinlock_t lock;
	unsigned long start_pfn, nr;
	struct range *ranges;	/* highest first */
};

static int tiny_init(struct iova_domain *iovad, unsigned long granule,
		     unsigned long start_pfn)
{
	AT_INIT
	spin_lock_init(&iovad->lock);
	iovad->start_pfn = start_pfn;
	iovad->ranges = kmalloc(NR_MAX * sizeof(struct range), GFP_KERNEL);
	return iovad->ranges ? 0 : -ENOMEM;
}

static void tiny_put(struct iova_domain *iovad)
{
	AT_PUT
}

static unsigned long put_at(struct iova_domain *iovad, unsigned long at,
			    unsigned long lo, unsigned long hi)
{
	unsigned long i;

	for (i = iovad->nr++; i > at; i--)
		iovad->ranges[i] = iovad->ranges[i - 1];
	iovad->ranges[at] = (struct range) { lo, hi };
	return lo;
}

static unsigned long search(struct iova_domain *iovad, unsigned long size,
			    unsigned long limit_pfn, bool size_aligned)
{
	unsigned long high = limit_pfn + 1, low, new, i;
	unsigned long mask = size_aligned ? ~(roundup_pow_of_two(size) - 1)
					  : ~0UL;

	for (i = 0; i <= iovad->nr && high >= size; i++) {
		iova_visit(search);
		low = i < iovad->nr ? iovad->ranges[i].hi + 1 : 0;
		new = (high - size) & mask;
		if (new >= max(low, iovad->start_pfn))
			return put_at(iovad, i, new, new + size - 1);
		if (i < iovad->nr)
			high = min(high, iovad->ranges[i].lo);
	}
	return IOVA_REFUSED;
}

static unsigned long tiny_alloc(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn, bool size_aligned)
{
	unsigned long pfn = IOVA_REFUSED, flags;

	AT_ALLOC
	spin_lock_irqsave(&iovad->lock, flags);
	if (iovad->nr < NR_MAX)
		pfn = search(iovad, size, limit_pfn, size_aligned);
	AT_UNLOCK
	return pfn;
}

static long lookup(struct iova_domain *iovad, unsigned long pfn)
{
	unsigned long i;

	for (i = 0; i < iovad->nr; i++)
		if (iovad->ranges[i].lo <= pfn && pfn <= iovad->ranges[i].hi)
			return i;
	return -1;
}

static void tiny_free(struct iova_domain *iovad, unsigned long pfn)
{
	long i;

	AT_FREE
	i = lookup(iovad, pfn);
	if (i < 0)
		return;
	for (iovad->nr--; (unsigned long)i < iovad->nr; i++)
		iovad->ranges[i] = iovad->ranges[i + 1];
}

static int tiny_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
			unsigned long pfn_hi)
{
	unsigned long i = iovad->nr;

	while (i-- > 0) {
		struct range *range = &iovad->ranges[i];

		if (pfn_lo > range->hi)
			continue;
		if (pfn_hi < range->lo)
			break;
		range->lo = min(range->lo, pfn_lo);
		if (pfn_hi <= range->hi)
			return 0;
		pfn_lo = range->hi + 1;
	}
	put_at(iovad, i + 1, pfn_lo, pfn_hi);
	return 0;
}

static bool tiny_find(struct iova_domain *iovad, unsigned long pfn,
		      unsigned long *lo, unsigned long *hi)
{
	long i = lookup(iovad, pfn);

	if (i < 0)
		return false;
	*lo = iovad->ranges[i].lo;
	*hi = iovad->ranges[i].hi;
	return true;
}

static const char *tiny_verify(struct iova_domain *iovad)
{
	unsigned long i;

	AT_VERIFY
	for (i = 1; i < iovad->nr; i++)
		if (iovad->ranges[i].hi >= iovad->ranges[i - 1].lo)
			return "ranges overlap";
	return NULL;
}

static size_t tiny_dump(struct iova_domain *iovad, u64 *words,
			size_t nr_words)
{
	size_t i;

	for (i = 0; i < 2 * iovad->nr && i < nr_words; i++)
		words[i] = ((unsigned long *)iovad->ranges)[i];
	return 2 * iovad->nr;
}

IOVA_VARIANT(
	.name		= "tiny",
	.summary	= "sorted array",
	.kernel_release	= "-",
	.flags		= CLAIMS,
	.domain_size	= sizeof(struct iova_domain),
	.init_domain	= tiny_init,
	.put_domain	= tiny_put,
	.alloc		= tiny_alloc,
	.free		= tiny_free,
	.reserve	= tiny_reserve,
	.find		= tiny_find,
	.verify		= tiny_verify,
	.dump		= tiny_dump,
);
