/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - a ticket lock that spins, not a futex that sleeps.
 * Costs one atomic add and one store per uncontended pair, as the kernel's
 * does.  Different: waiters all spin on one cache line where the kernel's
 * qspinlock queues on its own; and no interrupts, see spin.h.
 */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#include <linux/types.h>

#include "spin.h"

typedef struct {
	u32 next;
	u32 owner;
} spinlock_t;

#define DEFINE_SPINLOCK(name)	spinlock_t name = { 0, 0 }

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->next = 0;
	lock->owner = 0;
}

static inline void spin_lock(spinlock_t *lock)
{
	u32 ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		shim_cpu_relax();
}

static inline void spin_unlock(spinlock_t *lock)
{
	__atomic_store_n(&lock->owner, lock->owner + 1, __ATOMIC_RELEASE);
}

#endif
