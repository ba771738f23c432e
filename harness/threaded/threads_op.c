// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads_op - one thread: it waits for its turn on a slot, runs the op, times it.
 *
 * A slot has a turn: the number of measured ops that it has seen.  The thread
 * with the next op on it waits for that number, and passes it on with a release,
 * so what one thread got is there when another one frees it.  Each op waits for
 * earlier ones of the stream only and each thread keeps the stream's order: the
 * earliest op that is not done can always run.
 *
 * threads_mixed_op.c includes this file with THREADS_MIXED true, for streams in
 * which some ops go past the rcache: two loops in one unit would be compiled
 * differently from one, and stored times are those of one.
 */
#include "clock.h"
#include "threads_state.h"

#ifndef THREADS_MIXED
#define THREADS_MIXED	false
#endif

/* One op at a time; false if somebody has stopped the run. */
static bool wait_for_all(struct crew_member *member, const struct own_op *own)
{
	struct run *run = member->crew->context;
	u32 nr_spins = 0;

	if (!(run->plan->flags & THREADS_IN_TURN))
		return true;
	while (__atomic_load_n(&run->next, __ATOMIC_ACQUIRE) != own->index) {
		if (__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE))
			return false;
		crew_relax(member->crew, &nr_spins);
	}
	return true;
}

/* Likewise, for the ops on one slot. */
static bool wait_for_turn(struct crew_member *member, const struct own_op *own,
			  const struct slot *slot)
{
	struct run *run = member->crew->context;
	u32 nr_spins = 0;
	u64 before;

	if (likely(__atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE) == own->turn))
		return true;
	member->share.nr_handoffs++;
	before = clock_ticks();
	while (__atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE) != own->turn) {
		if (__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE))
			return false;
		crew_relax(member->crew, &nr_spins);
	}
	member->share.handoff_ns += ticks_to_ns(clock_ticks() - before);
	return true;
}

static void count_op(struct crew_member *member, const struct own_op *own,
		     u64 ns, u64 pfn)
{
	const struct threads_plan *plan = member->crew->plan;
	struct threads_share *share = &member->share;

	share->nr_ops++;
	share->nr_failures += replay_refused(&own->op, pfn);
	share->op_ns += ns;
	share->max_op_ns = max(share->max_op_ns, ns);
	share->ops[log2_bin(ns)]++;
	if (plan->op_ns)
		plan->op_ns[own->index] = min(ns, (u64)~0U);
	if (plan->op_wait_ns)
		plan->op_wait_ns[own->index] = min(member->cpu.op_wait_ns,
						   (u64)~0U);
	if (plan->op_hold_ns)
		plan->op_hold_ns[own->index] = min(member->cpu.op_hold_ns,
						   (u64)~0U);
	if (plan->pfns)
		plan->pfns[own->index] = pfn;
}

static bool run_op(struct crew_member *member, const struct own_op *own)
{
	struct run *run = member->crew->context;
	struct slot *slot = &run->slots[own->op.slot];
	const char *wrong = NULL;
	u64 before, pfn;

	if (!wait_for_all(member, own) || !wait_for_turn(member, own, slot))
		return false;
	if (run->judges)
		threads_judge_before(run, &own->op, slot);
	member->cpu.op_wait_ns = 0;
	member->cpu.op_hold_ns = 0;
	before = clock_ticks();
	pfn = step(run, &own->op, THREADS_MIXED);
	before = clock_ticks() - before;
	if (run->judges)
		wrong = threads_judge_after(run, &own->op, pfn);
	__atomic_store_n(&slot->turn, own->turn + 1, __ATOMIC_RELEASE);
	if (run->plan->flags & THREADS_IN_TURN)
		__atomic_store_n(&run->next, own->index + 1, __ATOMIC_RELEASE);
	count_op(member, own, ticks_to_ns(before), pfn);
	if (wrong)
		threads_complain(run, &own->op, own->index, pfn, wrong);
	return !wrong;
}

void threads_run_share(struct crew_member *member)
{
	struct run *run = member->crew->context;
	const struct own_ops *share = &run->shares[member->index];
	u64 i;

	for (i = 0; i < share->nr && run_op(member, &share->ops[i]); i++)
		;
}
