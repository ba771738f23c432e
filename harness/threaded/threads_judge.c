// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads_judge - does a caller get what another one has?
 *
 * A range is on record from after its alloc() until before its free(): what
 * overlaps there was in two callers' hands at once.  One mutex around the record.
 */
#include "threads_state.h"

static bool is_fast(const struct run *run, const struct replay_op *op)
{
	return run->rcaches &&
	       !(op->flags & (REPLAY_PACKED | REPLAY_PAST_RCACHE));
}

/* What the caller got: the fast API rounds small sizes up, and aligns all. */
static u64 granted_size(const struct run *run, const struct replay_op *op)
{
	return op->op == REPLAY_ALLOC && is_fast(run, op) ?
		       rcache_tree_size(op->size) :
		       op->size;
}

static const char *judge_bounds(const struct run *run,
				const struct replay_op *op, u64 pfn)
{
	bool fast = is_fast(run, op);
	bool aligned = op->flags & REPLAY_SIZE_ALIGNED || fast;
	u64 size = granted_size(run, op), pfn_hi = pfn + size - 1;
	/* The rcache's own check of such a limit wraps; see rcache_alloc(). */
	bool limited = !fast || size > RCACHE_MAX_SIZE ||
		       op->limit_pfn + 1 >= size;

	if (aligned && pfn & (roundup_pow_of_two(op->size) - 1))
		return "is not aligned";
	if (pfn_hi < pfn)
		return "wraps around the end of the address space";
	if (limited && pfn_hi > op->limit_pfn &&
	    !(iova_variant.flags & IOVA_V_ABOVE_LIMIT))
		return "ends above its limit";
	if (pfn < run->stream->start_pfn &&
	    !(iova_variant.flags & IOVA_V_BELOW_START))
		return "lies below start_pfn";
	return NULL;
}

const char *threads_judge_after(struct run *run, const struct replay_op *op,
				u64 pfn)
{
	struct judge *judge = run->judges[op->dom];
	const char *wrong = NULL;

	if (pfn == IOVA_REFUSED)
		return NULL;
	pthread_mutex_lock(&run->judges_mutex);
	if (op->op == REPLAY_ALLOC) {
		wrong = judge_bounds(run, op, pfn);
		if (!wrong)
			wrong = judge_add(judge, pfn,
					  pfn + granted_size(run, op) - 1);
	} else if (op->op == REPLAY_RESERVE) {
		wrong = iova_variant.flags & IOVA_V_MERGES ?
				judge_reserve_merged(judge, pfn,
						     op->limit_pfn) :
				judge_reserve(judge, pfn, op->limit_pfn);
	}
	pthread_mutex_unlock(&run->judges_mutex);
	return wrong;
}

void threads_judge_before(struct run *run, const struct replay_op *op,
			  const struct slot *slot)
{
	if (op->op != REPLAY_FREE || slot->pfn == IOVA_REFUSED)
		return;
	pthread_mutex_lock(&run->judges_mutex);
	judge_free(run->judges[op->dom], slot->pfn);
	pthread_mutex_unlock(&run->judges_mutex);
}

void threads_complain(struct run *run, const struct replay_op *op, u64 index,
		      u64 pfn, const char *wrong)
{
	pthread_mutex_lock(&run->judges_mutex);
	if (!run->result->error[0])
		fail(run, index,
		     "%s, pfn 0x%llx for size %u below 0x%llx%s: %s",
		     iova_variant.name, (unsigned long long)pfn, op->size,
		     (unsigned long long)op->limit_pfn,
		     op->flags & REPLAY_SIZE_ALIGNED ? " aligned" : "", wrong);
	pthread_mutex_unlock(&run->judges_mutex);
	__atomic_store_n(&run->stop, true, __ATOMIC_RELEASE);
}
