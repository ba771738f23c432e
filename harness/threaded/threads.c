// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads - drive one variant from N threads at once; see threads.h.
 *
 * A slot has a turn: the number of measured ops that it has seen.  Whoever runs
 * the next op on it waits for that number, and passes it on with a release, so
 * what one thread got is there when another one frees it.  Each op waits for
 * earlier ones of the stream only and each thread keeps the stream's order: the
 * earliest op that is not done can always run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "clock.h"
#include "crew.h"
#include "judge.h"
#include "rcache.h"
#include "threads.h"

#define SPARE_OBJECTS	256ULL	/* a thread's, in its magazine or for a moment */

struct slot {
	u64 pfn;		/* IOVA_REFUSED: nobody's */
	u32 size;
	u32 fast_size;		/* for rcache_free(); 0: for the tree */
	u32 turn;
	u16 dom;
	bool reserved;
};

struct own_op {
	struct replay_op op;
	u32 turn;
	u32 index;		/* in the measured window */
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
	char *domains;
	size_t stride;
	u64 nr_domains;			/* initialised */
	struct slot *slots;
	struct rcache *rcaches;
	struct rcache_run rcache_run;
	struct judge **judges;
	pthread_mutex_t judges_mutex;
	struct own_ops *shares;
	u64 *first_caches;	/* per domain and one more: shim_nr_caches() */
	bool merges;			/* see may_merge() */
	bool stop;
	u64 next __attribute__((__aligned__(128)));	/* THREADS_IN_TURN */
};

static struct iova_domain *domain_of(const struct run *run, u64 dom)
{
	return (void *)(run->domains + dom * run->stride);
}

#define fail(run, index, ...) ({					\
	snprintf((run)->result->error, sizeof((run)->result->error),	\
		 __VA_ARGS__);						\
	(run)->result->error_op = (index);				\
	-1; })

/* ---- one op ---- */

static u64 do_alloc(struct run *run, const struct replay_op *op,
		    struct slot *slot)
{
	slot->size = op->size;
	slot->fast_size = run->rcaches ? op->size : 0;
	slot->dom = op->dom;
	slot->reserved = false;
	if (run->rcaches)
		return rcache_alloc(&run->rcaches[op->dom], op->cpu, op->size,
				    op->limit_pfn);
	return iova_variant.alloc(domain_of(run, op->dom), op->size,
				  op->limit_pfn,
				  op->flags & REPLAY_SIZE_ALIGNED);
}

static void do_free(struct run *run, const struct replay_op *op,
		    const struct slot *slot)
{
	struct iova_domain *iovad = domain_of(run, op->dom);

	if (slot->fast_size)
		rcache_free(&run->rcaches[op->dom], op->cpu, slot->pfn,
			    slot->fast_size);
	else if (iova_variant.free_sized && slot->reserved)
		;		/* for good; see IOVA_V_FREE_NEEDS_SIZE */
	else if (run->rcaches)
		rcache_free_past(&run->rcaches[op->dom], slot->pfn, slot->size);
	else if (iova_variant.free_sized)
		iova_variant.free_sized(iovad, slot->pfn, slot->size);
	else
		iova_variant.free(iovad, slot->pfn);
}

static u64 do_reserve(struct run *run, const struct replay_op *op,
		      struct slot *slot)
{
	u64 pfn_lo = op->limit_pfn - op->size + 1;

	slot->size = op->size;
	slot->fast_size = 0;
	slot->dom = op->dom;
	slot->reserved = true;
	return iova_variant.reserve(domain_of(run, op->dom), pfn_lo,
				    op->limit_pfn) ? IOVA_REFUSED : pfn_lo;
}

/* The op's address; the slot's is what its caller owns afterwards. */
static __always_inline u64 step(struct run *run, const struct replay_op *op,
				struct slot *slot)
{
	unsigned long lo, hi;
	u64 pfn = slot->pfn;

	if (op->op == REPLAY_ALLOC)
		return slot->pfn = do_alloc(run, op, slot);
	if (op->op == REPLAY_RESERVE)
		return slot->pfn = do_reserve(run, op, slot);
	if (pfn == IOVA_REFUSED)
		return pfn;
	if (op->op == REPLAY_FREE) {
		do_free(run, op, slot);
		slot->pfn = IOVA_REFUSED;
		return pfn;
	}
	return iova_variant.find(domain_of(run, op->dom), pfn, &lo, &hi) ?
	       pfn : IOVA_REFUSED;
}

/* ---- the judge: does a caller get what another one has? ---- */

static bool fake(void)
{
	return iova_variant.flags & IOVA_V_FAKE;
}

/* What the caller got: the fast API rounds small sizes up, and aligns all. */
static u64 granted_size(const struct run *run, const struct replay_op *op)
{
	if (run->rcaches && op->op == REPLAY_ALLOC &&
	    op->size < RCACHE_MAX_SIZE && !(op->flags & REPLAY_PACKED))
		return roundup_pow_of_two(op->size);
	return op->size;
}

static const char *judge_bounds(const struct run *run,
				const struct replay_op *op, u64 pfn)
{
	bool aligned = op->flags & REPLAY_SIZE_ALIGNED || run->rcaches;
	u64 size = granted_size(run, op), pfn_hi = pfn + size - 1;
	/* The rcache's own check of such a limit wraps; see rcache_alloc(). */
	bool limited = !run->rcaches || size > RCACHE_MAX_SIZE ||
		       op->limit_pfn + 1 >= size;

	if (aligned && !(op->flags & REPLAY_PACKED) &&
	    pfn & (roundup_pow_of_two(op->size) - 1))
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

/*
 * A range is on the books from after its alloc() until before its free(): what
 * overlaps there was in two callers' hands at once.
 */
static const char *judge_after(struct run *run, const struct replay_op *op,
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
			judge_reserve_merged(judge, pfn, op->limit_pfn) :
			judge_reserve(judge, pfn, op->limit_pfn);
	}
	pthread_mutex_unlock(&run->judges_mutex);
	return wrong;
}

static void judge_before(struct run *run, const struct replay_op *op,
			 const struct slot *slot)
{
	if (op->op != REPLAY_FREE || slot->pfn == IOVA_REFUSED)
		return;
	pthread_mutex_lock(&run->judges_mutex);
	judge_free(run->judges[op->dom], slot->pfn);
	pthread_mutex_unlock(&run->judges_mutex);
}

static int complain(struct run *run, const struct replay_op *op, u64 index,
		    u64 pfn, const char *wrong)
{
	pthread_mutex_lock(&run->judges_mutex);
	if (!run->result->error[0])
		fail(run, index, "%s, pfn 0x%llx for size %u below 0x%llx%s: %s",
		     iova_variant.name, (unsigned long long)pfn, op->size,
		     (unsigned long long)op->limit_pfn,
		     op->flags & REPLAY_SIZE_ALIGNED ? " aligned" : "", wrong);
	pthread_mutex_unlock(&run->judges_mutex);
	__atomic_store_n(&run->stop, true, __ATOMIC_RELEASE);
	return -1;
}

/* ---- one thread ---- */

/* One op at a time; false if somebody has stopped the run. */
static bool wait_for_all(struct crew_member *member, const struct own_op *own)
{
	struct run *run = member->crew->context;
	u32 nr_spins = 0;

	if (!(run->plan->flags & THREADS_IN_TURN))
		return true;
	while (__atomic_load_n(&run->next, __ATOMIC_ACQUIRE) != own->index) {
		if (__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE))
			return false;
		crew_relax(member->crew, &nr_spins);
	}
	return true;
}

/* Likewise, for the ops on one slot. */
static bool wait_for_turn(struct crew_member *member, const struct own_op *own,
			  const struct slot *slot)
{
	struct run *run = member->crew->context;
	u32 nr_spins = 0;
	u64 before;

	if (likely(__atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE) == own->turn))
		return true;
	member->share.nr_handoffs++;
	before = clock_ticks();
	while (__atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE) != own->turn) {
		if (__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE))
			return false;
		crew_relax(member->crew, &nr_spins);
	}
	member->share.handoff_ns += ticks_to_ns(clock_ticks() - before);
	return true;
}

static void count_op(struct crew_member *member, const struct own_op *own,
		     u64 ns, u64 pfn)
{
	const struct threads_plan *plan = member->crew->plan;
	struct threads_share *share = &member->share;
	u8 op = own->op.op;

	share->nr_ops++;
	share->nr_failures += pfn == IOVA_REFUSED &&
			      (op == REPLAY_ALLOC || op == REPLAY_RESERVE);
	share->op_ns += ns;
	share->max_op_ns = max(share->max_op_ns, ns);
	share->ops[log2_bin(ns)]++;
	if (plan->op_ns)
		plan->op_ns[own->index] = min(ns, (u64)~0U);
	if (plan->op_wait_ns)
		plan->op_wait_ns[own->index] =
			min(member->cpu.op_wait_ns, (u64)~0U);
	if (plan->op_hold_ns)
		plan->op_hold_ns[own->index] =
			min(member->cpu.op_hold_ns, (u64)~0U);
	if (plan->pfns)
		plan->pfns[own->index] = pfn;
}

static bool run_op(struct crew_member *member, const struct own_op *own)
{
	struct run *run = member->crew->context;
	struct slot *slot = &run->slots[own->op.slot];
	const char *wrong = NULL;
	u64 before, pfn;

	if (!wait_for_all(member, own) || !wait_for_turn(member, own, slot))
		return false;
	if (run->judges)
		judge_before(run, &own->op, slot);
	member->cpu.op_wait_ns = 0;
	member->cpu.op_hold_ns = 0;
	before = clock_ticks();
	pfn = step(run, &own->op, slot);
	before = clock_ticks() - before;
	if (run->judges)
		wrong = judge_after(run, &own->op, pfn);
	__atomic_store_n(&slot->turn, own->turn + 1, __ATOMIC_RELEASE);
	if (run->plan->flags & THREADS_IN_TURN)
		__atomic_store_n(&run->next, own->index + 1, __ATOMIC_RELEASE);
	count_op(member, own, ticks_to_ns(before), pfn);
	if (wrong)
		complain(run, &own->op, own->index, pfn, wrong);
	return !wrong;
}

static void run_share(struct crew_member *member)
{
	struct run *run = member->crew->context;
	const struct own_ops *share = &run->shares[member->index];
	u64 i;

	for (i = 0; i < share->nr && run_op(member, &share->ops[i]); i++)
		;
}

/* ---- build, age, drain: one thread ---- */

static int deal(struct run *run)
{
	const struct replay_stream *stream = run->stream;
	const struct threads_plan *plan = run->plan;
	u64 nr_measured = stream->nr_ops - stream->nr_ageing, i;

	run->shares = calloc(plan->nr_threads, sizeof(*run->shares));
	if (!run->shares)
		return -1;
	for (i = 0; i < nr_measured; i++) {
		if (plan->thread[i] >= plan->nr_threads)
			return fail(run, i, "thread %u of %llu", plan->thread[i],
				    (unsigned long long)plan->nr_threads);
		run->shares[plan->thread[i]].nr++;
	}
	for (i = 0; i < plan->nr_threads; i++) {
		struct own_ops *share = &run->shares[i];

		share->ops = malloc((share->nr + 1) * sizeof(*share->ops));
		if (!share->ops)
			return -1;
		share->nr = 0;
	}
	for (i = 0; i < nr_measured; i++) {
		struct own_ops *share = &run->shares[plan->thread[i]];

		share->ops[share->nr++] = (struct own_op){
			stream->ops[stream->nr_ageing + i], plan->turn[i], i,
		};
	}
	return 0;
}

static int build_judges(struct run *run)
{
	const u64 one = 1;
	u64 i;

	run->judges = calloc(run->stream->nr_domains + 1, sizeof(*run->judges));
	for (i = 0; run->judges && i < run->stream->nr_domains; i++) {
		run->judges[i] = judge_new(run->stream->start_pfn,
					   iova_variant.flags &
					   IOVA_V_LOW_RANGE, &one, 1);
		if (!run->judges[i])
			return -1;
	}
	return run->judges ? 0 : -1;
}

static int build_rcaches(struct run *run)
{
	u64 nr = run->stream->nr_domains, i;
	unsigned int order;
	int err = 0;

	run->rcache_run.config = run->rcache->config;
	run->rcaches = calloc(nr + 1, sizeof(*run->rcaches));
	if (!run->rcaches)
		return -1;
	this_cpu->init_class = LOCK_CPU_CACHE;
	for (i = 0; !err && i < nr; i++) {
		err = rcache_init(&run->rcaches[i], domain_of(run, i),
				  &run->rcache_run);
		for (order = 0; order < RCACHE_NR_ORDERS; order++)
			run->rcaches[i].orders[order].lock.class = LOCK_DEPOT;
	}
	return err;
}

static int build_domains(struct run *run)
{
	const struct replay_stream *stream = run->stream;
	u64 i;

	run->stride = (iova_variant.domain_size + 127UL) & ~127UL;
	run->domains = aligned_alloc(128, (stream->nr_domains + 1) *
					  run->stride);
	run->slots = calloc(stream->nr_slots + 1, sizeof(*run->slots));
	run->first_caches = calloc(stream->nr_domains + 1, sizeof(u64));
	if (!run->domains || !run->slots || !run->first_caches)
		return -1;
	memset(run->domains, 0, stream->nr_domains * run->stride);
	for (i = 0; i < stream->nr_slots; i++)
		run->slots[i].pfn = IOVA_REFUSED;
	this_cpu->init_class = LOCK_VARIANT;
	for (i = 0; i < stream->nr_domains; i++) {
		run->first_caches[i] = shim_nr_caches();
		if (iova_variant.init_domain(domain_of(run, i), stream->granule,
					     stream->start_pfn))
			return -1;
		run->nr_domains++;
	}
	run->first_caches[i] = shim_nr_caches();
	return 0;
}

/*
 * A range that is reserved over an allocated one becomes one with it, and goes
 * when either is freed: then who owns what depends on who was first, and nobody
 * outside the variant can tell.
 */
static bool may_merge(const struct replay_stream *stream)
{
	bool *allocated = calloc(stream->nr_domains + 1, sizeof(*allocated));
	bool found = !allocated;
	u64 i;

	for (i = 0; !found && i < stream->nr_ops; i++) {
		const struct replay_op *op = &stream->ops[i];

		if (op->op == REPLAY_ALLOC)
			allocated[op->dom] = true;
		else if (op->op == REPLAY_RESERVE)
			found = allocated[op->dom] || i >= stream->nr_ageing;
	}
	free(allocated);
	return found;
}

static int build(struct run *run)
{
	int err = build_domains(run);

	run->merges = may_merge(run->stream);
	if (!err && run->rcache)
		err = build_rcaches(run);
	if (!err && run->plan->flags & THREADS_JUDGE && !fake() && !run->merges)
		err = build_judges(run);
	if (!err)
		err = deal(run);
	if (err && !run->result->error[0])
		fail(run, 0, "no memory for the threads' domains and ops");
	return err;
}

static u64 age_packed(struct run *run, const struct replay_op *op, u64 pfn)
{
	bool fast = is_power_of_2(op->size) && !(pfn & (op->size - 1));
	struct slot *slot = &run->slots[op->slot];

	slot->size = op->size;
	slot->fast_size = run->rcaches && fast ? op->size : 0;
	slot->dom = op->dom;
	slot->reserved = false;
	if (!iova_variant.place)
		pfn = iova_variant.alloc(domain_of(run, op->dom), op->size,
					 op->limit_pfn, false);
	else if (iova_variant.place(domain_of(run, op->dom), pfn, op->size,
				    op->limit_pfn))
		pfn = IOVA_REFUSED;
	return slot->pfn = pfn;
}

static int age(struct run *run)
{
	const struct replay_stream *stream = run->stream;
	u64 *lows = calloc(stream->nr_domains + 1, sizeof(*lows));
	const char *wrong = NULL;
	u64 i, pfn;

	if (!lows)
		return fail(run, 0, "no memory to age the domains");
	for (i = 0; !wrong && i < stream->nr_ageing; i++) {
		const struct replay_op *op = &stream->ops[i];
		u64 *low = &lows[op->dom];

		if (run->judges)
			judge_before(run, op, &run->slots[op->slot]);
		if (op->flags & REPLAY_PACKED) {
			*low = (*low ? *low : op->limit_pfn + 1) - op->size;
			pfn = age_packed(run, op, *low);
		} else {
			pfn = step(run, op, &run->slots[op->slot]);
		}
		if (run->judges)
			wrong = judge_after(run, op, pfn);
		if (wrong)
			complain(run, op, i, pfn, wrong);
	}
	free(lows);
	return wrong ? -1 : 0;
}

/*
 * No page is to be taken from the system within the window.  In no order of its
 * ops does one need more than an object, a range or a hole; an rcache can give
 * back what was freed while ageing.  Magazines keep some more.
 */
static bool prepare_memory(struct run *run)
{
	const struct replay_stream *stream = run->stream;
	u64 first = run->rcache ? 0 : stream->nr_ageing, i;
	u64 *nr_ops = calloc(stream->nr_domains + 1, sizeof(*nr_ops));
	bool prepared = nr_ops;

	for (i = first; prepared && i < stream->nr_ops; i++)
		nr_ops[stream->ops[i].dom]++;
	for (i = 0; prepared && i < stream->nr_domains; i++)
		prepared = shim_prepare(run->first_caches[i],
					run->first_caches[i + 1],
					nr_ops[i] + SPARE_OBJECTS *
					(run->plan->nr_threads + 1));
	free(nr_ops);
	return prepared;
}

static void drain(struct run *run)
{
	u64 i;

	for (i = 0; run->rcaches && i < run->nr_domains; i++)
		rcache_exit(&run->rcaches[i]);
	for (i = 0; i < run->nr_domains; i++)
		iova_variant.put_domain(domain_of(run, i));
	for (i = 0; run->judges && i < run->stream->nr_domains; i++)
		judge_put(run->judges[i]);
	for (i = 0; run->shares && i < run->plan->nr_threads; i++)
		free(run->shares[i].ops);
	free(run->shares);
	free(run->judges);
	free(run->rcaches);
	free(run->domains);
	free(run->slots);
	free(run->first_caches);
}

/* ---- afterwards: what must hold whoever was first ---- */

static int verify(struct run *run, const char *when)
{
	const char *wrong;
	u64 i;

	for (i = 0; i < run->nr_domains; i++) {
		wrong = iova_variant.verify(domain_of(run, i));
		if (wrong)
			return fail(run, ~0ULL, "%s, %s: %s", iova_variant.name,
				    when, wrong);
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	if (x->dom != y->dom)
		return x->dom < y->dom ? -1 : 1;
	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

/* Sorted by address: is each there, and does none reach into the next? */
static int check_owned(struct run *run, const struct slot *owned, u64 nr)
{
	unsigned long lo, hi;
	u64 i;

	for (i = 0; i < nr; i++) {
		const struct slot *slot = &owned[i];
		u64 pfn_hi = slot->pfn + slot->size - 1;

		if (!iova_variant.find(domain_of(run, slot->dom), slot->pfn,
				       &lo, &hi) ||
		    lo > slot->pfn || hi < pfn_hi)
			return fail(run, ~0ULL,
				    "%s: a caller owns 0x%llx, and find() does not know it",
				    iova_variant.name,
				    (unsigned long long)slot->pfn);
		if (i + 1 < nr && slot[1].dom == slot->dom &&
		    slot[1].pfn <= pfn_hi)
			return fail(run, ~0ULL, "%s: two callers own 0x%llx",
				    iova_variant.name,
				    (unsigned long long)slot[1].pfn);
	}
	return 0;
}

/* Reserved ranges are no caller's, and may overlap each other. */
static void forget_reserved(struct run *run)
{
	u64 i;

	for (i = 0; i < run->stream->nr_ops; i++)
		if (run->stream->ops[i].op == REPLAY_RESERVE)
			run->slots[run->stream->ops[i].slot].pfn = IOVA_REFUSED;
}

static int check_afterwards(struct run *run)
{
	struct slot *owned = run->slots;
	u64 i, nr = 0;
	int err;

	forget_reserved(run);
	for (i = 0; i < run->stream->nr_slots; i++)
		if (run->slots[i].pfn != IOVA_REFUSED)
			owned[nr++] = run->slots[i];
	run->result->nr_live = nr;
	if (fake())
		return 0;
	qsort(owned, nr, sizeof(*owned), by_address);
	err = verify(run, "after the last op");
	if (!err && !run->merges)
		err = check_owned(run, owned, nr);
	for (i = 0; !err && run->rcaches && i < run->nr_domains; i++)
		rcache_flush(&run->rcaches[i]);
	if (!err && run->rcaches)
		err = verify(run, "after the last flush");
	return err || run->merges ? err : check_owned(run, owned, nr);
}

/* ---- run ---- */

static void report_rcache(struct run *run, const struct rcache_stats *stats)
{
	struct rcache_stats *out = &run->rcache->stats;
	unsigned int order;
	u64 i;

	*out = *stats;
	for (i = 0; i < run->nr_domains; i++)
		rcache_count(&run->rcaches[i], out->nr_held);
	out->held_pfns = 0;
	out->peak_held_pfns = 0;
	for (order = 0; order < RCACHE_NR_ORDERS; order++)
		out->held_pfns += out->nr_held[order] << order;
}

static int measure(struct run *run, struct crew *crew,
		   struct threads_share *shares)
{
	int err;

	if (!prepare_memory(run))
		return fail(run, ~0ULL,
			    "no memory for what the window may allocate");
	err = crew_start(crew, run->plan, run_share, run);
	if (err)
		return fail(run, ~0ULL, "a thread can't be had on its CPU: %s",
			    strerror(err));
	crew_report(crew, shares, run->result);
	shim_memory.bytes += crew->memory.bytes;
	shim_memory.nr_objects += crew->memory.nr_objects;
	shim_memory.nr_caches += crew->memory.nr_caches;
	run->result->nr_arenas = crew->memory.nr_arenas;
	if (run->rcache)
		report_rcache(run, &crew->rcache_stats);
	return run->result->error[0] ? -1 : 0;
}

int threads_run(const struct replay_stream *stream,
		const struct threads_plan *plan, struct replay_rcache *rcache,
		struct threads_share *shares, struct threads_result *result)
{
	struct run run = {
		.stream = stream, .plan = plan, .rcache = rcache,
		.result = result,
	};
	u64 bytes = shim_memory.bytes, objects = shim_memory.nr_objects;
	u64 caches = shim_memory.nr_caches;
	struct replay_result checked;
	struct crew crew;
	int err = replay_check(stream, &checked);

	memset(result, 0, sizeof(*result));
	if (err)
		return fail(&run, checked.error_op, "%s", checked.error);
	if (crew_init(&crew, plan->nr_threads))
		return fail(&run, 0, "no memory for the threads");
	pthread_mutex_init(&run.judges_mutex, NULL);
	crew_calibrate(result);
	err = build(&run);
	if (!err)
		err = age(&run);
	if (!err)
		err = measure(&run, &crew, shares);
	result->bytes = shim_memory.bytes - bytes +
			run.nr_domains * iova_variant.domain_size;
	if (!err)
		err = check_afterwards(&run);
	drain(&run);
	if (!err && shim_memory.nr_objects != objects)
		err = fail(&run, ~0ULL, "%s: put_domain() leaked %lld objects",
			   iova_variant.name,
			   (long long)(shim_memory.nr_objects - objects));
	if (!err && shim_memory.nr_caches != caches)
		err = fail(&run, ~0ULL,
			   "%s: put_domain() leaked %lld slab caches",
			   iova_variant.name,
			   (long long)(shim_memory.nr_caches - caches));
	pthread_mutex_destroy(&run.judges_mutex);
	crew_put(&crew);
	return err;
}

/* ---- the lock alone ---- */

struct bare {
	spinlock_t lock;
	u64 nr_rounds;
	u64 nr_taken;		/* under the lock */
} __attribute__((__aligned__(128)));

static void take_bare(struct crew_member *member)
{
	struct bare *bare = member->crew->context;
	u64 i;

	for (i = 0; i < bare->nr_rounds; i++) {
		spin_lock(&bare->lock);
		bare->nr_taken++;
		spin_unlock(&bare->lock);
	}
	member->share.nr_ops = bare->nr_rounds;
}

int threads_run_bare(const struct threads_plan *plan, u64 nr_rounds,
		     struct threads_share *shares,
		     struct threads_result *result)
{
	struct bare bare = { .nr_rounds = nr_rounds };
	struct run run = { .result = result };
	struct crew crew;
	int err;

	memset(result, 0, sizeof(*result));
	if (crew_init(&crew, plan->nr_threads))
		return fail(&run, 0, "no memory for the threads");
	crew_calibrate(result);
	this_cpu->init_class = LOCK_VARIANT;
	spin_lock_init(&bare.lock);
	err = crew_start(&crew, plan, take_bare, &bare);
	if (err)
		err = fail(&run, ~0ULL, "a thread can't be had on its CPU: %s",
			   strerror(err));
	else
		crew_report(&crew, shares, result);
	if (!err && bare.nr_taken != plan->nr_threads * nr_rounds)
		err = fail(&run, ~0ULL, "the lock was held by two at once");
	crew_put(&crew);
	return err;
}
