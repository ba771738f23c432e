// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_build - what a replay needs before its first op, and how it goes.
 *
 * All memory is taken here: domains, slots, judges, rcaches, and the pages that
 * the measured window may ask the shim's slab for.
 */
#include <stdlib.h>
#include <string.h>

#include "replay_state.h"

#define SPARE_OBJECTS	256ULL

static int build_rcaches(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	const struct replay_rcache *rcache = replay->rcache;
	struct cached *cached = &replay->cached;
	int err = 0;
	u64 i;

	replay->rcache_run.config = rcache->config;
	if (rcache->tree_ops || replay->judges) {
		replay->rcache_run.told = replay_told;
		replay->rcache_run.context = replay;
	}
	cached->rcaches = calloc(stream->nr_domains + 1,
				 sizeof(*cached->rcaches));
	cached->sizes = calloc(stream->nr_slots + 1, sizeof(*cached->sizes));
	cached->past_sizes = replay->sizes;
	for (i = 0; cached->rcaches && !err && i < stream->nr_domains; i++)
		err = rcache_init(&cached->rcaches[i], domain_of(replay, i),
				  &replay->rcache_run);
	if (err || !cached->rcaches || !cached->sizes)
		return fail(replay->result, 0, "no memory for the rcaches");
	return 0;
}

static int build_slots(struct replay *replay)
{
	u64 nr = replay->stream->nr_slots;
	struct replay_hot *hot = &replay->hot;

	hot->slots = malloc((nr + 1) * sizeof(u64));
	if (!hot->slots)
		return fail(replay->result, 0, "no memory for %llu slots",
			    (unsigned long long)nr);
	/* All ones is IOVA_REFUSED; the pages are touched here, not later. */
	memset(hot->slots, 0xff, nr * sizeof(u64));
	if (!iova_variant.free_sized)
		return 0;
	replay->sizes = malloc((nr + 1) * sizeof(u32));
	if (!replay->sizes)
		return fail(replay->result, 0, "no memory for sizes");
	memset(replay->sizes, 0, nr * sizeof(u32));
	return 0;
}

static int build_domains(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	int err;

	replay->lows = calloc(stream->nr_domains + 1, sizeof(u64));
	if (!replay->lows)
		return fail(replay->result, 0, "no memory for the domains");
	err = domains_init(&replay->domains, stream, 64);
	if (err)
		return fail(replay->result, 0, "init_domain() failed: %s",
			    strerror(-err));
	replay->hot.domains = replay->domains.first;
	replay->hot.domain_stride = replay->domains.stride;
	return 0;
}

int replay_build(struct replay *replay)
{
	int err = build_slots(replay);

	if (!err && replay->watch->flags & REPLAY_JUDGE &&
	    !replay_new_judges(replay))
		err = fail(replay->result, 0, "no memory for the judge");
	if (!err)
		err = build_domains(replay);
	if (!err && replay->rcache)
		err = build_rcaches(replay);
	return err;
}

void replay_drain(struct replay *replay)
{
	u64 i;

	for (i = 0; replay->cached.rcaches && i < replay->domains.nr; i++)
		rcache_exit(&replay->cached.rcaches[i]);
	if (replay->abandoned) {
		shim_abandon(replay->domains.first_caches[0]);
		replay->domains.nr = 0;
	}
	domains_put(&replay->domains);
	free(replay->cached.rcaches);
	free(replay->cached.sizes);
	free(replay->sizes);
	free(replay->lows);
	for (i = 0; replay->judges && i < replay->stream->nr_domains; i++)
		judge_put(replay->judges[i]);
	free(replay->judges);
	free(replay->hot.slots);
}

/* How many ranges of a domain are live, and how many more than at first. */
struct demand {
	u64 nr_live;
	u64 nr_live_at_start;
	u64 peak;
	u64 nr_allocs;
	u64 nr_frees;
};

static void count_demand(struct demand *demand, const struct replay_op *op)
{
	if (op->op == REPLAY_ALLOC || op->op == REPLAY_RESERVE) {
		demand->nr_allocs++;
		demand->nr_live++;
		demand->peak = max(demand->peak, demand->nr_live);
	} else if (op->op == REPLAY_FREE) {
		demand->nr_frees++;
		demand->nr_live--;
	}
}

/*
 * Objects that a variant may need on top of those it has: one for each range
 * that comes to be, and one for each hole.  An rcache keeps ranges in the tree,
 * and gives back many at once.  Some more are held for a moment only.
 */
static u64 most_objects(const struct demand *demand, bool rcache)
{
	u64 nr_ranges = demand->peak - demand->nr_live_at_start;
	u64 nr_holes = min(demand->nr_frees, demand->peak);

	if (rcache) {
		nr_ranges = demand->nr_allocs;
		nr_holes = demand->peak;
	}
	return nr_ranges + nr_holes + SPARE_OBJECTS;
}

bool replay_prepare_memory(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	struct demand *demands = calloc(stream->nr_domains + 1,
					sizeof(*demands));
	bool prepared = demands;
	u64 i;

	for (i = 0; prepared && i < stream->nr_ops; i++) {
		const struct replay_op *op = &stream->ops[i];
		struct demand *demand = &demands[op->dom];

		count_demand(demand, op);
		if (i >= stream->nr_ageing)
			continue;
		*demand = (struct demand){
			.nr_live = demand->nr_live,
			.nr_live_at_start = demand->nr_live,
			.peak = demand->nr_live,
		};
	}
	for (i = 0; prepared && i < stream->nr_domains; i++)
		prepared = shim_prepare(replay->domains.first_caches[i],
					replay->domains.first_caches[i + 1],
					most_objects(&demands[i],
						     replay->rcache));
	free(demands);
	return prepared;
}
