// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay - one op stream on one variant, every op timed with interrupts off.
 *
 * Calls through the same ops table as in user space, so every variant, and the
 * kernel's own allocator, pays for the same indirect call.  The time of an op is
 * that call, the call around it, and the second of two readings of the time stamp
 * counter; with QEMU's -icount that counter counts instructions.
 */
#include <linux/irqflags.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/vmalloc.h>

#include "replay.h"

static noinline bool lab_is_live(const struct iova_variant_ops *variant,
				 struct iova_domain *iovad, u64 pfn)
{
	unsigned long lo, hi;

	return variant->find(iovad, pfn, &lo, &hi);
}

#define replay_is_live(variant, iovad, pfn, lo, hi)			\
	((void)(lo), (void)(hi), lab_is_live(variant, iovad, pfn))
#include "replay_step.h"

#define OPS_PER_BREATH	256	/* between two calls of cond_resched() */
#define NR_REPORTS	16	/* lines on the console per job */

#define LAB_VARIANT(name)						\
	extern const struct iova_variant_ops iova_variant_##name;
LAB_VARIANTS
#undef LAB_VARIANT

/* By the stem of the C file: two states of one patch have the same ops.name. */
static const struct {
	const char *name;
	const struct iova_variant_ops *ops;
} lab_variants[] = {
#define LAB_VARIANT(name)	{ #name, &iova_variant_##name },
	LAB_VARIANTS
#undef LAB_VARIANT
};

struct lab_run {
	const struct iova_variant_ops *variant;
	struct replay_hot hot;
	u64 nr_domains; /* initialised */
	u32 *sizes; /* per slot; for replay_sized_step() */
};

const struct iova_variant_ops *lab_find_variant(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lab_variants); i++)
		if (!strcmp(lab_variants[i].name, name))
			return lab_variants[i].ops;
	return NULL;
}

/* Ageing: @low is where the domain's lowest packed range begins, 0 for none. */
static u64 lab_step_packed(const struct lab_run *run,
			   const struct replay_op *op, u64 *low)
{
	u32 *size = run->sizes ? &run->sizes[op->slot] : NULL;

	return replay_packed_step(run->variant, run->hot, size, op, low);
}

/* @sized is constant in each loop: within the time, there is nothing to decide. */
static __always_inline u64 lab_timed_step(const struct lab_run *run,
					  const struct replay_op *op, u64 *low,
					  u32 *cycles, bool sized)
{
	unsigned long flags;
	u64 before, after, pfn;

	local_irq_save(flags);
	before = get_cycles();
	if (unlikely(op->flags & REPLAY_PACKED))
		pfn = lab_step_packed(run, op, low);
	else if (sized)
		pfn = replay_sized_step(run->variant, run->hot,
					&run->sizes[op->slot], op);
	else
		pfn = replay_step(run->variant, run->hot, op);
	after = get_cycles();
	local_irq_restore(flags);
	*cycles = min_t(u64, after - before, U32_MAX);
	return pfn;
}

void lab_fail(struct lab_result *result, int err, const char *what)
{
	result->err = err;
	strscpy(result->error, what, sizeof(result->error));
}

static noinline u64 lab_sized_op(const struct lab_run *run,
				 const struct replay_op *op, u64 *low,
				 u32 *cycles)
{
	return lab_timed_step(run, op, low, cycles, true);
}

static noinline u64 lab_op(const struct lab_run *run,
			   const struct replay_op *op, u64 *low, u32 *cycles)
{
	return lab_timed_step(run, op, low, cycles, false);
}

static void lab_loop(const struct lab_run *run, const struct lab_job *job,
		     const struct replay_op *ops, u64 *lows, u64 *pfns,
		     u32 *cycles, struct lab_result *result)
{
	u64 i, report = max_t(u64, job->nr_ops / NR_REPORTS, 1 << 12);

	for (i = 0; i < job->nr_ops; i++) {
		const struct replay_op *op = &ops[i];

		if (op->op >= NR_REPLAY_OPS || op->dom >= job->nr_domains ||
		    op->slot >= job->nr_slots) {
			lab_fail(result, -EINVAL, "an op is out of bounds");
			break;
		}
		pfns[i] = (run->sizes ? lab_sized_op : lab_op)(
			run, op, &lows[op->dom], &cycles[i]);
		if (!(i % OPS_PER_BREATH))
			cond_resched();
		if (i && !(i % report))
			pr_notice("iova_lab: op %llu\n", i);
	}
	result->nr_done = i;
}

static int lab_build(struct lab_run *run, const struct lab_job *job)
{
	struct replay_hot *hot = &run->hot;
	u64 i;
	int err;

	hot->domain_stride = ALIGN(run->variant->domain_size, SMP_CACHE_BYTES);
	hot->domains = vzalloc(
		max_t(u64, 1, job->nr_domains * hot->domain_stride));
	hot->slots = vmalloc(array_size(job->nr_slots + 1, sizeof(u64)));
	if (!hot->domains || !hot->slots)
		return -ENOMEM;
	memset(hot->slots, 0xff, job->nr_slots * sizeof(u64));
	if (run->variant->free_sized) {
		run->sizes = vzalloc(
			array_size(job->nr_slots + 1, sizeof(u32)));
		if (!run->sizes)
			return -ENOMEM;
	}
	for (i = 0; i < job->nr_domains; i++) {
		err = run->variant->init_domain(replay_domain(*hot, i),
						job->granule, job->start_pfn);
		if (err)
			return err;
		run->nr_domains++;
	}
	return 0;
}

static void lab_drain(struct lab_run *run)
{
	u64 i;

	for (i = 0; i < run->nr_domains; i++) {
		run->variant->put_domain(replay_domain(run->hot, i));
		cond_resched();
	}
	vfree(run->hot.domains);
	vfree(run->hot.slots);
	vfree(run->sizes);
}

void lab_replay(const struct iova_variant_ops *variant,
		const struct lab_job *job, const struct replay_op *ops,
		u64 *pfns, u32 *cycles, struct lab_result *result)
{
	struct lab_run run = { .variant = variant };
	u64 *lows = vzalloc(array_size(job->nr_domains + 1, sizeof(*lows)));
	int err = lows ? lab_build(&run, job) : -ENOMEM;

	if (err)
		lab_fail(result, err, "init_domain() failed");
	else
		lab_loop(&run, job, ops, lows, pfns, cycles, result);
	lab_drain(&run);
	vfree(lows);
}
