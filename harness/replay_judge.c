// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_judge - what should the answer have been?
 *
 * Each answer is held against the judge's own record of what is live (judge.h):
 * before the op it is asked for the highest fit, after it the answer is added.
 */
#include <stdlib.h>

#include "replay_state.h"

#define MAX_ALIGNS	33	/* sizes have 32 bits */

static struct judge *new_judge(const struct replay_stream *stream,
			       bool all_aligned)
{
	u64 aligns[MAX_ALIGNS], orders = 1;
	unsigned int nr = 0, order;
	u64 i;

	for (i = 0; i < stream->nr_ops; i++)
		if (stream->ops[i].op == REPLAY_ALLOC &&
		    (all_aligned || stream->ops[i].flags & REPLAY_SIZE_ALIGNED))
			orders |= roundup_pow_of_two(stream->ops[i].size);
	for (order = 0; order < MAX_ALIGNS; order++)
		if (orders >> order & 1)
			aligns[nr++] = 1ULL << order;
	return judge_new(stream->start_pfn,
			 iova_variant.flags & IOVA_V_LOW_RANGE, aligns, nr);
}

bool replay_new_judges(struct replay *replay)
{
	u64 i, nr = replay->stream->nr_domains;

	replay->judges = calloc(nr + 1, sizeof(*replay->judges));
	for (i = 0; replay->judges && i < nr; i++) {
		replay->judges[i] = new_judge(replay->stream, replay->rcache);
		if (!replay->judges[i])
			return false;
	}
	return replay->judges;
}

/* Whatever was visited since @visits was none of the variant's doing. */
static void restore_visits(struct iova_visits visits)
{
#ifdef IOVA_COUNTED
	iova_visits = visits;
#endif
}

bool replay_judged(const struct replay *replay)
{
	return replay->judges && !(iova_variant.flags & IOVA_V_FAKE);
}

struct verdict replay_judge_before(struct replay *replay,
				   const struct replay_op *op)
{
	struct verdict verdict = { 0 };
	u64 align = op->flags & REPLAY_SIZE_ALIGNED ?
			    roundup_pow_of_two(op->size) :
			    1;

	if (op->op == REPLAY_ALLOC)
		verdict.fits = judge_highest_fit(replay->judges[op->dom],
						 op->size, align, op->limit_pfn,
						 &verdict.highest);
	return verdict;
}

bool replay_starved(const struct replay *replay)
{
	return shim_memory.nr_refused != replay->nr_refused;
}

/* Whoever needs memory to free, and has none, may leave the range live. */
static void judge_freed(struct replay *replay, u64 dom, u64 pfn)
{
	struct iova_visits visits = iova_visits;
	unsigned long lo, hi;
	bool leaked;

	leaked = replay_starved(replay) &&
		 iova_variant.flags & IOVA_V_FREE_NEEDS_MEM &&
		 iova_variant.find(domain_of(replay, dom), pfn, &lo, &hi);
	restore_visits(visits);
	if (leaked)
		replay->result->nr_leaked++;
	else
		judge_free(replay->judges[dom], pfn);
}

static const char *judge_alloc(struct replay *replay,
			       const struct replay_op *op, u64 pfn,
			       const struct verdict *verdict)
{
	struct replay_result *result = replay->result;
	u64 pfn_hi = pfn + op->size - 1;
	const char *wrong;

	if (pfn == IOVA_REFUSED) {
		if (replay_starved(replay))
			return NULL;
		result->nr_spurious += verdict->fits;
		if (verdict->fits && iova_variant.flags & IOVA_V_COMPLETE)
			return "is refused though a fit exists, and the variant claims to be complete";
		return NULL;
	}
	if (op->flags & REPLAY_SIZE_ALIGNED &&
	    pfn & (roundup_pow_of_two(op->size) - 1))
		return "is not aligned";
	if (pfn_hi < pfn)
		return "wraps around the end of the address space";
	if (pfn_hi > op->limit_pfn) {
		result->nr_above_limit++;
		if (!(iova_variant.flags & IOVA_V_ABOVE_LIMIT))
			return "ends above its limit";
	}
	if (pfn < replay->stream->start_pfn &&
	    !(iova_variant.flags & IOVA_V_BELOW_START))
		return "lies below start_pfn";
	wrong = judge_add(replay->judges[op->dom], pfn, pfn_hi);
	if (wrong)
		return wrong;
	if (!verdict->fits || pfn != verdict->highest) {
		result->nr_not_highest++;
		if (iova_variant.flags & IOVA_V_EXACT)
			return "is not the highest fit, and the variant claims to be exact";
	}
	return NULL;
}

const char *replay_judge_after(struct replay *replay,
			       const struct replay_op *op, u64 pfn,
			       const struct verdict *verdict)
{
	struct judge *judge = replay->judges[op->dom];

	u64 asked = replay->hot.slots[op->slot];

	if (op->op == REPLAY_ALLOC)
		return judge_alloc(replay, op, pfn, verdict);
	if (op->op == REPLAY_FIND && asked != IOVA_REFUSED &&
	    !(replay->sizes && asked < replay->stream->start_pfn) &&
	    judge_is_live(judge, asked) != (pfn != IOVA_REFUSED))
		return pfn == IOVA_REFUSED ? "is live but find() misses it" :
					     "is not live but find() finds it";
	if (pfn == IOVA_REFUSED)
		return NULL;
	if (op->op == REPLAY_FREE &&
	    !(replay->sizes && !replay->rcache && !replay->sizes[op->slot]))
		judge_freed(replay, op->dom, pfn);
	if (op->op != REPLAY_RESERVE)
		return NULL;
	if (replay->sizes)
		return judge_reserve_free(judge, pfn, op->limit_pfn);
	if (iova_variant.flags & IOVA_V_MERGES)
		return judge_reserve_merged(judge, pfn, op->limit_pfn);
	return judge_reserve(judge, pfn, op->limit_pfn);
}

void replay_told(void *context, struct iova_domain *iovad, unsigned long size,
		 unsigned long limit_pfn, bool size_aligned, unsigned long pfn)
{
	struct replay *replay = context;
	struct replay_rcache *rcache = replay->rcache;
	u64 dom = ((char *)iovad - replay->hot.domains) /
		  replay->hot.domain_stride;
	struct replay_op op = {
		.limit_pfn = limit_pfn,
		.size = size,
		.dom = dom,
		.op = size ? REPLAY_ALLOC : REPLAY_FREE,
		.flags = size_aligned ? REPLAY_SIZE_ALIGNED : 0,
	};
	struct verdict verdict;

	if (rcache->tree_ops)
		rcache->tree_ops[rcache->nr_tree_ops] = (struct replay_tree_op){
			replay->index, limit_pfn, pfn,	    size,
			dom,	       op.op,	  op.flags,
		};
	rcache->nr_tree_ops++;
	if (!replay_judged(replay) || replay->tree_wrong)
		return;
	/* The books still are as they were before the variant answered. */
	verdict = replay_judge_before(replay, &op);
	replay->tree_wrong = replay_judge_after(replay, &op, pfn, &verdict);
	replay->tree_op = op;
	replay->tree_pfn = pfn;
}
