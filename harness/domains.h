/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * domains - the variant's domains of one run, side by side in one block.
 */
#ifndef DOMAINS_H
#define DOMAINS_H

#include "replay.h"

/**
 * struct domains - all domains of a stream
 * @first: the first one; the others follow, @stride bytes apart
 * @stride: bytes from one to the next
 * @nr: how many are initialised
 * @first_caches: per domain and one more: shim_nr_caches() before its init
 */
struct domains {
	char *first;
	size_t stride;
	u64 nr;
	u64 *first_caches;
};

/*
 * 0 or a negative errno; domains_put() is due in both cases.  @align: a power of
 * two, so that no two domains share a cache line.
 */
int domains_init(struct domains *domains, const struct replay_stream *stream,
		 size_t align);
void domains_put(struct domains *domains);

static inline struct iova_domain *domains_at(const struct domains *domains,
					     u64 dom)
{
	return (void *)(domains->first + dom * domains->stride);
}

#endif
