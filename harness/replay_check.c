// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay_check - is this stream possible at all?
 *
 * One pass over the ops before anything runs: what an op refers to exists, a slot
 * is filled before it is freed and freed before it is filled again, and packed
 * ops are packed.  Linear, and no variant is called.
 */
#include <stdlib.h>
#include <string.h>

#include "replay_state.h"

struct packing {
	u64 low; /* where the lowest packed range begins */
	u64 limit_pfn;
	bool begun;
	bool over; /* something else has happened */
};

static const char *check_packed(const struct replay_stream *stream,
				const struct replay_op *op, u64 index,
				struct packing *packing)
{
	if (!(op->flags & REPLAY_PACKED)) {
		packing->over = true;
		return NULL;
	}
	if (op->op != REPLAY_ALLOC || op->flags & REPLAY_SIZE_ALIGNED)
		return "packed, but not an unaligned alloc";
	if (index >= stream->nr_ageing)
		return "packed, but measured";
	if (packing->over)
		return "packed after something else has happened in its domain";
	if (!packing->begun) {
		packing->begun = true;
		packing->low = op->limit_pfn + 1;
		packing->limit_pfn = op->limit_pfn;
	}
	if (packing->limit_pfn != op->limit_pfn)
		return "packed below another limit than the op before it";
	if (packing->low - stream->start_pfn < op->size)
		return "packed, but there is no room left";
	packing->low -= op->size;
	return NULL;
}

static const char *check_bounds(const struct replay_stream *stream,
				const struct replay_op *op)
{
	u64 highest = ~0ULL >> ilog2(stream->granule);

	if (op->op != REPLAY_ALLOC && op->op != REPLAY_RESERVE)
		return NULL;
	if (!op->size)
		return "size is 0";
	if (op->limit_pfn < stream->start_pfn && op->op == REPLAY_ALLOC)
		return "limit_pfn lies below start_pfn";
	if (op->limit_pfn > highest)
		return "limit_pfn does not fit in 64 bits of address";
	if (op->op == REPLAY_RESERVE && op->size > op->limit_pfn + 1)
		return "reserved range begins below 0";
	return NULL;
}

/* Beside the domain: this range must never get into an rcache. */
#define PAST_ONLY	(1U << 31)

/* A packed range is looked at when its address is known: rcache_packed_size() */
static u32 filled_by(const struct replay_op *op)
{
	bool past = op->op == REPLAY_ALLOC && op->flags & REPLAY_PAST_RCACHE &&
		    !(op->flags & REPLAY_PACKED);

	return (op->dom + 1U) | (past && !rcache_takes(op) ? PAST_ONLY : 0);
}

/* @in: per slot, 0 while it is empty, else the domain that filled it + 1 */
static const char *check_slot(const struct replay_op *op, u32 *in)
{
	u32 *slot = &in[op->slot];

	if (op->op == REPLAY_ALLOC || op->op == REPLAY_RESERVE) {
		if (*slot)
			return "slot is filled already";
		*slot = filled_by(op);
		return NULL;
	}
	if (!*slot)
		return op->op == REPLAY_FREE ?
			       "slot is freed twice, or was never filled" :
			       "slot is not filled";
	if ((*slot & ~PAST_ONLY) != op->dom + 1U)
		return "slot was filled in another domain";
	if (op->op != REPLAY_FREE)
		return NULL;
	if (*slot & PAST_ONLY && !(op->flags & REPLAY_PAST_RCACHE))
		return "freed through the rcache, but allocated past it, and no aligned power of two";
	*slot = 0;
	return NULL;
}

static const char *check_op(const struct replay_stream *stream, u64 index,
			    u32 *in, struct packing *packings)
{
	const struct replay_op *op = &stream->ops[index];
	const char *wrong;

	if (op->op >= NR_REPLAY_OPS)
		return "unknown op code";
	if (op->flags & ~REPLAY_OP_FLAGS || op->zero)
		return "unknown flags";
	if (op->slot >= stream->nr_slots)
		return "slot is not below nr_slots";
	if (op->dom >= stream->nr_domains)
		return "dom is not below nr_domains";
	wrong = check_bounds(stream, op);
	if (!wrong)
		wrong = check_slot(op, in);
	if (!wrong)
		wrong = check_packed(stream, op, index, &packings[op->dom]);
	return wrong;
}

static const char *check_header(const struct replay_stream *stream)
{
	/* One byte would leave limit_pfn + 1 no room in 64 bits. */
	if (!is_power_of_2(stream->granule) || stream->granule == 1 ||
	    ilog2(stream->granule) >= 32)
		return "granule is not a power of two from 2 to 2 GiB";
	if (stream->start_pfn > ~0ULL >> ilog2(stream->granule))
		return "start_pfn does not fit in 64 bits of address";
	if (stream->nr_ageing > stream->nr_ops)
		return "more ageing ops than ops";
	if (stream->nr_slots > 1ULL << 32 || stream->nr_domains > 1U << 16)
		return "more slots or domains than an op can name";
	return NULL;
}

int replay_check(const struct replay_stream *stream,
		 struct replay_result *result)
{
	const char *wrong = check_header(stream);
	struct packing *packings;
	u32 *in;
	u64 i;

	memset(result, 0, sizeof(*result));
	if (wrong)
		return fail(result, ~0ULL, "%s", wrong);

	in = calloc(stream->nr_slots + 1, sizeof(*in));
	packings = calloc(stream->nr_domains + 1, sizeof(*packings));
	if (!in || !packings)
		wrong = "no memory to check the stream";
	for (i = 0; !wrong && i < stream->nr_ops; i++) {
		wrong = check_op(stream, i, in, packings);
		if (wrong)
			break;
	}
	free(in);
	free(packings);
	return wrong ? fail(result, i, "%s", wrong) : 0;
}
