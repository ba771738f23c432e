/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * op - one request of an op stream: the same bytes in a file, in the replay of
 * user space and in the kernel module.  iova_variants/opstream.py has the dtype.
 */
#ifndef OP_H
#define OP_H

#include <linux/types.h>

enum replay_op_code {
	REPLAY_ALLOC,
	REPLAY_FREE,
	REPLAY_RESERVE,
	REPLAY_FIND,
	NR_REPLAY_OPS,
};

#define REPLAY_SIZE_ALIGNED	(1U << 0)
/*
 * Ageing only: until now this domain has only been filled, by requests with
 * this limit, so the range goes right below the lowest one.  A variant with
 * place() is told the address; all others search, and must find it.
 */
#define REPLAY_PACKED		(1U << 1)
/*
 * The caller uses alloc_iova() or free_iova(), not the fast API, so the rcache
 * does not see the op.  Without an rcache, and for RESERVE, FIND and packed ops,
 * which never enter one, this changes nothing.
 */
#define REPLAY_PAST_RCACHE	(1U << 2)
#define REPLAY_OP_FLAGS							\
	(REPLAY_SIZE_ALIGNED | REPLAY_PACKED | REPLAY_PAST_RCACHE)

/**
 * struct replay_op - one request; 24 bytes, little-endian
 * @limit_pfn: inclusive; for REPLAY_RESERVE the highest pfn of the range
 * @size: in pfns, for ALLOC and RESERVE
 * @slot: names the range: ALLOC and RESERVE fill it, after FREE it is empty
 * @dom: index of the domain
 * @cpu: where the request was made
 * @op: enum replay_op_code
 * @flags: REPLAY_SIZE_ALIGNED, REPLAY_PACKED, REPLAY_PAST_RCACHE
 * @zero: padding
 */
struct replay_op {
	u64 limit_pfn;
	u32 size;
	u32 slot;
	u16 dom;
	u16 cpu;
	u8 op;
	u8 flags;
	u16 zero;
};

#endif
