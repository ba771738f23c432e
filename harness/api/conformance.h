/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * conformance - what the cases of the conformance test share.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <linux/iova.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "world.h"

#define API_NR_PFNS	16384UL /* of which the owners are known */

/**
 * struct api - one case
 * @iovad: its domain
 * @owned: one byte per pfn, 1 if a caller has it
 * @pfns: of api_fill(), each of one pfn
 * @nr_pfns: how many
 * @nr: for the case, and what api_fill_more() got
 * @limit: for api_fill_more()
 * @detail: for the case; printed where it fails
 * @line: where it failed
 * @wrong: what did not hold there, or NULL
 */
struct api {
	struct iova_domain *iovad;
	u8 *owned;
	unsigned long *pfns;
	unsigned long nr_pfns;
	unsigned long nr;
	unsigned long limit;
	unsigned long detail;
	unsigned int line;
	const char *wrong;
};

/**
 * struct api_case - one call, or what one caller does
 * @name: of the function
 * @calls: what of the API it is about
 * @callers: files of the kernel that do this; "" for a call by itself, NULL for
 *	what none of them does
 * @domain: whether it has magazines, or is none at all
 * @run: sets wrong where something does not hold
 */
struct api_case {
	const char *name;
	const char *calls;
	const char *callers;
	enum { API_PLAIN, API_FAST, API_NO_DOMAIN } domain;
	void (*run)(struct api *t);
};

#define CASE(function, calls, callers)	\
	{ #function, calls, callers, API_PLAIN, function }
#define FAST(function, calls, callers)	\
	{ #function, calls, callers, API_FAST, function }

/* The first thing that does not hold ends a case. */
#define CHECK(is) do {				\
	if (!(is)) {				\
		if (!t->wrong) {		\
			t->line = __LINE__;	\
			t->wrong = #is;		\
		}				\
		return;				\
	}					\
} while (0)

/* False if some of it is not the domain's to give, or is another's. */
static inline bool api_claim(struct api *t, unsigned long pfn,
			     unsigned long size, unsigned long limit)
{
	unsigned long i;

	if (pfn < t->iovad->start_pfn || pfn + size - 1 > limit ||
	    pfn + size > API_NR_PFNS)
		return false;
	for (i = pfn; i < pfn + size; i++)
		if (__atomic_exchange_n(&t->owned[i], 1, __ATOMIC_SEQ_CST))
			return false;
	return true;
}

static inline void api_disclaim(struct api *t, unsigned long pfn,
				unsigned long size)
{
	unsigned long i;

	for (i = pfn; i < pfn + size; i++)
		__atomic_store_n(&t->owned[i], 0, __ATOMIC_SEQ_CST);
}

/* All that the fast API gives without a flush, pfn by pfn, up to t->limit. */
static inline void api_fill_more(void *data)
{
	struct api *t = data;
	unsigned long pfn;

	t->nr = 0;
	while ((pfn = alloc_iova_fast(t->iovad, 1, t->limit, false))) {
		CHECK(api_claim(t, pfn, 1, t->limit));
		t->pfns[t->nr_pfns++] = pfn;
		t->nr++;
	}
}

static inline unsigned long api_fill(struct api *t, unsigned long limit)
{
	t->limit = limit;
	api_fill_more(t);
	return t->nr;
}

static inline void api_free_all(void *data)
{
	struct api *t = data;

	while (t->nr_pfns) {
		unsigned long pfn = t->pfns[--t->nr_pfns];

		api_disclaim(t, pfn, 1);
		free_iova_fast(t->iovad, pfn, 1);
	}
}

static inline u32 api_random(u32 *state, u32 below)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state % below;
}

#endif
