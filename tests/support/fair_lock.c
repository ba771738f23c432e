// SPDX-License-Identifier: GPL-2.0-only
/* Is the queued lock of threaded builds first come, first served?  See test_threads.py. */
#include <pthread.h>
#include <string.h>

#include "crew.h"

#define MOST	64

static struct shim_cpu cpus[MOST];
static spinlock_t lock;
static int order[MOST], nr_served;

static void *waiter(void *argument)
{
	int id = (struct shim_cpu *)argument - cpus;

	this_cpu = argument;
	spin_lock(&lock);
	order[nr_served++] = id;
	spin_unlock(&lock);
	return NULL;
}

/* Queue @nr threads one behind the other while the lock is held, then let go. */
int serve(int nr, int *served, struct lock_stats *stats)
{
	pthread_t threads[MOST];
	int i;

	memset(cpus, 0, sizeof(cpus));
	nr_served = 0;
	spin_lock_init(&lock);
	spin_lock(&lock);
	for (i = 0; i < nr; i++) {
		pthread_create(&threads[i], NULL, waiter, &cpus[i]);
		while (__atomic_load_n(&lock.tail, __ATOMIC_ACQUIRE) !=
		       &cpus[i].nodes[0])
			shim_cpu_relax();
	}
	spin_unlock(&lock);
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	memcpy(served, order, nr * sizeof(*order));
	for (i = 0; i < nr; i++)
		stats[i] = cpus[i].locks[LOCK_VARIANT];
	return nr_served;
}
