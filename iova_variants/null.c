// SPDX-License-Identifier: GPL-2.0-only
/*
 * null - hands out falling addresses and keeps no books.
 *
 * What the harness itself costs: the floor below every measurement.  It never
 * looks at the limit, never reuses an address and forgets every range at once,
 * so nothing of it is an allocator but its call.
 */
#include <linux/kernel.h>

#include "iova_variant.h"

struct iova_domain {
	unsigned long next; /* exclusive */
};

static int null_init_domain(struct iova_domain *iovad, unsigned long granule,
			    unsigned long start_pfn)
{
	iovad->next = 1UL << 52;
	return 0;
}

static void null_put_domain(struct iova_domain *iovad)
{
}

static unsigned long null_alloc(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn, bool size_aligned)
{
	iovad->next -= size;
	return iovad->next;
}

static void null_free(struct iova_domain *iovad, unsigned long pfn)
{
}

static int null_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
			unsigned long pfn_hi)
{
	return 0;
}

static bool null_find(struct iova_domain *iovad, unsigned long pfn,
		      unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	return false;
}

static const char *null_verify(struct iova_domain *iovad)
{
	return NULL;
}

static size_t null_dump(struct iova_domain *iovad, u64 *words, size_t nr_words)
{
	if (nr_words)
		words[0] = iovad->next;
	return 1;
}

IOVA_VARIANT(
	.name		= "null",
	.summary	= "bump pointer, no bookkeeping: the floor of the harness",
	.kernel_release	= "-",
	.flags		= IOVA_V_FAKE,
	.domain_size	= sizeof(struct iova_domain),
	.init_domain	= null_init_domain,
	.put_domain	= null_put_domain,
	.alloc		= null_alloc,
	.free		= null_free,
	.reserve	= null_reserve,
	.find		= null_find,
	.verify		= null_verify,
	.dump		= null_dump,
);
