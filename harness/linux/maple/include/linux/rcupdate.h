/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - what is freed by RCU stays as it is until SHIM_GRACE more
 * have been freed.  So a grace period is counted in frees, not in time, and each
 * one ends one object's: the callback is a part of the op that frees, where the
 * kernel calls it later, in batches, outside of it.  Readers cost nothing.
 */
#ifndef SHIM_MAPLE_RCUPDATE_H
#define SHIM_MAPLE_RCUPDATE_H

#include_next <linux/rcupdate.h>

#include <linux/spinlock.h>
#include <linux/types.h>

#define SHIM_GRACE	256U

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

#define rcu_read_lock()				do { } while (0)
#define rcu_read_unlock()			do { } while (0)
#define rcu_dereference(p)			READ_ONCE(p)
#define rcu_dereference_check(p, held)		READ_ONCE(p)
#define rcu_dereference_protected(p, held)	(p)
#define rcu_access_pointer(p)			READ_ONCE(p)

/* First freed, first out; the threads of a threaded build share it. */
static struct {
	struct rcu_head *first, *last;
	unsigned int nr;
	bool locked;
} shim_rcu;

static inline void shim_rcu_lock(void)
{
#ifdef IOVA_THREADED
	while (__atomic_test_and_set(&shim_rcu.locked, __ATOMIC_ACQUIRE))
		shim_cpu_relax();
#endif
}

static inline void shim_rcu_unlock(void)
{
#ifdef IOVA_THREADED
	__atomic_clear(&shim_rcu.locked, __ATOMIC_RELEASE);
#endif
}

/* End the oldest grace period if more than @most are under way. */
static inline bool shim_rcu_end_one(unsigned int most)
{
	struct rcu_head *head = NULL;

	shim_rcu_lock();
	if (shim_rcu.nr > most) {
		head = shim_rcu.first;
		shim_rcu.first = head->next;
		shim_rcu.nr--;
	}
	shim_rcu_unlock();
	if (head)
		head->func(head);
	return head;
}

static inline void call_rcu(struct rcu_head *head,
			    void (*func)(struct rcu_head *head))
{
	head->next = NULL;
	head->func = func;
	shim_rcu_lock();
	*(shim_rcu.nr ? &shim_rcu.last->next : &shim_rcu.first) = head;
	shim_rcu.last = head;
	shim_rcu.nr++;
	shim_rcu_unlock();
	shim_rcu_end_one(SHIM_GRACE);
}

static inline void rcu_barrier(void)
{
	while (shim_rcu_end_one(0))
		;
}

#endif
