/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - per-CPU data is an array with one element per CPU, each on
 * cache lines of its own; this CPU is the one whose number stands in shim_cpu.
 * Costs a multiplication where the kernel adds an offset from a segment register.
 */
#ifndef SHIM_TEXT_PERCPU_H
#define SHIM_TEXT_PERCPU_H

#include <linux/slab.h>

static unsigned int shim_nr_cpus = 1, shim_nr_possible = 1;
/* In builds with several threads, each has its own. */
#ifdef IOVA_THREADED
static __thread unsigned int shim_cpu
	__attribute__((__tls_model__("initial-exec")));
#else
static unsigned int shim_cpu;
#endif

#define __percpu
#define cache_line_size()	64
#define nr_cpu_ids		shim_nr_possible
#define num_online_cpus()	shim_nr_cpus
#define num_possible_cpus()	shim_nr_possible
#define smp_processor_id()	shim_cpu
#define raw_smp_processor_id()	shim_cpu

#define for_each_possible_cpu(cpu)	\
	for ((cpu) = 0; (unsigned int)(cpu) < shim_nr_possible; (cpu)++)
#define for_each_online_cpu(cpu)	\
	for ((cpu) = 0; (unsigned int)(cpu) < shim_nr_cpus; (cpu)++)

#define shim_stride(size)	(((size) + 63UL) & ~63UL)
#define __alloc_percpu(size, align)	\
	kcalloc(shim_nr_possible, shim_stride(size), GFP_KERNEL)
#define alloc_percpu(type)	((type *)__alloc_percpu(sizeof(type), 64))
#define free_percpu(ptr)	kfree(ptr)
#define per_cpu_ptr(ptr, cpu)						\
	((__typeof__(ptr))((char *)(ptr) +				\
			   (size_t)(cpu) * shim_stride(sizeof(*(ptr)))))
#define raw_cpu_ptr(ptr)	per_cpu_ptr(ptr, shim_cpu)
#define this_cpu_ptr(ptr)	raw_cpu_ptr(ptr)
#define get_cpu_ptr(ptr)	raw_cpu_ptr(ptr)
#define put_cpu_ptr(ptr)	((void)(ptr))
#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)

#endif
