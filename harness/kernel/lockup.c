// SPDX-License-Identifier: GPL-2.0-only
/*
 * lockup - the recipe of lockup/iova_lockup.c on any variant of this module.
 *
 * That file is for a maintainer's own machine and knows the kernel's allocator
 * only; this one asks the same through the ops table.  Every CPU refills, with
 * bottom halves off, in one full domain.
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/vmalloc.h>

#include "replay.h"

#define PFN_4G		(1UL << 20)	/* with 4 KiB pages */

static unsigned int seconds = 60;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "for lockup=: no round begins later than this");

struct lockup {
	const struct iova_variant_ops *variant;
	struct iova_domain *iovad;
	unsigned long *pfns;
	unsigned int nr_live, rounds;
	atomic_t nr_running;
	struct completion all_done;
};

struct lockup_cpu {
	struct lockup *lockup;
	unsigned long *pfns; /* this CPU's own */
	unsigned int nr;
};

static unsigned long lockup_map(const struct lockup *lockup)
{
	return lockup->variant->alloc(lockup->iovad, 1, PFN_4G - 1, true);
}

static void lockup_unmap(const struct lockup *lockup, unsigned long pfn)
{
	if (lockup->variant->free_sized)
		lockup->variant->free_sized(lockup->iovad, pfn, 1);
	else
		lockup->variant->free(lockup->iovad, pfn);
}

static u64 lockup_refill(const struct lockup_cpu *cpu)
{
	const struct lockup *lockup = cpu->lockup;
	u64 until = ktime_get_ns() + (u64)seconds * NSEC_PER_SEC;
	u64 begin, worst = 0;
	unsigned int i;

	for (i = 0; i < lockup->rounds && ktime_get_ns() < until; i++) {
		unsigned long *victim = &cpu->pfns[get_random_u32() % cpu->nr];
		unsigned long extra;

		if (*victim != IOVA_REFUSED)
			lockup_unmap(lockup, *victim);
		*victim = lockup_map(lockup);
		begin = ktime_get_ns();
		extra = lockup_map(lockup);
		worst = max(worst, ktime_get_ns() - begin);
		if (extra != IOVA_REFUSED) /* another CPU's, just unmapped */
			lockup_unmap(lockup, extra);
	}
	return worst;
}

static int lockup_thread(void *data)
{
	struct lockup_cpu *cpu = data;
	struct lockup *lockup = cpu->lockup;
	u64 worst;

	local_bh_disable();
	worst = lockup_refill(cpu);
	local_bh_enable();
	pr_notice("iova_lab: refilled, longest request %llu us\n",
		  worst / 1000);
	if (atomic_dec_and_test(&lockup->nr_running))
		complete(&lockup->all_done);
	return 0;
}

static int lockup_fill(struct lockup *lockup)
{
	unsigned int i;

	for (i = 0; i < lockup->nr_live; i++) {
		unsigned long pfn = PFN_4G - 1 - i;

		if (!lockup->variant->place)
			pfn = lockup_map(lockup);
		else if (lockup->variant->place(lockup->iovad, pfn, 1,
						PFN_4G - 1))
			return -ENOMEM;
		if (pfn == IOVA_REFUSED)
			return -ENOSPC;
		lockup->pfns[i] = pfn;
		cond_resched();
	}
	return 0;
}

static void lockup_start(struct lockup *lockup, struct lockup_cpu *cpus)
{
	unsigned int cpu, nr = 0, each = lockup->nr_live / num_online_cpus();

	cpus_read_lock();
	atomic_set(&lockup->nr_running, num_online_cpus());
	for_each_online_cpu(cpu) {
		struct task_struct *task;

		cpus[nr].lockup = lockup;
		cpus[nr].pfns = lockup->pfns + nr * each;
		cpus[nr].nr = each;
		task = kthread_create_on_cpu(lockup_thread, &cpus[nr++], cpu,
					     "iova_lab/%u");
		if (!IS_ERR(task))
			wake_up_process(task);
		else if (atomic_dec_and_test(&lockup->nr_running))
			complete(&lockup->all_done);
	}
	cpus_read_unlock();
	wait_for_completion(&lockup->all_done);
}

int lab_lockup(const struct iova_variant_ops *variant, unsigned int nr_live,
	       unsigned int rounds)
{
	struct lockup lockup = {
		.variant = variant,
		.nr_live = nr_live,
		.rounds = rounds,
	};
	struct lockup_cpu *cpus;
	int err;

	if (nr_live < num_online_cpus() || nr_live >= PFN_4G)
		return -EINVAL;
	init_completion(&lockup.all_done);
	cpus = vzalloc(array_size(nr_cpu_ids, sizeof(*cpus)));
	lockup.pfns = vzalloc(array_size(nr_live, sizeof(*lockup.pfns)));
	lockup.iovad = vzalloc(max(variant->domain_size, 1U));
	err = cpus && lockup.pfns && lockup.iovad ? 0 : -ENOMEM;
	if (!err)
		err = variant->init_domain(lockup.iovad, PAGE_SIZE,
					   PFN_4G - nr_live);
	if (!err) {
		err = lockup_fill(&lockup);
		pr_notice("iova_lab: %u pages are mapped, %u CPUs refill\n",
			  nr_live, num_online_cpus());
		if (!err)
			lockup_start(&lockup, cpus);
		variant->put_domain(lockup.iovad);
	}
	vfree(lockup.iovad);
	vfree(lockup.pfns);
	vfree(cpus);
	return err;
}
