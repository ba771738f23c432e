/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: STUB - a lock is held where the text says so, as in a kernel without lock
 * debugging.  Costs nothing.
 */
#ifndef SHIM_MAPLE_LOCKDEP_H
#define SHIM_MAPLE_LOCKDEP_H

#define lockdep_is_held(lock)	((void)(lock), 1)
#define lock_is_held(map)	((void)(map), 1)
#define __must_hold(lock)
#define spin_lock_nested(lock, subclass)	spin_lock(lock)

#endif
