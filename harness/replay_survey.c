// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_survey - what is live, and what the caches hold, after the window.
 */
#include <stdlib.h>

#include "replay_state.h"

static u64 clock_cost(void)
{
	u64 least = ~0ULL, before;
	int i;

	for (i = 0; i < 64; i++) {
		before = now_ns();
		least = min(least, now_ns() - before);
	}
	return least;
}

struct extent {
	u64 lo, hi;
};

/* Which ranges are live, and over how much address space do they lie? */
static void survey_ranges(struct replay *replay, struct extent *extents)
{
	const struct replay_stream *stream = replay->stream;
	struct replay_result *result = replay->result;
	u64 i;

	/* The last op that filled or freed a slot decides; it is marked seen. */
	for (i = stream->nr_ops; i-- > 0;) {
		const struct replay_op *op = &stream->ops[i];
		struct extent *extent = &extents[op->dom];
		u64 pfn = replay->hot.slots[op->slot];

		if (pfn == IOVA_REFUSED || op->op == REPLAY_FIND)
			continue;
		replay->hot.slots[op->slot] = IOVA_REFUSED;
		if (op->op == REPLAY_FREE)
			continue;
		result->nr_live++;
		result->nr_live_pfns += op->size;
		extent->lo = extent->hi ? min(extent->lo, pfn) : pfn;
		extent->hi = max(extent->hi, pfn + op->size);
	}
	for (i = 0; i < stream->nr_domains; i++)
		result->span += extents[i].hi - extents[i].lo;
}

int replay_survey(struct replay *replay, u64 bytes_before)
{
	struct extent *extents = calloc(replay->stream->nr_domains + 1,
					sizeof(*extents));
	struct replay_result *result = replay->result;
	u64 domains = replay->domains.nr * iova_variant.domain_size;

	if (!extents)
		return fail(result, 0, "no memory to survey the domains");
	result->bytes = shim_memory.bytes - bytes_before + domains;
	result->peak_bytes = shim_memory.peak_bytes - bytes_before + domains;
	result->clock_ns = clock_cost();
	survey_ranges(replay, extents);
	free(extents);
	return 0;
}

int replay_empty_rcaches(struct replay *replay)
{
	struct rcache_stats *stats = &replay->rcache_run.stats;
	const char *wrong;
	u64 i;

	for (i = 0; i < replay->domains.nr; i++)
		rcache_count(&replay->cached.rcaches[i], stats->nr_held);
	replay->rcache->stats = *stats;
	replay->index = replay->stream->nr_ops;
	for (i = 0; i < replay->domains.nr; i++) {
		rcache_flush(&replay->cached.rcaches[i]);
		if (!(replay->watch->flags & REPLAY_VERIFY))
			continue;
		wrong = iova_variant.verify(domain_of(replay, i));
		if (wrong)
			return fail(replay->result, replay->index,
				    "%s, after the last flush: %s",
				    iova_variant.name, wrong);
	}
	return 0;
}
