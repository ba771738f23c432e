// SPDX-License-Identifier: GPL-2.0-only
/*
 * iova_lockup - a soft lockup in the IOVA allocator, on demand.
 *
 * Uses what <linux/iova.h> exports and nothing else.  One domain, all its pages
 * below 4 GiB taken.  Then each CPU does what a driver does that refills a ring
 * in NAPI: with bottom halves off it unmaps a page, maps one, and maps one more
 * than there is room for, @rounds times or for @seconds.  The request in vain
 * walks over every live range, with the domain's lock held and interrupts off; the
 * unmap before it is why the allocator cannot know that it is in vain.
 *
 *	make -C /lib/modules/$(uname -r)/build M=$PWD
 *	insmod iova_lockup.ko	# a test machine: it will stall
 *	rmmod iova_lockup	# if it came back
 */
#include <linux/bottom_half.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/iova.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/vmalloc.h>

#define PFN_4G		(1UL << 20)	/* with 4 KiB pages */

static unsigned int nr_live = 524288;
module_param(nr_live, uint, 0444);
MODULE_PARM_DESC(nr_live, "pages below 4 GiB, all taken; at most 1048575");

static unsigned int rounds = 4096;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "unmap, map, map in vain: so often on each CPU");

static unsigned int seconds = 60;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "no round begins later than this");

static struct iova_domain domain;
static unsigned long *pfns;
static atomic_t nr_running;
static DECLARE_COMPLETION(all_done);

static unsigned long map_page(void)
{
	struct iova *iova = alloc_iova(&domain, 1, PFN_4G - 1, true);

	return iova ? iova->pfn_lo : 0;
}

/* @share: this CPU's own part of pfns[], of @nr pages */
static u64 refill(unsigned long *share, unsigned int nr)
{
	u64 until = ktime_get_ns() + (u64)seconds * NSEC_PER_SEC;
	u64 begin, worst = 0;
	unsigned int i;

	for (i = 0; i < rounds && ktime_get_ns() < until; i++) {
		unsigned long *victim = &share[get_random_u32() % nr];
		unsigned long extra;

		if (*victim)
			free_iova(&domain, *victim);
		*victim = map_page();
		begin = ktime_get_ns();
		extra = map_page();
		worst = max(worst, ktime_get_ns() - begin);
		if (extra) /* another CPU had just unmapped it */
			free_iova(&domain, extra);
	}
	return worst;
}

static int lockup_thread(void *share)
{
	u64 worst;

	local_bh_disable();
	worst = refill(share, nr_live / num_online_cpus());
	local_bh_enable();
	pr_notice("iova_lockup: CPU %d is done, longest request %llu us\n",
		  raw_smp_processor_id(), worst / 1000);
	if (atomic_dec_and_test(&nr_running))
		complete(&all_done);
	return 0;
}

static int fill(void)
{
	unsigned int i;

	for (i = 0; i < nr_live; i++) {
		pfns[i] = map_page();
		if (!pfns[i])
			return -ENOSPC;
		cond_resched();
	}
	return 0;
}

static void start(void)
{
	unsigned int cpu, nr = 0, each = nr_live / num_online_cpus();

	cpus_read_lock();
	atomic_set(&nr_running, num_online_cpus());
	for_each_online_cpu(cpu) {
		struct task_struct *task;

		task = kthread_create_on_cpu(lockup_thread, pfns + each * nr++,
					     cpu, "iova_lockup/%u");
		if (!IS_ERR(task))
			wake_up_process(task);
		else if (atomic_dec_and_test(&nr_running))
			complete(&all_done);
	}
	cpus_read_unlock();
}

static int __init lockup_init(void)
{
	int err;

	if (nr_live < num_online_cpus() || nr_live >= PFN_4G)
		return -EINVAL;
	pfns = vzalloc(array_size(nr_live, sizeof(*pfns)));
	if (!pfns)
		return -ENOMEM;
	err = iova_cache_get();
	if (err)
		goto free_pfns;
	init_iova_domain(&domain, PAGE_SIZE, PFN_4G - nr_live);
	err = fill();
	if (err)
		goto put_domain;
	pr_notice("iova_lockup: %u pages are mapped, %u CPUs refill\n", nr_live,
		  num_online_cpus());
	start();
	return 0;

put_domain:
	put_iova_domain(&domain);
	iova_cache_put();
free_pfns:
	vfree(pfns);
	return err;
}

static void __exit lockup_exit(void)
{
	wait_for_completion(&all_done);
	put_iova_domain(&domain);
	iova_cache_put();
	vfree(pfns);
}

module_init(lockup_init);
module_exit(lockup_exit);
MODULE_DESCRIPTION("A soft lockup in the IOVA allocator, on demand");
MODULE_LICENSE("GPL");
