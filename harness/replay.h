/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay - drive one variant through one op stream: check, age, measure, drain.
 *
 * The same loop, compiled once, serves every variant: it calls through the ops
 * table, so no variant's code can change the loop's own.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "iova_variant.h"
#include "op.h"
#include "rcache.h"

struct replay_stream {
	const struct replay_op *ops;
	u64 nr_ops;
	u64 nr_ageing; /* leading ops that are run and not measured */
	u64 nr_slots;
	u64 nr_domains;
	u64 granule;
	u64 start_pfn;
};

#define REPLAY_JUDGE	(1U << 0) /* judge every answer against every gap */
#define REPLAY_VERIFY	(1U << 1) /* variant's verify() after every op */

#define REPLAY_UNBOUNDED	~0ULL /* max_visits: another limit is set */

/**
 * struct replay_watch - what to record besides the totals; pointers may be NULL
 * @flags: REPLAY_JUDGE, REPLAY_VERIFY
 * @max_visits: give up once the stream has visited more nodes; 0 for never, but
 *	an op that seems endless is given up; REPLAY_UNBOUNDED for never
 * @pfns: one per op of the stream: the answer; the address freed; ~0 if none
 * @op_ns: one per measured op, the cost of the two clock readings included
 * @op_visits: one per measured op; counted build only
 * @progress: index of the op under way, for whoever outlives a crash
 * @fail_alloc_at: refuse the request for memory of this number, counted from 1
 *	where ageing starts; 0 for none; counted build only
 */
struct replay_watch {
	u64 flags;
	u64 max_visits;
	u64 *pfns;
	u32 *op_ns;
	u32 *op_visits;
	volatile u64 *progress;
	u64 fail_alloc_at;
};

/**
 * struct replay_result - totals of the measured window
 * @ns: time between first and last op; with anything watched, that is in it
 * @clock_ns: least time between two readings of the clock
 * @nr_failures: requests refused
 * @nr_spurious: of these, with a fit under the limit; REPLAY_JUDGE only
 * @nr_not_highest: answers that were not the highest fit; REPLAY_JUDGE only
 * @nr_above_limit: answers above the request's limit; REPLAY_JUDGE only
 * @nr_leaked: frees that were refused memory and left their range live;
 *	REPLAY_JUDGE only
 * @visits: nodes visited; counted build only
 * @worst_visits: most nodes visited by one op; with op_visits only
 * @nr_live: live ranges after the window
 * @nr_live_pfns: the sum of their sizes
 * @span: from the lowest to the highest pfn in use, the sum over the domains
 * @bytes: memory of the variant after the window: slabs and domains
 * @peak_bytes: the most it was
 * @node_bytes: of one node of the variant, before the slab rounds it up
 * @nr_requests: for memory, ageing included; counted build only
 * @nr_arenas: taken from the system within the window: none, or times are wrong
 * @endless: the op @error_op was stopped because it visited more nodes than any
 *	needs; counted build only
 * @error_op: the op that stopped the replay
 * @error: empty, or why
 */
struct replay_result {
	u64 ns;
	u64 clock_ns;
	u64 nr_failures;
	u64 nr_spurious;
	u64 nr_not_highest;
	u64 nr_above_limit;
	u64 nr_leaked;
	struct iova_visits visits;
	u64 worst_visits;
	u64 nr_live;
	u64 nr_live_pfns;
	u64 span;
	u64 bytes;
	u64 peak_bytes;
	u64 node_bytes;
	u64 nr_requests;
	u64 nr_arenas;
	u64 endless;
	u64 error_op;
	char error[192];
};

/**
 * struct replay_tree_op - one op that the rcache let through to the variant
 * @index: the op of the stream that caused it; nr_ops for the last flush.  What
 *	the timer frees belongs to the op after it.
 * @limit_pfn: for REPLAY_ALLOC
 * @pfn: the variant's answer, or the address freed
 * @size: what the variant was asked for; 0 for REPLAY_FREE
 * @dom: index of the domain
 * @op: REPLAY_ALLOC or REPLAY_FREE
 * @flags: REPLAY_SIZE_ALIGNED; only an op past the rcache can be without it
 */
struct replay_tree_op {
	u64 index;
	u64 limit_pfn;
	u64 pfn;
	u32 size;
	u16 dom;
	u8 op;
	u8 flags;
};

/**
 * struct replay_rcache - put an rcache in front of the variant
 * @config: which one; nr_cpus is above every op's cpu
 * @ticks: ascending: before each of these ops the timer of all domains fires
 * @nr_ticks: how many
 * @tree_ops: NULL, or room for two per op of the stream
 * @nr_tree_ops: how many there were
 * @stats: of the measured window; what is held, after it
 */
struct replay_rcache {
	struct rcache_config config;
	const u64 *ticks;
	u64 nr_ticks;
	struct replay_tree_op *tree_ops;
	u64 nr_tree_ops;
	struct rcache_stats stats;
};

#define REPLAY_API	__attribute__((__visibility__("default")))

/* The variant that this shared object was built around. */
REPLAY_API const struct iova_variant_ops *replay_variant(void);

/* 0, or -1 with the first impossible op in error and error_op; runs nothing. */
REPLAY_API int replay_check(const struct replay_stream *stream,
			    struct replay_result *result);

/* As replay_check(), then run.  -1 with what the variant did wrong in error. */
REPLAY_API int replay_run(const struct replay_stream *stream,
			  const struct replay_watch *watch,
			  struct replay_result *result);

/*
 * As replay_run(), with ALLOC and FREE as alloc_iova_fast() and free_iova_fast().
 * Judged is what reaches the variant, to which cached ranges are live.
 */
REPLAY_API int replay_run_rcached(const struct replay_stream *stream,
				  const struct replay_watch *watch,
				  struct replay_rcache *rcache,
				  struct replay_result *result);

/* One call at a time, for tests and for trying things out. */
REPLAY_API struct iova_domain *replay_domain_new(unsigned long granule,
						 unsigned long start_pfn);
REPLAY_API void replay_domain_put(struct iova_domain *iovad);
/*
 * 0, with alloc()'s answer in @pfn; -1 if that seems endless, counted build only:
 * then nothing more may be asked of the domain, not even to go away.
 */
REPLAY_API int replay_domain_alloc(struct iova_domain *iovad,
				   unsigned long size, unsigned long limit_pfn,
				   bool size_aligned, unsigned long *pfn);

#endif
