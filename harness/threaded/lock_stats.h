/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lock_stats - what one thread has waited for a lock, and how long it held it.
 */
#ifndef LOCK_STATS_H
#define LOCK_STATS_H

#include <linux/types.h>

/* Bin b counts what lasted [2^(b-1), 2^b) ns; bin 0 what lasted none. */
#define LOCK_NR_BINS	48

/* Whose lock it is: set where it is initialised. */
enum lock_class {
	LOCK_VARIANT, /* the variant's own */
	LOCK_DEPOT, /* one per order of the rcache */
	LOCK_CPU_CACHE, /* one per CPU and order; waits only for a flush */
	NR_LOCK_CLASSES,
};

/**
 * struct lock_stats - all acquisitions of one class by one thread, in ns
 * @nr: how many
 * @nr_queued: of these, behind another thread
 * @wait_ns: from the call to the moment when the lock is held
 * @hold_ns: from there to its release
 * @max_wait_ns: the longest wait
 * @max_hold_ns: the longest hold
 * @max_section_ns: the longest wait and hold in one: in a kernel, interrupts
 *	are off for that long
 * @waits: bins of the waits, by power of two
 * @holds: likewise, of the holds
 */
struct lock_stats {
	u64 nr;
	u64 nr_queued;
	u64 wait_ns;
	u64 hold_ns;
	u64 max_wait_ns;
	u64 max_hold_ns;
	u64 max_section_ns;
	u64 waits[LOCK_NR_BINS];
	u64 holds[LOCK_NR_BINS];
};

static inline unsigned int log2_bin(u64 ns)
{
	unsigned int bin = ns ? 64 - __builtin_clzll(ns) : 0;

	return bin < LOCK_NR_BINS ? bin : LOCK_NR_BINS - 1;
}

#endif
