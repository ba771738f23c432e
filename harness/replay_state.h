/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay_state - what the parts of the replay share; nobody else includes it.
 *
 *	replay.c	 one run from check to drain, and the visits' budget
 *	replay_check.c	 is the stream possible at all?
 *	replay_build.c	 domains, slots, judges and rcaches; memory; drain
 *	replay_loop.c	 ageing, and the measured loops
 *	replay_watch.c	 one op with all that is recorded around it
 *	replay_judge.c	 what should the answer have been?
 *	replay_survey.c	 what is live, and what is held, after the window
 */
#ifndef REPLAY_STATE_H
#define REPLAY_STATE_H

#include <stdio.h>
#include <time.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "domains.h"
#include "judge.h"
#include "rcache_step.h"
#include "replay.h"

/* Beside struct replay_hot, for a replay with an rcache. */
struct cached {
	struct rcache *rcaches; /* one per domain */
	u32 *sizes; /* of each slot's range, as the caller knows it */
	u32 *past_sizes; /* of those that went past the rcache */
};

struct replay {
	u64 visits_at_start;
	u64 visits_before_op;
	bool abandoned; /* see iova_visits_spent() */
	const struct replay_stream *stream;
	const struct replay_watch *watch;
	struct replay_result *result;
	struct replay_hot hot;
	struct domains domains;
	struct judge **judges;
	struct replay_rcache *rcache; /* NULL for none */
	struct rcache_run rcache_run;
	struct cached cached;
	u32 *sizes; /* per slot, if free() needs them; 0: can't be freed */
	u64 *lows; /* per domain, while it is packed */
	u64 next_tick;
	u64 index; /* op under way */
	u64 nr_refused; /* memory requests, before it */
	const char *tree_wrong; /* about what the rcache let through */
	struct replay_op tree_op;
	u64 tree_pfn;
};

#ifdef IOVA_COUNTED
#define COUNTED	true
#else
#define COUNTED	false
static const struct iova_visits iova_visits;
#endif

/* Visits that one call of the variant may make before it seems endless. */
#define ENDLESS_VISITS	(10ULL << 20)

static inline u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline u64 total_visits(void)
{
	return iova_visits.search + iova_visits.descend + iova_visits.update;
}

/* How many more nodes the op under way may visit; counted build only. */
static inline void bound_visits(u64 left)
{
#ifdef IOVA_COUNTED
	iova_visits_left = left;
#endif
}

static inline struct iova_domain *domain_of(const struct replay *replay,
					    u64 dom)
{
	return domains_at(&replay->domains, dom);
}

#define fail(result, index, ...) ({					\
	snprintf((result)->error, sizeof((result)->error), __VA_ARGS__); \
	(result)->error_op = (index);					\
	-1; })

/* ---- one op, on the slots of this replay ---- */

static __always_inline u64 step(const struct replay_hot hot,
				const struct replay_op *op)
{
	return replay_step(&iova_variant, hot, op);
}

static __always_inline u64 sized_step(const struct replay_hot hot, u32 *sizes,
				      const struct replay_op *op)
{
	return replay_sized_step(&iova_variant, hot, &sizes[op->slot], op);
}

static __always_inline u64 cached_step(const struct replay_hot hot,
				       const struct cached cached,
				       const struct replay_op *op)
{
	u64 *slot = replay_slot(hot, op);
	u32 *size = &cached.sizes[op->slot];
	u32 *past_size = cached.past_sizes ? &cached.past_sizes[op->slot] :
					     NULL;

	return rcache_mixed_step(&iova_variant, cached.rcaches, hot, slot, size,
				 past_size, op);
}

/* The timer is somebody else's work: no op is charged for it. */
static __always_inline void tick(struct replay *replay, u64 index)
{
	const struct replay_rcache *rcache = replay->rcache;
	u64 i;

	while (rcache && replay->next_tick < rcache->nr_ticks &&
	       rcache->ticks[replay->next_tick] <= index) {
		for (i = 0; i < replay->stream->nr_domains; i++)
			rcache_tick(&replay->cached.rcaches[i]);
		replay->next_tick++;
	}
}

/* ---- the parts ---- */

/* 0, or -1 with what failed in the result. */
int replay_build(struct replay *replay);
void replay_drain(struct replay *replay);
/* No page is to be taken from the system within the window. */
bool replay_prepare_memory(struct replay *replay);

int replay_age(struct replay *replay);
int replay_measure(struct replay *replay);
/* One op with everything that is watched around it. */
int replay_watched_step(struct replay *replay, u64 index);

int replay_survey(struct replay *replay, u64 bytes_before);
/* Report what is held, and give it back: then the tree holds the callers' only. */
int replay_empty_rcaches(struct replay *replay);

/**
 * struct verdict - what an answer is held against
 * @fits: there is a fit
 * @highest: where the highest is
 */
struct verdict {
	bool fits;
	u64 highest;
};

bool replay_judged(const struct replay *replay);
/* Was the op under way refused memory?  Then it may do less than it was asked. */
bool replay_starved(const struct replay *replay);
bool replay_new_judges(struct replay *replay);
struct verdict replay_judge_before(struct replay *replay,
				   const struct replay_op *op);
/* NULL, or what is wrong with the answer @pfn. */
const char *replay_judge_after(struct replay *replay,
			       const struct replay_op *op, u64 pfn,
			       const struct verdict *verdict);
/* For rcache_run: the rcache has let an op through to the variant. */
void replay_told(void *context, struct iova_domain *iovad, unsigned long size,
		 unsigned long limit_pfn, bool size_aligned, unsigned long pfn);

#endif
