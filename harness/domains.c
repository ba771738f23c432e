// SPDX-License-Identifier: GPL-2.0-only
/*
 * domains - build the domains of a stream, and give them back.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "domains.h"

int domains_init(struct domains *domains, const struct replay_stream *stream,
		 size_t align)
{
	u64 i, nr = stream->nr_domains;
	int err;

	domains->stride = (iova_variant.domain_size + align - 1) & ~(align - 1);
	domains->first = aligned_alloc(align, max_t(size_t, align,
						    nr * domains->stride));
	domains->first_caches = calloc(nr + 1, sizeof(u64));
	if (!domains->first || !domains->first_caches)
		return -ENOMEM;
	memset(domains->first, 0, nr * domains->stride);
	for (i = 0; i < nr; i++) {
		domains->first_caches[i] = shim_nr_caches();
		err = iova_variant.init_domain(domains_at(domains, i),
					       stream->granule,
					       stream->start_pfn);
		if (err)
			return err;
		domains->nr++;
	}
	domains->first_caches[nr] = shim_nr_caches();
	return 0;
}

void domains_put(struct domains *domains)
{
	u64 i;

	for (i = 0; i < domains->nr; i++)
		iova_variant.put_domain(domains_at(domains, i));
	free(domains->first_caches);
	free(domains->first);
}
