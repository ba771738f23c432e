// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads - drive one variant from N threads at once; see threads.h.
 */
#include <string.h>

#include "threads_state.h"

static void report_rcache(struct run *run, const struct rcache_stats *stats)
{
	struct rcache_stats *out = &run->rcache->stats;
	unsigned int order;
	u64 i;

	*out = *stats;
	out->magazine_bytes = 0;
	out->peak_magazine_bytes = 0;
	for (i = 0; i < run->domains.nr; i++)
		out->magazine_bytes += rcache_count(&run->rcaches[i],
						    out->nr_held);
	out->held_pfns = 0;
	out->peak_held_pfns = 0;
	for (order = 0; order < RCACHE_NR_ORDERS; order++)
		out->held_pfns += out->nr_held[order] << order;
}

static bool some_go_past(const struct replay_stream *stream)
{
	u64 i;

	for (i = stream->nr_ageing; i < stream->nr_ops; i++)
		if (stream->ops[i].flags & REPLAY_PAST_RCACHE)
			return true;
	return false;
}

static int measure(struct run *run, struct crew *crew,
		   struct threads_share *shares)
{
	int err;

	if (!threads_prepare_memory(run))
		return fail(run, ~0ULL,
			    "no memory for what the window may allocate");
	err = crew_start(crew, run->plan,
			 run->rcaches && some_go_past(run->stream) ?
				 threads_run_mixed_share :
				 threads_run_share,
			 run);
	if (err)
		return fail(run, ~0ULL, "a thread can't be had on its CPU: %s",
			    strerror(err));
	crew_report(crew, shares, run->result);
	shim_memory.bytes += crew->memory.bytes;
	shim_memory.nr_objects += crew->memory.nr_objects;
	shim_memory.nr_caches += crew->memory.nr_caches;
	run->result->nr_arenas = crew->memory.nr_arenas;
	if (run->rcache)
		report_rcache(run, &crew->rcache_stats);
	return run->result->error[0] ? -1 : 0;
}

int threads_run(const struct replay_stream *stream,
		const struct threads_plan *plan, struct replay_rcache *rcache,
		struct threads_share *shares, struct threads_result *result)
{
	struct run run = {
		.stream = stream,
		.plan = plan,
		.rcache = rcache,
		.result = result,
	};
	u64 bytes = shim_memory.bytes, objects = shim_memory.nr_objects;
	u64 caches = shim_memory.nr_caches;
	struct replay_result checked;
	struct crew crew;
	int err = replay_check(stream, &checked);

	memset(result, 0, sizeof(*result));
	if (err)
		return fail(&run, checked.error_op, "%s", checked.error);
	if (crew_init(&crew, plan->nr_threads))
		return fail(&run, 0, "no memory for the threads");
	pthread_mutex_init(&run.judges_mutex, NULL);
	crew_calibrate(result);
	err = threads_build(&run);
	if (!err)
		err = threads_age(&run);
	if (!err)
		err = measure(&run, &crew, shares);
	result->bytes = shim_memory.bytes - bytes +
			run.domains.nr * iova_variant.domain_size;
	if (!err)
		err = threads_survey(&run);
	threads_drain(&run);
	if (!err && shim_memory.nr_objects != objects)
		err = fail(&run, ~0ULL, "%s: put_domain() leaked %lld objects",
			   iova_variant.name,
			   (long long)(shim_memory.nr_objects - objects));
	if (!err && shim_memory.nr_caches != caches)
		err = fail(&run, ~0ULL,
			   "%s: put_domain() leaked %lld slab caches",
			   iova_variant.name,
			   (long long)(shim_memory.nr_caches - caches));
	pthread_mutex_destroy(&run.judges_mutex);
	crew_put(&crew);
	return err;
}

/* ---- the lock alone ---- */

struct bare {
	spinlock_t lock;
	u64 nr_rounds;
	u64 nr_taken; /* under the lock */
} __attribute__((__aligned__(128)));

static void take_bare(struct crew_member *member)
{
	struct bare *bare = member->crew->context;
	u64 i;

	for (i = 0; i < bare->nr_rounds; i++) {
		spin_lock(&bare->lock);
		bare->nr_taken++;
		spin_unlock(&bare->lock);
	}
	member->share.nr_ops = bare->nr_rounds;
}

int threads_run_bare(const struct threads_plan *plan, u64 nr_rounds,
		     struct threads_share *shares,
		     struct threads_result *result)
{
	struct bare bare = { .nr_rounds = nr_rounds };
	struct run run = { .result = result };
	struct crew crew;
	int err;

	memset(result, 0, sizeof(*result));
	if (crew_init(&crew, plan->nr_threads))
		return fail(&run, 0, "no memory for the threads");
	crew_calibrate(result);
	this_cpu->init_class = LOCK_VARIANT;
	spin_lock_init(&bare.lock);
	err = crew_start(&crew, plan, take_bare, &bare);
	if (err)
		err = fail(&run, ~0ULL, "a thread can't be had on its CPU: %s",
			   strerror(err));
	else
		crew_report(&crew, shares, result);
	if (!err && bare.nr_taken != plan->nr_threads * nr_rounds)
		err = fail(&run, ~0ULL, "the lock was held by two at once");
	crew_put(&crew);
	return err;
}
