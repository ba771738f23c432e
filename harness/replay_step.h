/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay_step - what one op of a stream does to a variant, in all three worlds.
 *
 * The replay in user space, the threads and the kernel module include this; each
 * keeps its slots in its own way.  All of it is inlined.  In user space @variant
 * is a constant, so the only call left is the variant's own hook.
 *
 * A slot holds the address that ALLOC or RESERVE returned, IOVA_REFUSED if that
 * failed.  FREE reads the slot and leaves it as it is: replay_check() rejects
 * streams that use a slot between its FREE and the op that fills it again, so
 * emptying it would cost every free a store and change nothing.
 */
#ifndef REPLAY_STEP_H
#define REPLAY_STEP_H

#include "iova_variant.h"
#include "op.h"

/* From one slot to the next; more where a world keeps other things beside it. */
#ifndef REPLAY_SLOT_WORDS
#define REPLAY_SLOT_WORDS	1
#endif

/**
 * struct replay_hot - what every op needs
 * @domains: the first domain; the others follow, @domain_stride bytes apart
 * @domain_stride: bytes from one domain to the next
 * @slots: the first slot; the others follow, REPLAY_SLOT_WORDS apart
 *
 * Passed by value: a local copy stays in registers across calls.
 */
struct replay_hot {
	char *domains;
	size_t domain_stride;
	u64 *slots;
};

static __always_inline struct iova_domain *
replay_domain(const struct replay_hot hot, u64 dom)
{
	return (void *)(hot.domains + dom * hot.domain_stride);
}

static __always_inline u64 *replay_slot(const struct replay_hot hot,
					const struct replay_op *op)
{
	return &hot.slots[(u64)op->slot * REPLAY_SLOT_WORDS];
}

/*
 * FIND's answer.  A kernel's compiler guards a function that passes addresses of
 * its stack, and clears what lies there: ALLOC and FREE would pay for it.  So the
 * module calls a function of its own instead, which leaves @lo and @hi alone.
 */
#ifndef replay_is_live
#define replay_is_live(variant, iovad, pfn, lo, hi)			\
	((variant)->find(iovad, pfn, lo, hi))
#endif

/* Returns the op's address, IOVA_REFUSED if there is none. */
static __always_inline u64 replay_step(const struct iova_variant_ops *variant,
				       const struct replay_hot hot,
				       const struct replay_op *op)
{
	u64 *slot = replay_slot(hot, op);
	struct iova_domain *iovad = replay_domain(hot, op->dom);
	unsigned long lo, hi;
	u64 pfn;

	if (likely(op->op == REPLAY_ALLOC)) {
		pfn = variant->alloc(iovad, op->size, op->limit_pfn,
				     op->flags & REPLAY_SIZE_ALIGNED);
		*slot = pfn;
		return pfn;
	}
	pfn = *slot;
	if (likely(op->op == REPLAY_FREE)) {
		if (likely(pfn != IOVA_REFUSED))
			variant->free(iovad, pfn);
		return pfn;
	}
	if (op->op == REPLAY_RESERVE) {
		pfn = op->limit_pfn - op->size + 1;
		if (variant->reserve(iovad, pfn, op->limit_pfn))
			pfn = IOVA_REFUSED;
		*slot = pfn;
		return pfn;
	}
	if (pfn != IOVA_REFUSED &&
	    !replay_is_live(variant, iovad, pfn, &lo, &hi))
		return IOVA_REFUSED;
	return pfn;
}

/*
 * The same for a variant with free_sized().  @size is that of the slot's range, 0
 * for a reserved one, which can't be freed; see IOVA_V_FREE_NEEDS_SIZE.
 */
static __always_inline u64 replay_sized_step(
	const struct iova_variant_ops *variant, const struct replay_hot hot,
	u32 *size, const struct replay_op *op)
{
	u64 pfn = *replay_slot(hot, op);
	struct iova_domain *iovad;

	if (likely(op->op == REPLAY_ALLOC)) {
		*size = op->size;
		return replay_step(variant, hot, op);
	}
	if (likely(op->op == REPLAY_FREE)) {
		iovad = replay_domain(hot, op->dom);
		if (likely(pfn != IOVA_REFUSED && *size))
			variant->free_sized(iovad, pfn, *size);
		return pfn;
	}
	if (op->op == REPLAY_RESERVE)
		*size = 0;
	return replay_step(variant, hot, op);
}

/* Where a packed range goes: right below @low, the domain's lowest; 0 for none. */
static inline u64 replay_packed_pfn(const struct replay_op *op, u64 low)
{
	return (low ? low : op->limit_pfn + 1) - op->size;
}

/*
 * For ageing ops with REPLAY_PACKED.  One that is refused, for lack of memory,
 * leaves its place to the next.  @size: as above, NULL without free_sized().
 */
static inline u64 replay_packed_step(const struct iova_variant_ops *variant,
				     const struct replay_hot hot, u32 *size,
				     const struct replay_op *op, u64 *low)
{
	u64 pfn = replay_packed_pfn(op, *low), *slot = replay_slot(hot, op);

	if (size)
		*size = op->size;
	if (!variant->place)
		replay_step(variant, hot, op);
	else if (variant->place(replay_domain(hot, op->dom), pfn, op->size,
				op->limit_pfn))
		*slot = IOVA_REFUSED;
	else
		*slot = pfn;
	if (*slot != IOVA_REFUSED)
		*low = pfn;
	return *slot;
}

/* Does this op count as a failure? */
static __always_inline bool replay_refused(const struct replay_op *op, u64 pfn)
{
	return pfn == IOVA_REFUSED &&
	       (op->op == REPLAY_ALLOC || op->op == REPLAY_RESERVE);
}

#endif
