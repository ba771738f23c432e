/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crew - N threads, pinned, that start together; the caller is one of them.
 */
#ifndef CREW_H
#define CREW_H

#include <pthread.h>

#include <linux/slab.h>
#include <linux/spinlock.h>

#include "threads.h"

/**
 * struct crew_member - one thread; no two share a cache line
 * @cpu: what it needs to take locks
 * @crew: whose it is
 * @index: its place in the plan
 * @pthread: the thread; the first member is the caller
 * @begin_ns: system clock at its start
 * @end_ns: and at its end
 * @share: what it has done
 * @rcache_stats: likewise, in the rcache
 */
struct crew_member {
	struct shim_cpu cpu;
	struct crew *crew;
	u64 index;
	pthread_t pthread;
	u64 begin_ns, end_ns;
	struct threads_share share;
	struct rcache_stats rcache_stats;
} __attribute__((__aligned__(128)));

/**
 * struct crew - all of them
 * @members: one per thread of the plan
 * @plan: who runs what, and where
 * @work: what each does once all are there
 * @context: for @work
 * @nr_arrived: how many are there
 * @failed: a thread could not be pinned; 0 or an errno
 * @memory: what they hold of the shim's, summed up when they end
 * @rcache_stats: likewise, of the measured window
 * @mutex: guards @memory and @rcache_stats
 */
struct crew {
	struct crew_member *members;
	const struct threads_plan *plan;
	void (*work)(struct crew_member *member);
	void *context;
	u64 nr_arrived;
	int failed;
	struct shim_books memory;
	struct rcache_stats rcache_stats;
	pthread_mutex_t mutex;
};

/* 0 or an errno.  The caller goes to the first CPU and comes back. */
int crew_start(struct crew *crew, const struct threads_plan *plan,
	       void (*work)(struct crew_member *member), void *context);
/* The shares, into the caller's array, and the time of all. */
void crew_report(const struct crew *crew, struct threads_share *shares,
		 struct threads_result *result);
void crew_put(struct crew *crew);
int crew_init(struct crew *crew, u64 nr_threads);

/* The clock's scale and cost, and a free lock's. */
void crew_calibrate(struct threads_result *result);

/* Somebody else has to do something first; threads may be more than CPUs. */
static inline void crew_relax(const struct crew *crew, u32 *nr_spins)
{
	shim_spin(nr_spins, crew->plan->flags & THREADS_YIELD ? 1 : 1U << 11);
}

#endif
