/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads_state - what the parts of the threaded replay share.
 *
 *	threads.c	 one run from check to drain, and the lock alone
 *	threads_build.c	 domains, slots, judges, rcaches and shares; ageing; drain
 *	threads_op.c	 one thread: its turn, the op, its time; threads_mixed_op.c
 *			 is the same for a stream with REPLAY_PAST_RCACHE
 *	threads_judge.c	 does a caller get what another one has?
 *	threads_survey.c what must hold at the end, in whatever order ops ran
 */
#ifndef THREADS_STATE_H
#define THREADS_STATE_H

#include <stdio.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "crew.h"
#include "domains.h"
#include "judge.h"

/* A struct slot, which begins with what replay_step() takes for the slot. */
#define REPLAY_SLOT_WORDS	3
#include "rcache_step.h"

#include "threads.h"

struct slot {
	u64 pfn; /* IOVA_REFUSED: nobody's */
	u32 size; /* for free_sized(); 0: it can't be freed */
	u32 fast_size; /* for rcache_free(); 0: for the tree */
	u32 turn;
	u16 dom; /* from here on: set by the survey */
	bool seen;
	bool owned;
};

_Static_assert(sizeof(struct slot) == REPLAY_SLOT_WORDS * sizeof(u64),
	       "replay_slot() steps over whole slots");

struct own_op {
	struct replay_op op;
	u32 turn;
	u32 index; /* in the measured window */
};

struct own_ops {
	struct own_op *ops;
	u64 nr;
};

struct run {
	const struct replay_stream *stream;
	const struct threads_plan *plan;
	struct replay_rcache *rcache;
	struct threads_result *result;
	struct domains domains;
	struct replay_hot hot;
	struct slot *slots;
	struct rcache *rcaches;
	struct judge **judges;
	pthread_mutex_t judges_mutex;
	struct own_ops *shares;
	bool merges; /* see may_merge() */
	bool stop;
	u64 next __attribute__((__aligned__(128))); /* THREADS_IN_TURN */
	struct rcache_run rcache_run __attribute__((__aligned__(128)));
};

#define fail(run, index, ...) ({					\
	snprintf((run)->result->error, sizeof((run)->result->error),	\
		 __VA_ARGS__);						\
	(run)->result->error_op = (index);				\
	-1; })

static inline bool is_fake(void)
{
	return iova_variant.flags & IOVA_V_FAKE;
}

/* The two sizes of @slot that rcache_step() keeps. */
#define fast_size_of(slot)	(&(slot)->fast_size)
#define past_size_of(slot)	(iova_variant.free_sized ? &(slot)->size : NULL)

/* @mixed: some ops of the stream go past the rcache. */
static __always_inline u64 step(const struct run *run,
				const struct replay_op *op, bool mixed)
{
	struct slot *slot = &run->slots[op->slot];

	if (run->rcaches && mixed)
		return rcache_mixed_step(&iova_variant, run->rcaches, run->hot,
					 &slot->pfn, fast_size_of(slot),
					 past_size_of(slot), op);
	if (run->rcaches)
		return rcache_step(&iova_variant, run->rcaches, run->hot,
				   &slot->pfn, fast_size_of(slot),
				   past_size_of(slot), op);
	if (iova_variant.free_sized)
		return replay_sized_step(&iova_variant, run->hot, &slot->size,
					 op);
	return replay_step(&iova_variant, run->hot, op);
}

/* 0, or -1 with what failed in the result. */
int threads_build(struct run *run);
int threads_age(struct run *run);
/* No page is to be taken from the system within the window. */
bool threads_prepare_memory(struct run *run);
void threads_drain(struct run *run);

/* For crew_start(); one for streams in which some ops go past the rcache. */
void threads_run_share(struct crew_member *member);
void threads_run_mixed_share(struct crew_member *member);

void threads_judge_before(struct run *run, const struct replay_op *op,
			  const struct slot *slot);
/* NULL, or what is wrong with the answer @pfn. */
const char *threads_judge_after(struct run *run, const struct replay_op *op,
				u64 pfn);
/* Stops the run; the first complaint is the one that is reported. */
void threads_complain(struct run *run, const struct replay_op *op, u64 index,
		      u64 pfn, const char *wrong);

int threads_survey(struct run *run);

#endif
