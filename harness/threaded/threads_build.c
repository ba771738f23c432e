// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads_build - what the threads need before they start: all by one thread.
 */
#include <stdlib.h>
#include <string.h>

#include "threads_state.h"

#define SPARE_OBJECTS	256ULL	/* a thread's, in its magazine or for a moment */

static int deal(struct run *run)
{
	const struct replay_stream *stream = run->stream;
	const struct threads_plan *plan = run->plan;
	u64 nr_measured = stream->nr_ops - stream->nr_ageing, i;

	run->shares = calloc(plan->nr_threads, sizeof(*run->shares));
	if (!run->shares)
		return -1;
	for (i = 0; i < nr_measured; i++) {
		if (plan->thread[i] >= plan->nr_threads)
			return fail(run, i, "thread %u of %llu",
				    plan->thread[i],
				    (unsigned long long)plan->nr_threads);
		run->shares[plan->thread[i]].nr++;
	}
	for (i = 0; i < plan->nr_threads; i++) {
		struct own_ops *share = &run->shares[i];

		share->ops = malloc((share->nr + 1) * sizeof(*share->ops));
		if (!share->ops)
			return -1;
		share->nr = 0;
	}
	for (i = 0; i < nr_measured; i++) {
		struct own_ops *share = &run->shares[plan->thread[i]];

		share->ops[share->nr++] = (struct own_op){
			stream->ops[stream->nr_ageing + i],
			plan->turn[i],
			i,
		};
	}
	return 0;
}

static int build_judges(struct run *run)
{
	const u64 one = 1;
	u64 i;

	run->judges = calloc(run->stream->nr_domains + 1, sizeof(*run->judges));
	for (i = 0; run->judges && i < run->stream->nr_domains; i++) {
		run->judges[i] = judge_new(
			run->stream->start_pfn,
			iova_variant.flags & IOVA_V_LOW_RANGE, &one, 1);
		if (!run->judges[i])
			return -1;
	}
	return run->judges ? 0 : -1;
}

static int build_rcaches(struct run *run)
{
	u64 nr = run->stream->nr_domains, i;
	unsigned int order;
	int err = 0;

	run->rcache_run.config = run->rcache->config;
	run->rcaches = calloc(nr + 1, sizeof(*run->rcaches));
	if (!run->rcaches)
		return -1;
	this_cpu->init_class = LOCK_CPU_CACHE;
	for (i = 0; !err && i < nr; i++) {
		err = rcache_init(&run->rcaches[i],
				  domains_at(&run->domains, i),
				  &run->rcache_run);
		for (order = 0; order < RCACHE_NR_ORDERS; order++)
			run->rcaches[i].orders[order].lock.class = LOCK_DEPOT;
	}
	return err;
}

static int build_domains(struct run *run)
{
	u64 i, nr = run->stream->nr_slots;

	run->slots = calloc(nr + 1, sizeof(*run->slots));
	if (!run->slots)
		return -1;
	for (i = 0; i < nr; i++)
		run->slots[i].pfn = IOVA_REFUSED;
	this_cpu->init_class = LOCK_VARIANT;
	if (domains_init(&run->domains, run->stream, 128))
		return -1;
	run->hot = (struct replay_hot){
		run->domains.first,
		run->domains.stride,
		&run->slots->pfn,
	};
	return 0;
}

/*
 * A range that is reserved over an allocated one becomes one with it, and goes
 * when either is freed: then who owns what depends on who was first, and nobody
 * outside the variant can tell.
 */
static bool may_merge(const struct replay_stream *stream)
{
	bool *allocated = calloc(stream->nr_domains + 1, sizeof(*allocated));
	bool found = !allocated;
	u64 i;

	for (i = 0; !found && i < stream->nr_ops; i++) {
		const struct replay_op *op = &stream->ops[i];

		if (op->op == REPLAY_ALLOC)
			allocated[op->dom] = true;
		else if (op->op == REPLAY_RESERVE)
			found = allocated[op->dom] || i >= stream->nr_ageing;
	}
	free(allocated);
	return found;
}

int threads_build(struct run *run)
{
	int err = build_domains(run);

	run->merges = may_merge(run->stream);
	if (!err && run->rcache)
		err = build_rcaches(run);
	if (!err && run->plan->flags & THREADS_JUDGE && !is_fake() &&
	    !run->merges)
		err = build_judges(run);
	if (!err)
		err = deal(run);
	if (err && !run->result->error[0])
		fail(run, 0, "no memory for the threads' domains and ops");
	return err;
}

static u64 age_packed(struct run *run, const struct replay_op *op, u64 *low)
{
	struct slot *slot = &run->slots[op->slot];

	if (run->rcaches)
		slot->fast_size = rcache_packed_size(
			op, replay_packed_pfn(op, *low));
	return replay_packed_step(&iova_variant, run->hot, &slot->size, op,
				  low);
}

int threads_age(struct run *run)
{
	const struct replay_stream *stream = run->stream;
	u64 *lows = calloc(stream->nr_domains + 1, sizeof(*lows));
	const char *wrong = NULL;
	u64 i, pfn;

	if (!lows)
		return fail(run, 0, "no memory to age the domains");
	for (i = 0; !wrong && i < stream->nr_ageing; i++) {
		const struct replay_op *op = &stream->ops[i];

		if (run->judges)
			threads_judge_before(run, op, &run->slots[op->slot]);
		pfn = op->flags & REPLAY_PACKED ?
			      age_packed(run, op, &lows[op->dom]) :
			      step(run, op, true);
		if (run->judges)
			wrong = threads_judge_after(run, op, pfn);
		if (wrong)
			threads_complain(run, op, i, pfn, wrong);
	}
	free(lows);
	return wrong ? -1 : 0;
}

/*
 * In no order of the window's ops does one need more than an object, a range or a
 * hole; an rcache can give back what was freed while ageing.  Magazines keep some
 * more.
 */
bool threads_prepare_memory(struct run *run)
{
	const struct replay_stream *stream = run->stream;
	u64 first = run->rcache ? 0 : stream->nr_ageing, i;
	u64 *nr_ops = calloc(stream->nr_domains + 1, sizeof(*nr_ops));
	bool prepared = nr_ops;

	for (i = first; prepared && i < stream->nr_ops; i++)
		nr_ops[stream->ops[i].dom]++;
	for (i = 0; prepared && i < stream->nr_domains; i++)
		prepared = shim_prepare(
			run->domains.first_caches[i],
			run->domains.first_caches[i + 1],
			nr_ops[i] +
				SPARE_OBJECTS * (run->plan->nr_threads + 1));
	free(nr_ops);
	return prepared;
}

void threads_drain(struct run *run)
{
	u64 i;

	for (i = 0; run->rcaches && i < run->domains.nr; i++)
		rcache_exit(&run->rcaches[i]);
	domains_put(&run->domains);
	for (i = 0; run->judges && i < run->stream->nr_domains; i++)
		judge_put(run->judges[i]);
	for (i = 0; run->shares && i < run->plan->nr_threads; i++)
		free(run->shares[i].ops);
	free(run->shares);
	free(run->judges);
	free(run->rcaches);
	free(run->slots);
}
