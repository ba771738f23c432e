// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay - one run from check to drain; see replay.h.
 *
 * Where the variant counts its visits, an op that makes too many is left by a
 * long jump: what the variant holds then is in an unknown state, and its lock
 * is held, so its domains are never touched again.
 */
#include <setjmp.h>
#include <stdlib.h>

#include "replay_state.h"

#define REPLAY_TOO_LONG	"more nodes visited than the budget allows"

#ifdef IOVA_COUNTED
struct iova_visits iova_visits;
u64 iova_visits_left = ~0ULL;
static jmp_buf too_many_visits;

void iova_visits_spent(void)
{
	iova_visits_left = ~0ULL;
	longjmp(too_many_visits, 1);
}

/* The op under way has made too many visits and did not return. */
static int stopped(struct replay *replay)
{
	const struct replay_op *op = &replay->stream->ops[replay->index];
	u64 budget = replay->watch->max_visits;
	u64 visits = total_visits();

	replay->abandoned = true;
	if (budget && visits - replay->visits_at_start > budget)
		return fail(replay->result, replay->index, REPLAY_TOO_LONG);
	replay->result->endless = true;
	return fail(
		replay->result, replay->index,
		"%s, for size %u below 0x%llx: has visited %llu nodes and does not return",
		iova_variant.name, op->size, (unsigned long long)op->limit_pfn,
		(unsigned long long)(visits - replay->visits_before_op));
}
#endif

static int age_and_measure(struct replay *replay)
{
	int err;

#ifdef IOVA_COUNTED
	if (setjmp(too_many_visits))
		return stopped(replay);
#endif
	err = replay_age(replay);
	return err ? err : replay_measure(replay);
}

static int run(const struct replay_stream *stream,
	       const struct replay_watch *watch, struct replay_rcache *rcache,
	       struct replay_result *result)
{
	struct replay replay = {
		.stream = stream,
		.watch = watch,
		.result = result,
		.rcache = rcache,
		.visits_at_start = total_visits(),
	};
	u64 bytes = shim_memory.bytes, objects = shim_memory.nr_objects;
	u64 caches = shim_memory.nr_caches;
	int err = replay_check(stream, result);

	if (err)
		return err;
	shim_memory.peak_bytes = bytes;
	err = replay_build(&replay);
	shim_memory.nr_requests = 0;
	shim_memory.fail_at = watch->fail_alloc_at;
	if (!err)
		err = age_and_measure(&replay);
	result->node_bytes = shim_memory.object_size;
	result->nr_requests = shim_memory.nr_requests;
	shim_memory.fail_at = 0;
	if (!err)
		err = replay_survey(&replay, bytes);
	if (!err && rcache)
		err = replay_empty_rcaches(&replay);
	replay_drain(&replay);
	if (replay.abandoned) {
		shim_memory.nr_objects = objects;
		shim_memory.bytes = bytes;
	}
	if (!err && shim_memory.nr_objects != objects)
		err = fail(
			result, stream->nr_ops,
			"%s: put_domain() leaked %llu objects",
			iova_variant.name,
			(unsigned long long)(shim_memory.nr_objects - objects));
	if (!err && shim_memory.nr_caches != caches)
		err = fail(
			result, stream->nr_ops,
			"%s: put_domain() leaked %llu slab caches",
			iova_variant.name,
			(unsigned long long)(shim_memory.nr_caches - caches));
	return err;
}

int replay_run(const struct replay_stream *stream,
	       const struct replay_watch *watch, struct replay_result *result)
{
	return run(stream, watch, NULL, result);
}

int replay_run_rcached(const struct replay_stream *stream,
		       const struct replay_watch *watch,
		       struct replay_rcache *rcache,
		       struct replay_result *result)
{
	rcache->nr_tree_ops = 0;
	return run(stream, watch, rcache, result);
}

/* ---- one call at a time ---- */

struct iova_domain *replay_domain_new(unsigned long granule,
				      unsigned long start_pfn)
{
	struct iova_domain *iovad = calloc(1,
					   max(iova_variant.domain_size, 1U));

	if (iovad && iova_variant.init_domain(iovad, granule, start_pfn)) {
		free(iovad);
		return NULL;
	}
	return iovad;
}

void replay_domain_put(struct iova_domain *iovad)
{
	iova_variant.put_domain(iovad);
	free(iovad);
}

int replay_domain_alloc(struct iova_domain *iovad, unsigned long size,
			unsigned long limit_pfn, bool size_aligned,
			unsigned long *pfn)
{
#ifdef IOVA_COUNTED
	if (setjmp(too_many_visits))
		return -1;
#endif
	bound_visits(ENDLESS_VISITS);
	*pfn = iova_variant.alloc(iovad, size, limit_pfn, size_aligned);
	bound_visits(~0ULL);
	return 0;
}

const struct iova_variant_ops *replay_variant(void)
{
	return &iova_variant;
}
