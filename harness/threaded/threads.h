/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads - drive one variant from N threads at once, each pinned to a CPU.
 *
 * The domains are aged by one thread; then all start together, and each runs
 * its share of the measured ops in the stream's order.  What one slot is asked
 * for happens in the stream's order too: a thread that is to free what another
 * one has not allocated yet waits for it, outside its op.  All else is up to
 * the CPUs, so answers differ from run to run; what must hold is checked.
 */
#ifndef THREADS_H
#define THREADS_H

#include "lock_stats.h"
#include "replay.h"

/*
 * Every answer is held against all live ranges; costs a lock around each op.
 * Not where ranges are reserved beside allocated ones: those may merge.
 */
#define THREADS_JUDGE	(1U << 0)
/* More threads than CPUs: whoever waits for another thread's op lets it run. */
#define THREADS_YIELD	(1U << 1)
/*
 * One op at a time, in the stream's order, whoever runs it: answers are those
 * of one thread, nobody queues, and a hold has the price of what the other CPUs
 * have in their caches.
 */
#define THREADS_IN_TURN	(1U << 2)

/**
 * struct threads_plan - who runs what; arrays have one entry per measured op
 * @thread: which thread runs it
 * @turn: measured ops on its slot that come before it
 * @cpus: per thread: where it runs
 * @nr_threads: how many
 * @flags: THREADS_*
 * @op_ns: NULL, or room for the time of each op
 * @op_wait_ns: NULL, or room for what each op waited for locks; likewise
 * @op_hold_ns: for how long it held them
 * @pfns: NULL, or room for each op's answer
 */
struct threads_plan {
	const u16 *thread;
	const u32 *turn;
	const u32 *cpus;
	u64 nr_threads;
	u64 flags;
	u32 *op_ns;
	u32 *op_wait_ns;
	u32 *op_hold_ns;
	u64 *pfns;
};

/**
 * struct threads_share - what one thread has done
 * @ns: from its start to its last op
 * @nr_ops: ops that it ran
 * @nr_failures: requests refused
 * @op_ns: inside ops; @ns has the waits for other threads' ops in it, too
 * @max_op_ns: the longest op
 * @nr_handoffs: ops that had to wait until another thread's op was done
 * @handoff_ns: for how long
 * @nr_preempted: times that the system took the CPU away from it
 * @ops: bins of the ops' times
 * @locks: by class
 */
struct threads_share {
	u64 ns;
	u64 nr_ops;
	u64 nr_failures;
	u64 op_ns;
	u64 max_op_ns;
	u64 nr_handoffs;
	u64 handoff_ns;
	u64 nr_preempted;
	u64 ops[LOCK_NR_BINS];
	struct lock_stats locks[NR_LOCK_CLASSES];
};

/**
 * struct threads_result - what all of them have done
 * @ns: from the first thread's start to the last one's end
 * @clock_ps: between two readings of the clock; picoseconds
 * @empty_hold_ps: mean hold of a free lock around nothing: the clock's share
 * @nr_live: ranges that callers own at the end; each was found, none overlaps
 * @bytes: memory of the variant at the end, domains included
 * @nr_arenas: taken from the system within the window: none, or times are wrong
 * @error_op: the measured op that was wrong
 * @error: empty, or what was wrong
 */
struct threads_result {
	u64 ns;
	u64 clock_ps;
	u64 empty_hold_ps;
	u64 nr_live;
	u64 bytes;
	u64 nr_arenas;
	u64 error_op;
	char error[192];
};

/* Highest id of a thread so far; 0 is the harness's, outside the window. */
extern u32 threads_max_id;

/* 0, or -1 with what was wrong in @result.  @shares: one per thread. */
REPLAY_API int
threads_run(const struct replay_stream *stream, const struct threads_plan *plan,
	    struct replay_rcache *rcache, struct threads_share *shares,
	    struct threads_result *result);

/*
 * All threads take one lock @nr_rounds times around nothing, as fast as they
 * can: ns of @result over all their rounds is what passing it on costs.
 */
REPLAY_API int threads_run_bare(const struct threads_plan *plan, u64 nr_rounds,
				struct threads_share *shares,
				struct threads_result *result);

#endif
