/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * world - what the conformance test does in user space beside calling the API: CPUs
 * are numbers, delayed work runs when it is told to, and a CPU that goes is a call.
 */
#ifndef API_WORLD_H
#define API_WORLD_H

#include <stdio.h>

#define API_NR_CPUS	2U

#define api_print(...)	((void)printf(__VA_ARGS__), (void)fflush(stdout))

#define api_rcache_range_is(bytes)	(iova_rcache_range() == (bytes))

static inline void api_start(void)
{
	shim_nr_cpus = API_NR_CPUS;
	shim_nr_possible = API_NR_CPUS;
	shim_cpu = 0;
}

static inline void api_stop(void)
{
}

static inline void api_on_cpu(unsigned int cpu, void (*run)(void *arg),
			      void *arg)
{
	shim_cpu = cpu;
	run(arg);
	shim_cpu = 0;
}

/* In the kernel at the same time, here one after the other. */
static inline void api_on_all_cpus(void (*run)(void *arg), void *arg)
{
	unsigned int cpu;

	for (cpu = 0; cpu < API_NR_CPUS; cpu++)
		api_on_cpu(cpu, run, arg);
}

static inline int api_cpu_down(unsigned int cpu)
{
	shim_nr_cpus--;
	return shim_cpu_dies(cpu);
}

static inline void api_cpu_up(unsigned int cpu)
{
	shim_nr_cpus++;
}

/* For @nr magazines to be freed by delayed work. */
static inline void api_let_work_run(unsigned int nr)
{
	while (nr--)
		shim_run_work();
}

/* Objects that the file holds while no domain is there. */
static inline unsigned long api_nr_left(void)
{
	return shim_memory.nr_objects;
}

#endif
