// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_loop - age a domain, then measure: the loops that time is taken around.
 *
 * Measured ops run in a loop that does nothing else, alone in a function, so that
 * nothing else claims registers in it.  Callgrind counts between entry and exit of
 * these functions, by name (iova_lab/measuring/instructions.py).  Where ops are
 * watched, they run in replay_watch.c instead.
 */
#include <string.h>

#include "replay_state.h"

int replay_age(struct replay *replay)
{
	int err = 0;
	u64 i;

	for (i = 0; !err && i < replay->stream->nr_ageing; i++)
		err = replay_watched_step(replay, i);
	return err;
}

static noinline u64 measured_loop(const struct replay_hot hot,
				  const struct replay_op *op,
				  const struct replay_op *end)
{
	u64 nr_failures = 0;

	for (; op < end; op++)
		nr_failures += replay_refused(op, step(hot, op));
	return nr_failures;
}

static noinline u64 sized_loop(const struct replay_hot hot, u32 *sizes,
			       const struct replay_op *op,
			       const struct replay_op *end)
{
	u64 nr_failures = 0;

	for (; op < end; op++)
		nr_failures += replay_refused(op, sized_step(hot, sizes, op));
	return nr_failures;
}

/* With an rcache, between two ticks of the timer. */
static noinline u64 cached_loop(const struct replay_hot hot,
				const struct cached cached,
				const struct replay_op *op,
				const struct replay_op *end)
{
	u64 nr_failures = 0;

	for (; op < end; op++)
		nr_failures += replay_refused(op, cached_step(hot, cached, op));
	return nr_failures;
}

static u64 measure_rcached(struct replay *replay)
{
	const struct replay_rcache *rcache = replay->rcache;
	const struct replay_op *ops = replay->stream->ops;
	u64 i = replay->stream->nr_ageing, nr_failures = 0, next;

	for (; i < replay->stream->nr_ops; i = next) {
		tick(replay, i);
		next = replay->stream->nr_ops;
		if (replay->next_tick < rcache->nr_ticks)
			next = min(next, rcache->ticks[replay->next_tick]);
		nr_failures += cached_loop(replay->hot, replay->cached, ops + i,
					   ops + next);
	}
	return nr_failures;
}

/* What was done so far was ageing; what is held stays held. */
static void begin_stats(struct rcache_stats *stats)
{
	const struct rcache_stats aged = *stats;

	memset(stats, 0, sizeof(*stats));
	stats->held_pfns = aged.held_pfns;
	stats->peak_held_pfns = aged.held_pfns;
	stats->magazine_bytes = aged.magazine_bytes;
	stats->peak_magazine_bytes = aged.magazine_bytes;
}

int replay_measure(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	const struct replay_watch *watch = replay->watch;
	const struct replay_op *op = stream->ops + stream->nr_ageing;
	const struct replay_op *end = stream->ops + stream->nr_ops;
	bool watched = COUNTED || watch->flags || watch->pfns || watch->op_ns ||
		       watch->progress || replay->rcache_run.told;
	u64 before, i, nr_arenas, nr_failures = 0;
	struct iova_visits visits;
	int err = 0;

	replay->result->nr_spurious = 0;
	replay->result->nr_not_highest = 0;
	replay->result->nr_above_limit = 0;
	replay->result->nr_leaked = 0;
	begin_stats(&replay->rcache_run.stats);
	if (!replay_prepare_memory(replay))
		return fail(replay->result, stream->nr_ageing,
			    "no memory for what the window may allocate");
	nr_arenas = shim_memory.nr_arenas;
	visits = iova_visits;

	before = now_ns();
	if (watched)
		for (i = stream->nr_ageing; !err && i < stream->nr_ops; i++)
			err = replay_watched_step(replay, i);
	else if (replay->rcache)
		nr_failures = measure_rcached(replay);
	else if (replay->sizes)
		nr_failures = sized_loop(replay->hot, replay->sizes, op, end);
	else
		nr_failures = measured_loop(replay->hot, op, end);
	replay->result->ns = now_ns() - before;

	replay->result->nr_arenas = shim_memory.nr_arenas - nr_arenas;
	replay->result->nr_failures += nr_failures;
	replay->result->visits.search = iova_visits.search - visits.search;
	replay->result->visits.descend = iova_visits.descend - visits.descend;
	replay->result->visits.update = iova_visits.update - visits.update;
	return err;
}
