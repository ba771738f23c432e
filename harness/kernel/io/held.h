/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * held - counts for how long a variant holds its lock.
 *
 * Included by unit.c before the variant, and after the headers that a variant
 * takes its locks from.  What is counted lies between the end of one call and the
 * beginning of the other, with interrupts off; the counting itself adds to what is
 * counted of the call around it, so no unit but a held one has it.
 */
#ifndef IO_HELD_H
#define IO_HELD_H

#include <linux/spinlock.h>

#include "account.h"

#undef spin_lock_irqsave
#define spin_lock_irqsave(lock, flags) do {				\
	raw_spin_lock_irqsave(spinlock_check(lock), flags);		\
	this_cpu_write(io_held_since, io_now());			\
} while (0)

#define spin_unlock_irqrestore(lock, flags) do {			\
	io_account_hold(io_now() - this_cpu_read(io_held_since));	\
	raw_spin_unlock_irqrestore(spinlock_check(lock), flags);	\
} while (0)

#endif
