/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * world - what the conformance test does in a booted kernel beside calling the API:
 * it moves from CPU to CPU, takes CPUs off-line, and waits for delayed work.
 */
#ifndef API_WORLD_H
#define API_WORLD_H

#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#define API_NR_CPUS	2U

#define api_print(...)	pr_notice(__VA_ARGS__)

/* Declared, and not exported: dma-iommu.c is built in. */
#define api_rcache_range_is(bytes)	true

static inline void api_move(unsigned int cpu)
{
	WARN_ON(set_cpus_allowed_ptr(current, cpumask_of(cpu)));
}

static inline void api_start(void)
{
	api_move(0);
}

static inline void api_stop(void)
{
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}

static inline void api_on_cpu(unsigned int cpu, void (*run)(void *arg),
			      void *arg)
{
	api_move(cpu);
	run(arg);
	api_move(0);
}

struct api_thread {
	void (*run)(void *arg);
	void *arg;
	struct completion done;
};

static inline int api_thread(void *data)
{
	struct api_thread *thread = data;

	thread->run(thread->arg);
	complete(&thread->done);
	return 0;
}

static inline void api_on_all_cpus(void (*run)(void *arg), void *arg)
{
	struct api_thread threads[API_NR_CPUS];
	struct task_struct *task;
	unsigned int cpu;

	for (cpu = 0; cpu < API_NR_CPUS; cpu++) {
		threads[cpu].run = run;
		threads[cpu].arg = arg;
		init_completion(&threads[cpu].done);
		task = kthread_create(api_thread, &threads[cpu], "iova_api/%u",
				      cpu);
		if (WARN_ON(IS_ERR(task))) {
			complete(&threads[cpu].done);
			continue;
		}
		kthread_bind(task, cpu);
		wake_up_process(task);
	}
	for (cpu = 0; cpu < API_NR_CPUS; cpu++)
		wait_for_completion(&threads[cpu].done);
}

static inline int api_cpu_down(unsigned int cpu)
{
	return remove_cpu(cpu);
}

static inline void api_cpu_up(unsigned int cpu)
{
	WARN_ON(add_cpu(cpu));
}

/* One every 100 ms, and a delay before the first. */
static inline void api_let_work_run(unsigned int nr)
{
	msleep(100 * (nr + 3));
}

/* A kernel counts its objects in slabs that others share. */
static inline unsigned long api_nr_left(void)
{
	return 0;
}

#endif
