/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - a fair queued lock that is timed; threaded builds only.
 *
 * Waiters queue first come, first served, and each spins on a node of its own
 * (Mellor-Crummey and Scott, 1991), as waiters of the kernel's qspinlock do:
 *
 *	lock.tail ----------------------------.
 *	                                      v
 *	holder's node -> next waiter's -> last waiter's -> NULL
 *
 * Costs one atomic exchange to take and, if nobody waits, one to release; the
 * kernel's takes a free lock with one and releases it with a plain store.
 * Passing it on costs one cache line from CPU to CPU in both.  Three readings
 * of the clock are added: before the call, when the lock is held, before it is
 * released; the last two lie inside the hold, see threads_result.
 * Different: no interrupts, see spin.h; a holder or waiter may lose its CPU to
 * another process, and all behind it wait as well.  Who has spun for a
 * millisecond or so therefore yields now and then: on a CPU of its own that
 * changes nothing.
 */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#include <sched.h>

#include <linux/compiler.h>
#include <linux/slab.h>
#include <linux/types.h>

#include "clock.h"
#include "lock_stats.h"
#include "spin.h"

/* Locks that one thread holds or waits for at a time, as in the kernel. */
#define SHIM_MAX_NESTED	4

struct shim_lock_node {
	struct shim_lock_node *next;
	u32 waiting;
	u32 queued;
	u64 called, held; /* ticks */
};

typedef struct {
	struct shim_lock_node *tail;
	struct shim_lock_node *holder;
	u32 class;
} spinlock_t;

/**
 * struct shim_cpu - what a thread needs to take locks, and what it counts
 * @nodes: its places in the queues of the locks that it holds or waits for
 * @nr_nested: how many of these
 * @init_class: of the locks that this thread initialises
 * @id: of the thread; 0 is the harness's
 * @op_wait_ns: of the op under way, over all its locks
 * @op_hold_ns: likewise, while they are held
 * @books: of the shim's memory
 * @rcache_stats: struct rcache_stats, where the rcache counts
 * @locks: by class
 */
struct shim_cpu {
	struct shim_lock_node nodes[SHIM_MAX_NESTED];
	u32 nr_nested;
	u32 init_class;
	u32 id;
	u64 op_wait_ns, op_hold_ns;
	struct shim_books books;
	void *rcache_stats;
	struct lock_stats locks[NR_LOCK_CLASSES];
} __attribute__((__aligned__(128)));

/*
 * All that is thread-local: one pointer, reached without a call, and so little
 * that a process can load every variant.
 */
extern __thread struct shim_cpu *this_cpu
	__attribute__((__tls_model__("initial-exec")));

/* Once more in vain; yields once in @patience times, a power of two. */
static inline void shim_spin(u32 *nr_spins, u32 patience)
{
	shim_cpu_relax();
	if (unlikely(!(++*nr_spins & (patience - 1))))
		sched_yield();
}

#define SHIM_LOCK_PATIENCE	(1U << 15)

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->tail = NULL;
	lock->holder = NULL;
	lock->class = this_cpu->init_class;
}

static inline void spin_lock(spinlock_t *lock)
{
	u64 called = clock_ticks();
	struct shim_lock_node *node = &this_cpu->nodes[this_cpu->nr_nested++];
	struct shim_lock_node *before;
	u32 nr_spins = 0;

	node->next = NULL;
	node->waiting = 1;
	before = __atomic_exchange_n(&lock->tail, node, __ATOMIC_ACQ_REL);
	if (before) {
		__atomic_store_n(&before->next, node, __ATOMIC_RELEASE);
		while (__atomic_load_n(&node->waiting, __ATOMIC_ACQUIRE))
			shim_spin(&nr_spins, SHIM_LOCK_PATIENCE);
	}
	lock->holder = node;
	node->queued = before != NULL;
	node->called = called;
	node->held = clock_ticks();
}

static inline void shim_pass_on(spinlock_t *lock, struct shim_lock_node *node)
{
	struct shim_lock_node *next, *last = node;

	next = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE);
	if (!next) {
		if (__atomic_compare_exchange_n(&lock->tail, &last, NULL, false,
						__ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return;
		/* Somebody has queued, and is about to say so. */
		while (!(next = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE)))
			shim_cpu_relax();
	}
	__atomic_store_n(&next->waiting, 0, __ATOMIC_RELEASE);
}

/* After the release: whoever waits does not wait for this. */
static inline void shim_account(struct lock_stats *stats, bool queued,
				u64 wait_ns, u64 hold_ns)
{
	u64 section_ns = wait_ns + hold_ns;

	stats->nr++;
	stats->nr_queued += queued;
	stats->wait_ns += wait_ns;
	stats->hold_ns += hold_ns;
	if (wait_ns > stats->max_wait_ns)
		stats->max_wait_ns = wait_ns;
	if (hold_ns > stats->max_hold_ns)
		stats->max_hold_ns = hold_ns;
	if (section_ns > stats->max_section_ns)
		stats->max_section_ns = section_ns;
	stats->waits[log2_bin(wait_ns)]++;
	stats->holds[log2_bin(hold_ns)]++;
}

static inline void spin_unlock(spinlock_t *lock)
{
	struct shim_cpu *cpu = this_cpu;
	struct shim_lock_node *node = lock->holder;
	u64 called = node->called, held = node->held;
	u64 wait_ns, hold_ns, released;
	bool queued = node->queued;
	u32 class = lock->class;

	released = clock_ticks();
	shim_pass_on(lock, node);
	cpu->nr_nested--;

	wait_ns = ticks_to_ns(held - called);
	hold_ns = ticks_to_ns(released - held);
	cpu->op_wait_ns += wait_ns;
	/* A flush frees under a CPU's lock: the inner holds are the op's. */
	if (class != LOCK_CPU_CACHE)
		cpu->op_hold_ns += hold_ns;
	shim_account(&cpu->locks[class], queued, wait_ns, hold_ns);
}

#endif
