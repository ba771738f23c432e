// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay - the loop that runs every variant; see replay.h.
 *
 * Measured ops run in a loop that does nothing else.  What is watched (answers,
 * time or visits per op, the judge, verify) is recorded by a second loop, and
 * its cost is then part of the time.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "judge.h"
#include "replay.h"

#define MAX_ALIGNS	33	/* sizes have 32 bits */
#define SPARE_OBJECTS	256ULL
#define REPLAY_TOO_LONG	"more nodes visited than the budget allows"
/* No op needs as many nodes as this, and so many for each op of the stream. */
#define ENDLESS_VISITS	(10ULL << 20)
#define ENDLESS_PER_OP	1000ULL

/*
 * Where the variant counts its visits, an op that makes too many is left by a
 * long jump: what the variant holds then is in an unknown state, and its lock
 * is held, so its domains are never touched again.
 */
#ifdef IOVA_COUNTED
struct iova_visits iova_visits;
u64 iova_visits_left = ~0ULL;
#define COUNTED	true
static jmp_buf too_many_visits;

void iova_visits_spent(void)
{
	iova_visits_left = ~0ULL;
	longjmp(too_many_visits, 1);
}
#else
static const struct iova_visits iova_visits;
static u64 iova_visits_left;
#define COUNTED	false
#endif

/* What every op needs; a local copy stays in registers across calls. */
struct hot {
	char *domains;
	size_t domain_stride;
	u64 *slots;		/* pfn of the last range, or IOVA_REFUSED */
};

/* The same for a replay with an rcache. */
struct cached {
	struct rcache *rcaches;	/* one per domain */
	u32 *sizes;		/* of each slot's range, as the caller knows it */
	u32 *past_sizes;	/* of those that went past the rcache */
};

struct replay {
	u64 visits_at_start;
	u64 visits_before_op;
	bool abandoned;			/* see iova_visits_spent() */
	const struct replay_stream *stream;
	const struct replay_watch *watch;
	struct replay_result *result;
	struct hot hot;
	u64 nr_domains;		/* initialised */
	struct judge **judges;
	struct replay_rcache *rcache;	/* NULL for none */
	struct rcache_run rcache_run;
	struct cached cached;
	u32 *sizes;	/* per slot, if free() needs them; 0: can't be freed */
	u64 *lows;	/* per domain, while it is packed */
	u64 *first_caches;	/* per domain and one more: shim_nr_caches() */
	u64 next_tick;
	u64 index;			/* op under way */
	u64 nr_refused;			/* memory requests, before it */
	const char *tree_wrong;		/* about what the rcache let through */
	struct replay_op tree_op;
	u64 tree_pfn;
};

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static u64 clock_cost(void)
{
	u64 least = ~0ULL, before;
	int i;

	for (i = 0; i < 64; i++) {
		before = now_ns();
		least = min(least, now_ns() - before);
	}
	return least;
}

/* Whatever was visited since @visits was none of the variant's doing. */
static void restore_visits(struct iova_visits visits)
{
#ifdef IOVA_COUNTED
	iova_visits = visits;
#endif
}

static u64 total_visits(void)
{
	return iova_visits.search + iova_visits.descend + iova_visits.update;
}

static struct iova_domain *domain_of(const struct replay *replay, u64 dom)
{
	return (void *)(replay->hot.domains + dom * replay->hot.domain_stride);
}

#define fail(result, index, ...) ({					\
	snprintf((result)->error, sizeof((result)->error), __VA_ARGS__); \
	(result)->error_op = (index);					\
	-1; })

/* ---- check: is this stream possible at all? ---- */

struct packing {
	u64 low;		/* where the lowest packed range begins */
	u64 limit_pfn;
	bool begun;
	bool over;		/* something else has happened */
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

/* @in: per slot, 0 while it is empty, else the domain that filled it + 1 */
static const char *check_slot(const struct replay_op *op, u32 *in)
{
	u32 *slot = &in[op->slot];

	if (op->op == REPLAY_ALLOC || op->op == REPLAY_RESERVE) {
		if (*slot)
			return "slot is filled already";
		*slot = op->dom + 1;
		return NULL;
	}
	if (!*slot)
		return op->op == REPLAY_FREE ?
		       "slot is freed twice, or was never filled" :
		       "slot is not filled";
	if (*slot != op->dom + 1U)
		return "slot was filled in another domain";
	if (op->op == REPLAY_FREE)
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

/* ---- build and drain ---- */

static struct judge *new_judge(const struct replay_stream *stream,
			       bool all_aligned)
{
	u64 aligns[MAX_ALIGNS], orders = 1;
	unsigned int nr = 0, order;
	u64 i;

	for (i = 0; i < stream->nr_ops; i++)
		if (stream->ops[i].op == REPLAY_ALLOC &&
		    (all_aligned ||
		     stream->ops[i].flags & REPLAY_SIZE_ALIGNED))
			orders |= roundup_pow_of_two(stream->ops[i].size);
	for (order = 0; order < MAX_ALIGNS; order++)
		if (orders >> order & 1)
			aligns[nr++] = 1ULL << order;
	return judge_new(stream->start_pfn,
			 iova_variant.flags & IOVA_V_LOW_RANGE, aligns, nr);
}

static bool new_judges(struct replay *replay)
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

static void told(void *context, struct iova_domain *iovad, unsigned long size,
		 unsigned long limit_pfn, unsigned long pfn);

static int build_rcaches(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	const struct replay_rcache *rcache = replay->rcache;
	struct cached *cached = &replay->cached;
	int err = 0;
	u64 i;

	replay->rcache_run.config = rcache->config;
	if (rcache->tree_ops || replay->judges) {
		replay->rcache_run.told = told;
		replay->rcache_run.context = replay;
	}
	cached->rcaches = calloc(stream->nr_domains + 1,
				 sizeof(*cached->rcaches));
	cached->sizes = calloc(stream->nr_slots + 1, sizeof(*cached->sizes));
	cached->past_sizes = replay->sizes;
	for (i = 0; cached->rcaches && !err && i < stream->nr_domains; i++)
		err = rcache_init(&cached->rcaches[i], domain_of(replay, i),
				  &replay->rcache_run);
	if (err || !cached->rcaches || !cached->sizes)
		return fail(replay->result, 0, "no memory for the rcaches");
	return 0;
}

static int build(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	struct hot *hot = &replay->hot;
	u64 i;

	/* Domains do not share cache lines. */
	hot->domain_stride = (iova_variant.domain_size + 63UL) & ~63UL;
	hot->domains = aligned_alloc(64, max(64UL, stream->nr_domains *
						   hot->domain_stride));
	hot->slots = malloc((stream->nr_slots + 1) * sizeof(u64));
	if (!hot->domains || !hot->slots)
		return fail(replay->result, 0, "no memory for %llu slots",
			    (unsigned long long)stream->nr_slots);
	memset(hot->domains, 0, stream->nr_domains * hot->domain_stride);
	/* All ones is IOVA_REFUSED; the pages are touched here, not later. */
	memset(hot->slots, 0xff, stream->nr_slots * sizeof(u64));
	if (iova_variant.free_sized) {
		replay->sizes = malloc((stream->nr_slots + 1) * sizeof(u32));
		if (!replay->sizes)
			return fail(replay->result, 0, "no memory for sizes");
		memset(replay->sizes, 0, stream->nr_slots * sizeof(u32));
	}
	if (replay->watch->flags & REPLAY_JUDGE && !new_judges(replay))
		return fail(replay->result, 0, "no memory for the judge");
	replay->lows = calloc(stream->nr_domains + 1, sizeof(u64));
	replay->first_caches = calloc(stream->nr_domains + 1, sizeof(u64));
	if (!replay->lows || !replay->first_caches)
		return fail(replay->result, 0, "no memory for the domains");

	for (i = 0; i < stream->nr_domains; i++) {
		replay->first_caches[i] = shim_nr_caches();
		int err = iova_variant.init_domain(domain_of(replay, i),
						   stream->granule,
						   stream->start_pfn);
		if (err)
			return fail(replay->result, 0,
				    "init_domain() failed: %s", strerror(-err));
		replay->nr_domains++;
	}
	replay->first_caches[i] = shim_nr_caches();
	return replay->rcache ? build_rcaches(replay) : 0;
}

static void drain(struct replay *replay)
{
	u64 i;

	for (i = 0; replay->cached.rcaches && i < replay->nr_domains; i++)
		rcache_exit(&replay->cached.rcaches[i]);
	if (replay->abandoned)
		shim_abandon(replay->first_caches[0]);
	for (i = 0; !replay->abandoned && i < replay->nr_domains; i++)
		iova_variant.put_domain(domain_of(replay, i));
	free(replay->cached.rcaches);
	free(replay->cached.sizes);
	free(replay->sizes);
	free(replay->first_caches);
	free(replay->lows);
	for (i = 0; replay->judges && i < replay->stream->nr_domains; i++)
		judge_put(replay->judges[i]);
	free(replay->judges);
	free(replay->hot.domains);
	free(replay->hot.slots);
}

/* ---- one op ---- */

/* Returns the op's address, IOVA_REFUSED if there is none. */
static __always_inline u64 step(const struct hot hot,
				const struct replay_op *op)
{
	struct iova_domain *iovad;
	u64 *slot = &hot.slots[op->slot];
	unsigned long lo, hi;
	u64 pfn;

	iovad = (void *)(hot.domains + op->dom * hot.domain_stride);
	if (likely(op->op == REPLAY_ALLOC))
		return *slot = iova_variant.alloc(iovad, op->size,
						  op->limit_pfn, op->flags &
						  REPLAY_SIZE_ALIGNED);
	pfn = *slot;
	if (likely(op->op == REPLAY_FREE)) {
		if (likely(pfn != IOVA_REFUSED))
			iova_variant.free(iovad, pfn);
		return pfn;
	}
	if (op->op == REPLAY_RESERVE) {
		pfn = op->limit_pfn - op->size + 1;
		if (iova_variant.reserve(iovad, pfn, op->limit_pfn))
			pfn = IOVA_REFUSED;
		return *slot = pfn;
	}
	if (pfn != IOVA_REFUSED && !iova_variant.find(iovad, pfn, &lo, &hi))
		return IOVA_REFUSED;
	return pfn;
}

/* As step(), for a variant that is told the size of what is freed. */
static __always_inline u64 sized_step(const struct hot hot, u32 *sizes,
				      const struct replay_op *op)
{
	u64 pfn = hot.slots[op->slot];
	u32 *size = &sizes[op->slot];
	struct iova_domain *iovad;

	if (likely(op->op == REPLAY_ALLOC)) {
		*size = op->size;
		return step(hot, op);
	}
	if (likely(op->op == REPLAY_FREE)) {
		iovad = (void *)(hot.domains + op->dom * hot.domain_stride);
		if (likely(pfn != IOVA_REFUSED && *size))
			iova_variant.free_sized(iovad, pfn, *size);
		return pfn;
	}
	if (op->op == REPLAY_RESERVE)
		*size = 0;
	return step(hot, op);
}

/* What went past the rcache goes back past it; see IOVA_V_FREE_NEEDS_SIZE. */
static void free_past(struct rcache *rcache, u64 pfn, const u32 *past_size)
{
	if (!past_size)
		rcache_free_past(rcache, pfn, 0);
	else if (*past_size)
		rcache_free_past(rcache, pfn, *past_size);
}

/* As step(), with the fast API in place of the variant's alloc and free. */
static __always_inline u64 cached_step(const struct hot hot,
				       const struct cached cached,
				       const struct replay_op *op)
{
	u64 *slot = &hot.slots[op->slot];
	u32 *size = &cached.sizes[op->slot];
	u32 *past_size = cached.past_sizes ? &cached.past_sizes[op->slot] :
					     NULL;

	if (likely(op->op == REPLAY_ALLOC)) {
		*size = op->size;
		return *slot = rcache_alloc(&cached.rcaches[op->dom], op->cpu,
					    op->size, op->limit_pfn);
	}
	if (likely(op->op == REPLAY_FREE)) {
		if (likely(*slot != IOVA_REFUSED && *size))
			rcache_free(&cached.rcaches[op->dom], op->cpu, *slot,
				    *size);
		else if (*slot != IOVA_REFUSED)
			free_past(&cached.rcaches[op->dom], *slot,
				  past_size);
		return *slot;
	}
	if (op->op == REPLAY_RESERVE) {
		*size = 0;
		if (past_size)
			*past_size = 0;
	}
	return step(hot, op);
}

static __always_inline bool refused(const struct replay_op *op, u64 pfn)
{
	return pfn == IOVA_REFUSED &&
	       (op->op == REPLAY_ALLOC || op->op == REPLAY_RESERVE);
}

/*
 * Packed ranges went past the rcache.  One that the fast API could have handed
 * out is freed through it; any other is for the tree.
 */
static void own_packed(struct replay *replay, const struct replay_op *op,
		       u64 pfn)
{
	bool fast = is_power_of_2(op->size) && !(pfn & (op->size - 1));

	if (replay->rcache)
		replay->cached.sizes[op->slot] = fast ? op->size : 0;
	if (replay->sizes)
		replay->sizes[op->slot] = op->size;
}

static u64 step_packed(struct replay *replay, const struct replay_op *op,
		       u64 pfn)
{
	own_packed(replay, op, pfn);
	if (!iova_variant.place)
		return step(replay->hot, op);
	if (iova_variant.place(domain_of(replay, op->dom), pfn, op->size,
			       op->limit_pfn))
		pfn = IOVA_REFUSED;
	return replay->hot.slots[op->slot] = pfn;
}

/* ---- the judge: what should the answer have been? ---- */

static bool judged(const struct replay *replay)
{
	return replay->judges && !(iova_variant.flags & IOVA_V_FAKE);
}

struct verdict {
	bool fits;
	u64 highest;
};

static struct verdict judge_before(struct replay *replay,
				   const struct replay_op *op)
{
	struct verdict verdict = { 0 };
	u64 align = op->flags & REPLAY_SIZE_ALIGNED ?
		    roundup_pow_of_two(op->size) : 1;

	if (op->op == REPLAY_ALLOC)
		verdict.fits = judge_highest_fit(replay->judges[op->dom],
						 op->size, align,
						 op->limit_pfn,
						 &verdict.highest);
	return verdict;
}

/* Was the op under way refused memory?  Then it may do less than it was asked. */
static bool starved(const struct replay *replay)
{
	return shim_memory.nr_refused != replay->nr_refused;
}

/* Whoever needs memory to free, and has none, may leave the range live. */
static void judge_freed(struct replay *replay, u64 dom, u64 pfn)
{
	struct iova_visits visits = iova_visits;
	unsigned long lo, hi;
	bool leaked;

	leaked = starved(replay) &&
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
		if (starved(replay))
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

static const char *judge_after(struct replay *replay,
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
	if (op->op == REPLAY_FREE && !(replay->sizes && !replay->rcache &&
				       !replay->sizes[op->slot]))
		judge_freed(replay, op->dom, pfn);
	if (op->op != REPLAY_RESERVE)
		return NULL;
	if (replay->sizes)
		return judge_reserve_free(judge, pfn, op->limit_pfn);
	if (iova_variant.flags & IOVA_V_MERGES)
		return judge_reserve_merged(judge, pfn, op->limit_pfn);
	return judge_reserve(judge, pfn, op->limit_pfn);
}

/* The rcache has let an op through to the variant. */
static void told(void *context, struct iova_domain *iovad, unsigned long size,
		 unsigned long limit_pfn, unsigned long pfn)
{
	struct replay *replay = context;
	struct replay_rcache *rcache = replay->rcache;
	u64 dom = ((char *)iovad - replay->hot.domains) /
		  replay->hot.domain_stride;
	struct replay_op op = {
		.limit_pfn = limit_pfn, .size = size, .dom = dom,
		.op = size ? REPLAY_ALLOC : REPLAY_FREE,
		.flags = size ? REPLAY_SIZE_ALIGNED : 0,
	};
	struct verdict verdict;

	if (rcache->tree_ops)
		rcache->tree_ops[rcache->nr_tree_ops] = (struct replay_tree_op){
			replay->index, limit_pfn, pfn, size, dom, op.op,
		};
	rcache->nr_tree_ops++;
	if (!judged(replay) || replay->tree_wrong)
		return;
	/* The books still are as they were before the variant answered. */
	verdict = judge_before(replay, &op);
	replay->tree_wrong = judge_after(replay, &op, pfn, &verdict);
	replay->tree_op = op;
	replay->tree_pfn = pfn;
}

/* ---- run ---- */

static const char *verify(struct replay *replay, const struct replay_op *op)
{
	return iova_variant.verify(domain_of(replay, op->dom));
}

static int complain(struct replay *replay, const struct replay_op *op, u64 pfn,
		    const char *wrong)
{
	return fail(replay->result, replay->index,
		    "%s, pfn 0x%llx for size %u below 0x%llx%s: %s",
		    iova_variant.name, (unsigned long long)pfn, op->size,
		    (unsigned long long)op->limit_pfn,
		    op->flags & REPLAY_SIZE_ALIGNED ? " aligned" : "", wrong);
}

static bool goes_through_rcache(const struct replay *replay,
				const struct replay_op *op)
{
	return replay->rcache && !(op->flags & REPLAY_PACKED) &&
	       (op->op == REPLAY_ALLOC || op->op == REPLAY_FREE);
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

static u64 visits_left(const struct replay *replay)
{
	u64 most = ENDLESS_VISITS + ENDLESS_PER_OP * replay->stream->nr_ops;
	u64 budget = replay->watch->max_visits;
	u64 spent = total_visits() - replay->visits_at_start;

	if (budget == REPLAY_UNBOUNDED)
		return budget;
	return budget ? min(most, budget - min(budget, spent)) : most;
}

/* One op with everything that is watched around it. */
static int watched_step(struct replay *replay, u64 index, u64 packed_pfn)
{
	const struct replay_op *op = &replay->stream->ops[index];
	const struct replay_watch *watch = replay->watch;
	u64 nr_ageing = replay->stream->nr_ageing;
	bool judge = judged(replay) && !goes_through_rcache(replay, op);
	struct verdict verdict = { 0 };
	const char *wrong = NULL;
	u64 before, visits, pfn;

	if (watch->progress)
		*watch->progress = index;
	replay->index = index;
	replay->nr_refused = shim_memory.nr_refused;
	tick(replay, index);
	if (judge)
		verdict = judge_before(replay, op);

	visits = total_visits();
	replay->visits_before_op = visits;
	iova_visits_left = visits_left(replay);
	before = watch->op_ns ? now_ns() : 0;
	if (op->flags & REPLAY_PACKED)
		pfn = step_packed(replay, op, packed_pfn);
	else if (replay->rcache)
		pfn = cached_step(replay->hot, replay->cached, op);
	else if (replay->sizes)
		pfn = sized_step(replay->hot, replay->sizes, op);
	else
		pfn = step(replay->hot, op);
	if (watch->op_ns && index >= nr_ageing)
		watch->op_ns[index - nr_ageing] =
			min(now_ns() - before, (u64)~0U);
	iova_visits_left = ~0ULL;
	visits = total_visits() - visits;
	if (watch->op_visits && index >= nr_ageing) {
		watch->op_visits[index - nr_ageing] = visits;
		replay->result->worst_visits =
			max(replay->result->worst_visits, visits);
	}
	if (watch->pfns)
		watch->pfns[index] = pfn;
	if (index >= nr_ageing)
		replay->result->nr_failures += refused(op, pfn);

	if (replay->tree_wrong)
		return complain(replay, &replay->tree_op, replay->tree_pfn,
				replay->tree_wrong);
	if (judge)
		wrong = judge_after(replay, op, pfn, &verdict);
	if (!wrong && watch->flags & REPLAY_VERIFY)
		wrong = verify(replay, op);
	if (!wrong && op->flags & REPLAY_PACKED && pfn != packed_pfn &&
	    !(iova_variant.flags & IOVA_V_FAKE) &&
	    !(pfn == IOVA_REFUSED && starved(replay)))
		wrong = "is not at the top of the only gap";
	return wrong ? complain(replay, op, pfn, wrong) : 0;
}

static int age(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	int err = 0;
	u64 i;

	for (i = 0; !err && i < stream->nr_ageing; i++) {
		const struct replay_op *op = &stream->ops[i];
		u64 *low = &replay->lows[op->dom];

		if (op->flags & REPLAY_PACKED)
			*low = (*low ? *low : op->limit_pfn + 1) - op->size;
		err = watched_step(replay, i, *low);
		/* Refused for want of memory: its place is the next one's. */
		if (op->flags & REPLAY_PACKED &&
		    replay->hot.slots[op->slot] == IOVA_REFUSED)
			*low += op->size;
	}
	return err;
}

/* Alone in a function, so that nothing else claims registers in it. */
static noinline u64 measured_loop(const struct hot hot,
				  const struct replay_op *op,
				  const struct replay_op *end)
{
	u64 nr_failures = 0;

	for (; op < end; op++)
		nr_failures += refused(op, step(hot, op));
	return nr_failures;
}

static noinline u64 sized_loop(const struct hot hot, u32 *sizes,
			       const struct replay_op *op,
			       const struct replay_op *end)
{
	u64 nr_failures = 0;

	for (; op < end; op++)
		nr_failures += refused(op, sized_step(hot, sizes, op));
	return nr_failures;
}

/* The measured loop with an rcache; between two ticks of the timer it does no more. */
static noinline u64 cached_loop(const struct hot hot,
				const struct cached cached,
				const struct replay_op *op,
				const struct replay_op *end)
{
	u64 nr_failures = 0;

	for (; op < end; op++)
		nr_failures += refused(op, cached_step(hot, cached, op));
	return nr_failures;
}

static u64 measure_rcached(struct replay *replay)
{
	const struct replay_rcache *rcache = replay->rcache;
	const struct replay_op *ops = replay->stream->ops;
	u64 i = replay->stream->nr_ageing, nr_failures = 0, next;

	for (; i < replay->stream->nr_ops; i = next) {
		tick(replay, i);
		next = replay->stream->nr_ops;
		if (replay->next_tick < rcache->nr_ticks)
			next = min(next, rcache->ticks[replay->next_tick]);
		nr_failures += cached_loop(replay->hot, replay->cached, ops + i,
					   ops + next);
	}
	return nr_failures;
}

/* What was done so far was ageing; what is held stays held. */
static void begin_stats(struct rcache_stats *stats)
{
	u64 held_pfns = stats->held_pfns;

	memset(stats, 0, sizeof(*stats));
	stats->held_pfns = held_pfns;
	stats->peak_held_pfns = held_pfns;
}

/* How many ranges of a domain are live, and how many more than at first. */
struct demand {
	u64 nr_live;
	u64 nr_live_at_start;
	u64 peak;
	u64 nr_allocs;
	u64 nr_frees;
};

static void count_demand(struct demand *demand, const struct replay_op *op)
{
	if (op->op == REPLAY_ALLOC || op->op == REPLAY_RESERVE) {
		demand->nr_allocs++;
		demand->nr_live++;
		demand->peak = max(demand->peak, demand->nr_live);
	} else if (op->op == REPLAY_FREE) {
		demand->nr_frees++;
		demand->nr_live--;
	}
}

/*
 * Objects that a variant may need on top of those it has: one for each range
 * that comes to be, and one for each hole.  An rcache keeps ranges in the tree,
 * and gives back many at once.  Some more are held for a moment only.
 */
static u64 most_objects(const struct demand *demand, bool rcache)
{
	u64 nr_ranges = demand->peak - demand->nr_live_at_start;
	u64 nr_holes = min(demand->nr_frees, demand->peak);

	if (rcache) {
		nr_ranges = demand->nr_allocs;
		nr_holes = demand->peak;
	}
	return nr_ranges + nr_holes + SPARE_OBJECTS;
}

/* No page is to be taken from the system within the window. */
static bool prepare_memory(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	struct demand *demands = calloc(stream->nr_domains + 1,
					sizeof(*demands));
	bool prepared = demands;
	u64 i;

	for (i = 0; prepared && i < stream->nr_ops; i++) {
		const struct replay_op *op = &stream->ops[i];
		struct demand *demand = &demands[op->dom];

		count_demand(demand, op);
		if (i >= stream->nr_ageing)
			continue;
		*demand = (struct demand){
			.nr_live = demand->nr_live,
			.nr_live_at_start = demand->nr_live,
			.peak = demand->nr_live,
		};
	}
	for (i = 0; prepared && i < stream->nr_domains; i++)
		prepared = shim_prepare(replay->first_caches[i],
					replay->first_caches[i + 1],
					most_objects(&demands[i],
						     replay->rcache));
	free(demands);
	return prepared;
}

static int measure(struct replay *replay)
{
	const struct replay_stream *stream = replay->stream;
	const struct replay_watch *watch = replay->watch;
	const struct replay_op *op = stream->ops + stream->nr_ageing;
	const struct replay_op *end = stream->ops + stream->nr_ops;
	bool watched = COUNTED || watch->flags || watch->pfns || watch->op_ns ||
		       watch->progress || replay->rcache_run.told;
	u64 before, i, nr_arenas, nr_failures = 0;
	struct iova_visits visits;
	int err = 0;

	replay->result->nr_spurious = 0;
	replay->result->nr_not_highest = 0;
	replay->result->nr_above_limit = 0;
	replay->result->nr_leaked = 0;
	begin_stats(&replay->rcache_run.stats);
	if (!prepare_memory(replay))
		return fail(replay->result, stream->nr_ageing,
			    "no memory for what the window may allocate");
	nr_arenas = shim_memory.nr_arenas;
	visits = iova_visits;

	before = now_ns();
	if (watched)
		for (i = stream->nr_ageing; !err && i < stream->nr_ops; i++)
			err = watched_step(replay, i, 0);
	else if (replay->rcache)
		nr_failures = measure_rcached(replay);
	else if (replay->sizes)
		nr_failures = sized_loop(replay->hot, replay->sizes, op, end);
	else
		nr_failures = measured_loop(replay->hot, op, end);
	replay->result->ns = now_ns() - before;

	replay->result->nr_arenas = shim_memory.nr_arenas - nr_arenas;
	replay->result->nr_failures += nr_failures;
	replay->result->visits.search = iova_visits.search - visits.search;
	replay->result->visits.descend = iova_visits.descend - visits.descend;
	replay->result->visits.update = iova_visits.update - visits.update;
	return err;
}

struct extent {
	u64 lo, hi;
};

/* Which ranges are live, and over how much address space do they lie? */
static void survey_ranges(struct replay *replay, struct extent *extents)
{
	const struct replay_stream *stream = replay->stream;
	struct replay_result *result = replay->result;
	u64 i;

	/* The last op that filled or freed a slot decides; it is marked seen. */
	for (i = stream->nr_ops; i-- > 0;) {
		const struct replay_op *op = &stream->ops[i];
		struct extent *extent = &extents[op->dom];
		u64 pfn = replay->hot.slots[op->slot];

		if (pfn == IOVA_REFUSED || op->op == REPLAY_FIND)
			continue;
		replay->hot.slots[op->slot] = IOVA_REFUSED;
		if (op->op == REPLAY_FREE)
			continue;
		result->nr_live++;
		result->nr_live_pfns += op->size;
		extent->lo = extent->hi ? min(extent->lo, pfn) : pfn;
		extent->hi = max(extent->hi, pfn + op->size);
	}
	for (i = 0; i < stream->nr_domains; i++)
		result->span += extents[i].hi - extents[i].lo;
}

static int survey(struct replay *replay, u64 bytes_before)
{
	struct extent *extents = calloc(replay->stream->nr_domains + 1,
					sizeof(*extents));
	struct replay_result *result = replay->result;
	u64 domains = replay->nr_domains * iova_variant.domain_size;

	if (!extents)
		return fail(result, 0, "no memory to survey the domains");
	result->bytes = shim_memory.bytes - bytes_before + domains;
	result->peak_bytes = shim_memory.peak_bytes - bytes_before + domains;
	result->clock_ns = clock_cost();
	survey_ranges(replay, extents);
	free(extents);
	return 0;
}

/* Report what is held, and give it back: then the tree holds the callers' only. */
static int empty_rcaches(struct replay *replay)
{
	struct rcache_stats *stats = &replay->rcache_run.stats;
	const char *wrong;
	u64 i;

	for (i = 0; i < replay->nr_domains; i++)
		rcache_count(&replay->cached.rcaches[i], stats->nr_held);
	replay->rcache->stats = *stats;
	replay->index = replay->stream->nr_ops;
	for (i = 0; i < replay->nr_domains; i++) {
		rcache_flush(&replay->cached.rcaches[i]);
		if (!(replay->watch->flags & REPLAY_VERIFY))
			continue;
		wrong = iova_variant.verify(domain_of(replay, i));
		if (wrong)
			return fail(replay->result, replay->index,
				    "%s, after the last flush: %s",
				    iova_variant.name, wrong);
	}
	return 0;
}

#ifdef IOVA_COUNTED
/* The op under way has made too many visits; it never came back. */
static int stopped(struct replay *replay)
{
	const struct replay_op *op = &replay->stream->ops[replay->index];
	u64 budget = replay->watch->max_visits;
	u64 visits = total_visits();

	replay->abandoned = true;
	if (budget && visits - replay->visits_at_start > budget)
		return fail(replay->result, replay->index, REPLAY_TOO_LONG);
	replay->result->endless = true;
	return fail(replay->result, replay->index,
		    "%s, for size %u below 0x%llx: has visited %llu nodes and does not return",
		    iova_variant.name, op->size,
		    (unsigned long long)op->limit_pfn,
		    (unsigned long long)(visits - replay->visits_before_op));
}
#endif

static int age_and_measure(struct replay *replay)
{
	int err;

#ifdef IOVA_COUNTED
	if (setjmp(too_many_visits))
		return stopped(replay);
#endif
	err = age(replay);
	return err ? err : measure(replay);
}

static int run(const struct replay_stream *stream,
	       const struct replay_watch *watch, struct replay_rcache *rcache,
	       struct replay_result *result)
{
	struct replay replay = {
		.stream = stream, .watch = watch, .result = result,
		.rcache = rcache,
		.visits_at_start = total_visits(),
	};
	u64 bytes = shim_memory.bytes, objects = shim_memory.nr_objects;
	u64 caches = shim_memory.nr_caches;
	int err = replay_check(stream, result);

	if (err)
		return err;
	shim_memory.peak_bytes = bytes;
	err = build(&replay);
	shim_memory.nr_requests = 0;
	shim_memory.fail_at = watch->fail_alloc_at;
	if (!err)
		err = age_and_measure(&replay);
	result->node_bytes = shim_memory.object_size;
	result->nr_requests = shim_memory.nr_requests;
	shim_memory.fail_at = 0;
	if (!err)
		err = survey(&replay, bytes);
	if (!err && rcache)
		err = empty_rcaches(&replay);
	drain(&replay);
	if (replay.abandoned) {
		shim_memory.nr_objects = objects;
		shim_memory.bytes = bytes;
	}
	if (!err && shim_memory.nr_objects != objects)
		err = fail(result, stream->nr_ops,
			   "%s: put_domain() leaked %llu objects",
			   iova_variant.name, (unsigned long long)
			   (shim_memory.nr_objects - objects));
	if (!err && shim_memory.nr_caches != caches)
		err = fail(result, stream->nr_ops,
			   "%s: put_domain() leaked %llu slab caches",
			   iova_variant.name, (unsigned long long)
			   (shim_memory.nr_caches - caches));
	return err;
}

int replay_run(const struct replay_stream *stream,
	       const struct replay_watch *watch, struct replay_result *result)
{
	return run(stream, watch, NULL, result);
}

int replay_run_rcached(const struct replay_stream *stream,
		       const struct replay_watch *watch,
		       struct replay_rcache *rcache,
		       struct replay_result *result)
{
	rcache->nr_tree_ops = 0;
	return run(stream, watch, rcache, result);
}

/* ---- one call at a time ---- */

struct iova_domain *replay_domain_new(unsigned long granule,
				      unsigned long start_pfn)
{
	struct iova_domain *iovad = calloc(1, max(iova_variant.domain_size, 1U));

	if (iovad && iova_variant.init_domain(iovad, granule, start_pfn)) {
		free(iovad);
		return NULL;
	}
	return iovad;
}

void replay_domain_put(struct iova_domain *iovad)
{
	iova_variant.put_domain(iovad);
	free(iovad);
}

int replay_domain_alloc(struct iova_domain *iovad, unsigned long size,
			unsigned long limit_pfn, bool size_aligned,
			unsigned long *pfn)
{
#ifdef IOVA_COUNTED
	if (setjmp(too_many_visits))
		return -1;
#endif
	iova_visits_left = ENDLESS_VISITS;
	*pfn = iova_variant.alloc(iovad, size, limit_pfn, size_aligned);
	iova_visits_left = ~0ULL;
	return 0;
}

const struct iova_variant_ops *replay_variant(void)
{
	return &iova_variant;
}
