/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rcache_step - what one op does where an rcache stands in front of the variant.
 *
 * As replay_step(), with the fast API in place of the variant's alloc and free.
 * A slot has two sizes more: @size is the one that its caller knows, 0 if the
 * range did not come from the fast API; @past_size is that of a range which went
 * past the rcache, and is kept, if not NULL, as replay_sized_step() keeps it.
 */
#ifndef RCACHE_STEP_H
#define RCACHE_STEP_H

#include <linux/log2.h>

#include "rcache.h"
#include "replay_step.h"

/*
 * May a range that alloc_iova() returned for @op be given to free_iova_fast()?
 * The caches pass a range on as one of its order: as an aligned power of two.
 */
static __always_inline bool rcache_takes(const struct replay_op *op)
{
	if (op->size > RCACHE_MAX_SIZE || op->size == 1)
		return true;
	return is_power_of_2(op->size) && op->flags & REPLAY_SIZE_ALIGNED;
}

/* A range that went past the rcache goes back past it. */
static inline void rcache_step_free_past(struct rcache *rcache, u64 pfn,
					 const u32 *past_size)
{
	if (!past_size)
		rcache_free_past(rcache, pfn, 0);
	else if (*past_size)
		rcache_free_past(rcache, pfn, *past_size);
}

static __always_inline u64 rcache_step(const struct iova_variant_ops *variant,
				       struct rcache *rcaches,
				       const struct replay_hot hot, u64 *slot,
				       u32 *size, u32 *past_size,
				       const struct replay_op *op)
{
	if (likely(op->op == REPLAY_ALLOC)) {
		*size = op->size;
		*slot = rcache_alloc(&rcaches[op->dom], op->cpu, op->size,
				     op->limit_pfn);
		return *slot;
	}
	if (likely(op->op == REPLAY_FREE)) {
		if (likely(*slot != IOVA_REFUSED && *size))
			rcache_free(&rcaches[op->dom], op->cpu, *slot, *size);
		else if (*slot != IOVA_REFUSED)
			rcache_step_free_past(&rcaches[op->dom], *slot,
					      past_size);
		return *slot;
	}
	if (op->op == REPLAY_RESERVE) {
		*size = 0;
		if (past_size)
			*past_size = 0;
	}
	return replay_step(variant, hot, op);
}

/* One with REPLAY_PAST_RCACHE.  A failed alloc_iova() does not flush. */
static inline u64
rcache_past_step(const struct iova_variant_ops *variant, struct rcache *rcaches,
		 const struct replay_hot hot, u64 *slot, u32 *size,
		 u32 *past_size, const struct replay_op *op)
{
	struct rcache *rcache = &rcaches[op->dom];

	if (op->op == REPLAY_ALLOC) {
		*size = rcache_takes(op) ? op->size : 0;
		if (past_size)
			*past_size = op->size;
		*slot = rcache_alloc_past(rcache, op->size, op->limit_pfn,
					  op->flags & REPLAY_SIZE_ALIGNED);
		return *slot;
	}
	if (op->op == REPLAY_FREE && *size) {
		if (*slot != IOVA_REFUSED)
			rcache_free_past(rcache, *slot,
					 rcache_tree_size(*size));
		return *slot;
	}
	return rcache_step(variant, rcaches, hot, slot, size, past_size, op);
}

/* As rcache_step(), for a stream in which some ops have REPLAY_PAST_RCACHE. */
static __always_inline u64 rcache_mixed_step(
	const struct iova_variant_ops *variant, struct rcache *rcaches,
	const struct replay_hot hot, u64 *slot, u32 *size, u32 *past_size,
	const struct replay_op *op)
{
	if (unlikely(op->flags & REPLAY_PAST_RCACHE))
		return rcache_past_step(variant, rcaches, hot, slot, size,
					past_size, op);
	return rcache_step(variant, rcaches, hot, slot, size, past_size, op);
}

/*
 * @size of a packed range, which goes past the rcache: one that the fast API
 * could have returned is freed through it, any other is for the tree.
 */
static inline u32 rcache_packed_size(const struct replay_op *op, u64 pfn)
{
	return is_power_of_2(op->size) && !(pfn & (op->size - 1)) ? op->size :
								    0;
}

#endif
