// SPDX-License-Identifier: GPL-2.0-only
/*
 * rcache_depot - full magazines that all CPUs share, one store per order.
 *
 * Push and pop are O(1), under rcache_order::lock.  The timer and a flush empty
 * magazines into the tree, without that lock: one free() per range.
 */
#include "magazine.h"

bool rcache_depot_push(struct rcache *rcache, unsigned int order,
		       struct magazine *full)
{
	struct rcache_order *depot = &rcache->orders[order];
	u64 depot_max = rcache->run->config.depot_max;
	unsigned long flags;
	bool taken;

	spin_lock_irqsave(&depot->lock, flags);
	taken = !depot_max || depot->depot_size < depot_max;
	if (taken) {
		full->next = depot->depot;
		depot->depot = full;
		depot->depot_size++;
	}
	spin_unlock_irqrestore(&depot->lock, flags);
	return taken;
}

struct magazine *rcache_depot_pop(struct rcache_order *depot, u64 nr_keep,
				  u64 magazine_size)
{
	struct magazine *magazine = NULL;
	unsigned long flags;

	spin_lock_irqsave(&depot->lock, flags);
	if (depot->depot_size > nr_keep) {
		magazine = depot->depot;
		depot->depot = magazine->next;
		magazine->nr = magazine_size;
		depot->depot_size--;
	}
	spin_unlock_irqrestore(&depot->lock, flags);
	return magazine;
}

void rcache_tick(struct rcache *rcache)
{
	const struct rcache_config *config = &rcache->run->config;
	struct magazine *magazine;
	unsigned int order;

	if (config->depot_max)
		return;
	for (order = 0; order < RCACHE_NR_ORDERS; order++) {
		magazine = rcache_depot_pop(&rcache->orders[order],
					    config->nr_cpus,
					    config->magazine_size);
		if (!magazine)
			continue;
		magazine_retire(rcache, order, magazine);
		rcache_stats_of(rcache->run)->nr_trims++;
	}
}

static void depot_reverse(struct rcache_order *depot)
{
	struct magazine *reversed = NULL, *magazine;
	unsigned long flags;

	spin_lock_irqsave(&depot->lock, flags);
	while ((magazine = depot->depot)) {
		depot->depot = magazine->next;
		magazine->next = reversed;
		reversed = magazine;
	}
	depot->depot = reversed;
	spin_unlock_irqrestore(&depot->lock, flags);
}

/* A bounded depot is an array, emptied from its first entry: oldest first. */
void rcache_flush_depots(struct rcache *rcache)
{
	const struct rcache_config *config = &rcache->run->config;
	struct magazine *magazine;
	unsigned int order;

	for (order = 0; order < RCACHE_NR_ORDERS; order++) {
		struct rcache_order *depot = &rcache->orders[order];

		if (config->depot_max)
			depot_reverse(depot);
		while ((magazine = rcache_depot_pop(depot, 0,
						    config->magazine_size))) {
			magazine_count_lock(rcache);
			magazine_retire(rcache, order, magazine);
		}
	}
}
