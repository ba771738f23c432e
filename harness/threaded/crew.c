// SPDX-License-Identifier: GPL-2.0-only
/*
 * crew - N threads, pinned, that start together; see crew.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <linux/slab.h>

#include "clock.h"
#include "crew.h"
#include "rcache.h"

#define NR_CALIBRATE	2000
#define CALIBRATE_NS	2000000ULL

/* Of whoever is in no crew: the thread that ages, checks and drains; id 0. */
static struct rcache_stats harness_stats;
static struct shim_cpu harness_cpu = { .rcache_stats = &harness_stats };

__thread struct shim_cpu *this_cpu
	__attribute__((__tls_model__("initial-exec"))) = &harness_cpu;
u32 threads_max_id;
u64 clock_scale = 1ULL << 32;

static void calibrate_clock(void)
{
	u64 ns = system_ns(), ticks = clock_ticks(), now;

	do {
		now = system_ns();
	} while (now - ns < CALIBRATE_NS);
	ticks = clock_ticks() - ticks;
	clock_scale = ((unsigned __int128)(now - ns) << 32) / ticks;
}

void crew_calibrate(struct threads_result *result)
{
	u64 before, ticks, hold_ns;
	spinlock_t lock;
	int i;

	calibrate_clock();
	before = clock_ticks();
	for (i = 0; i < NR_CALIBRATE; i++)
		ticks = clock_ticks();
	result->clock_ps = ticks_to_ns((ticks - before) * 1000) / NR_CALIBRATE;

	spin_lock_init(&lock);
	lock.class = LOCK_CPU_CACHE;
	hold_ns = this_cpu->locks[LOCK_CPU_CACHE].hold_ns;
	for (i = 0; i < NR_CALIBRATE; i++) {
		spin_lock(&lock);
		spin_unlock(&lock);
	}
	hold_ns = this_cpu->locks[LOCK_CPU_CACHE].hold_ns - hold_ns;
	result->empty_hold_ps = hold_ns * 1000 / NR_CALIBRATE;
}

static u64 nr_preempted(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nivcsw;
}

static int pin(u32 cpu)
{
	size_t bytes = CPU_ALLOC_SIZE(cpu + 1);
	cpu_set_t *set = CPU_ALLOC(cpu + 1);
	int err;

	if (!set)
		return ENOMEM;
	CPU_ZERO_S(bytes, set);
	CPU_SET_S(cpu, bytes, set);
	err = pthread_setaffinity_np(pthread_self(), bytes, set);
	CPU_FREE(set);
	return err;
}

static void arrive(struct crew *crew)
{
	u32 nr_spins = 0;

	__atomic_add_fetch(&crew->nr_arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&crew->nr_arrived, __ATOMIC_ACQUIRE) <
	       crew->plan->nr_threads)
		crew_relax(crew, &nr_spins);
}

/* The books of this thread go to the crew's. */
static void hand_in(struct crew *crew, const struct crew_member *member)
{
	u64 *sum = (u64 *)&crew->rcache_stats;
	const u64 *own = (const u64 *)&member->rcache_stats;
	size_t i;

	pthread_mutex_lock(&crew->mutex);
	crew->memory.bytes += member->cpu.books.bytes;
	crew->memory.nr_objects += member->cpu.books.nr_objects;
	crew->memory.nr_caches += member->cpu.books.nr_caches;
	crew->memory.nr_arenas += member->cpu.books.nr_arenas;
	for (i = 0; i < sizeof(crew->rcache_stats) / sizeof(u64); i++)
		sum[i] += own[i];
	pthread_mutex_unlock(&crew->mutex);
}

static void *member_main(void *argument)
{
	struct crew_member *member = argument;
	struct crew *crew = member->crew;
	u64 preempted;
	int err = pin(crew->plan->cpus[member->index]);

	if (err)
		__atomic_store_n(&crew->failed, err, __ATOMIC_RELEASE);
	this_cpu = &member->cpu;
	arrive(crew);
	preempted = nr_preempted();
	member->begin_ns = system_ns();
	if (!__atomic_load_n(&crew->failed, __ATOMIC_ACQUIRE))
		crew->work(member);
	member->end_ns = system_ns();
	member->share.nr_preempted = nr_preempted() - preempted;
	memcpy(member->share.locks, member->cpu.locks,
	       sizeof(member->share.locks));
	this_cpu = &harness_cpu;
	hand_in(crew, member);
	return NULL;
}

int crew_init(struct crew *crew, u64 nr_threads)
{
	u64 i;

	memset(crew, 0, sizeof(*crew));
	pthread_mutex_init(&crew->mutex, NULL);
	crew->members = aligned_alloc(128, nr_threads * sizeof(*crew->members));
	if (!crew->members)
		return ENOMEM;
	memset(crew->members, 0, nr_threads * sizeof(*crew->members));
	for (i = 0; i < nr_threads; i++) {
		crew->members[i].crew = crew;
		crew->members[i].index = i;
		crew->members[i].cpu.id = i + 1;
		crew->members[i].cpu.rcache_stats =
			&crew->members[i].rcache_stats;
	}
	if (threads_max_id < nr_threads)
		threads_max_id = nr_threads;
	return 0;
}

int crew_start(struct crew *crew, const struct threads_plan *plan,
	       void (*work)(struct crew_member *member), void *context)
{
	cpu_set_t *before = CPU_ALLOC(CPU_SETSIZE * 8);
	size_t bytes = CPU_ALLOC_SIZE(CPU_SETSIZE * 8);
	u64 nr = plan->nr_threads, started = 1, i;
	int err = 0;

	if (!before)
		return ENOMEM;
	crew->plan = plan;
	crew->work = work;
	crew->context = context;
	pthread_getaffinity_np(pthread_self(), bytes, before);
	for (; !err && started < nr; started++)
		err = pthread_create(&crew->members[started].pthread, NULL,
				     member_main, &crew->members[started]);
	if (err) {
		/* Those that run must not wait for those that never will. */
		__atomic_store_n(&crew->failed, err, __ATOMIC_RELEASE);
		__atomic_add_fetch(&crew->nr_arrived, nr - --started + 1,
				   __ATOMIC_ACQ_REL);
	} else {
		member_main(&crew->members[0]);
	}
	for (i = 1; i < started; i++)
		pthread_join(crew->members[i].pthread, NULL);
	pthread_setaffinity_np(pthread_self(), bytes, before);
	CPU_FREE(before);
	return crew->failed;
}

void crew_report(const struct crew *crew, struct threads_share *shares,
		 struct threads_result *result)
{
	u64 begin = ~0ULL, end = 0, i;

	for (i = 0; i < crew->plan->nr_threads; i++) {
		struct crew_member *member = &crew->members[i];

		member->share.ns = member->end_ns - member->begin_ns;
		shares[i] = member->share;
		if (member->begin_ns < begin)
			begin = member->begin_ns;
		if (member->end_ns > end)
			end = member->end_ns;
	}
	result->ns = end - begin;
}

void crew_put(struct crew *crew)
{
	pthread_mutex_destroy(&crew->mutex);
	free(crew->members);
}
