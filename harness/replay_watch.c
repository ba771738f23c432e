// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_watch - one op with all that is recorded around it.
 *
 * The counted build runs every op this way, and the timed build those of a replay
 * that is asked for more than totals: answers, a time or visits per op, the judge,
 * verify().  What that costs is then part of the time.
 */
#include "replay_state.h"

/* Beside ENDLESS_VISITS, for each op of the stream. */
#define ENDLESS_PER_OP	1000ULL

static bool goes_through_rcache(const struct replay *replay,
				const struct replay_op *op)
{
	return replay->rcache && !(op->flags & REPLAY_PACKED) &&
	       (op->op == REPLAY_ALLOC || op->op == REPLAY_FREE);
}

static u64 visits_left(const struct replay *replay)
{
	u64 most = ENDLESS_VISITS + ENDLESS_PER_OP * replay->stream->nr_ops;
	u64 budget = replay->watch->max_visits;
	u64 spent = total_visits() - replay->visits_at_start;

	if (budget == REPLAY_UNBOUNDED)
		return budget;
	return budget ? min(most, budget - min(budget, spent)) : most;
}

static u64 step_packed(struct replay *replay, const struct replay_op *op)
{
	u64 *low = &replay->lows[op->dom];
	u32 *size = replay->sizes ? &replay->sizes[op->slot] : NULL;

	if (replay->rcache)
		replay->cached.sizes[op->slot] = rcache_packed_size(
			op, replay_packed_pfn(op, *low));
	return replay_packed_step(&iova_variant, replay->hot, size, op, low);
}

static u64 any_step(struct replay *replay, const struct replay_op *op)
{
	if (op->flags & REPLAY_PACKED)
		return step_packed(replay, op);
	if (replay->rcache)
		return cached_step(replay->hot, replay->cached, op);
	if (replay->sizes)
		return sized_step(replay->hot, replay->sizes, op);
	return step(replay->hot, op);
}

/* The op at @index, with its time and its visits recorded if it is measured. */
static u64 recorded_step(struct replay *replay, u64 index)
{
	const struct replay_op *op = &replay->stream->ops[index];
	const struct replay_watch *watch = replay->watch;
	u64 nr_ageing = replay->stream->nr_ageing;
	u64 before, visits, pfn;

	visits = total_visits();
	replay->visits_before_op = visits;
	bound_visits(visits_left(replay));
	before = watch->op_ns ? now_ns() : 0;
	pfn = any_step(replay, op);
	if (watch->op_ns && index >= nr_ageing)
		watch->op_ns[index - nr_ageing] = min(now_ns() - before,
						      (u64)~0U);
	bound_visits(~0ULL);
	visits = total_visits() - visits;
	if (watch->op_visits && index >= nr_ageing) {
		watch->op_visits[index - nr_ageing] = visits;
		replay->result->worst_visits = max(replay->result->worst_visits,
						   visits);
	}
	if (watch->pfns)
		watch->pfns[index] = pfn;
	if (index >= nr_ageing)
		replay->result->nr_failures += replay_refused(op, pfn);
	return pfn;
}

static int complain(struct replay *replay, const struct replay_op *op, u64 pfn,
		    const char *wrong)
{
	return fail(replay->result, replay->index,
		    "%s, pfn 0x%llx for size %u below 0x%llx%s: %s",
		    iova_variant.name, (unsigned long long)pfn, op->size,
		    (unsigned long long)op->limit_pfn,
		    op->flags & REPLAY_SIZE_ALIGNED ? " aligned" : "", wrong);
}

/* Is a packed range where the stream's maker knew it would go? */
static bool is_packed(const struct replay *replay, u64 pfn, u64 packed_pfn)
{
	return pfn == packed_pfn || iova_variant.flags & IOVA_V_FAKE ||
	       (pfn == IOVA_REFUSED && replay_starved(replay));
}

int replay_watched_step(struct replay *replay, u64 index)
{
	const struct replay_op *op = &replay->stream->ops[index];
	u64 pfn, packed_pfn = replay_packed_pfn(op, replay->lows[op->dom]);
	const struct replay_watch *watch = replay->watch;
	bool judge = replay_judged(replay) && !goes_through_rcache(replay, op);
	struct verdict verdict = { 0 };
	const char *wrong = NULL;

	if (watch->progress)
		*watch->progress = index;
	replay->index = index;
	replay->nr_refused = shim_memory.nr_refused;
	tick(replay, index);
	if (judge)
		verdict = replay_judge_before(replay, op);
	pfn = recorded_step(replay, index);

	if (replay->tree_wrong)
		return complain(replay, &replay->tree_op, replay->tree_pfn,
				replay->tree_wrong);
	if (judge)
		wrong = replay_judge_after(replay, op, pfn, &verdict);
	if (!wrong && watch->flags & REPLAY_VERIFY)
		wrong = iova_variant.verify(domain_of(replay, op->dom));
	if (!wrong && op->flags & REPLAY_PACKED &&
	    !is_packed(replay, pfn, packed_pfn))
		wrong = "is not at the top of the only gap";
	return wrong ? complain(replay, op, pfn, wrong) : 0;
}
