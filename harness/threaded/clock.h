/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clock - a clock that costs little enough to be read inside a lock.
 *
 * On x86 the time stamp counter, read in program order; elsewhere the system's
 * clock.  Only differences between two readings of one pinned thread are used,
 * so the counters of two CPUs need not agree.
 */
#ifndef THREADED_CLOCK_H
#define THREADED_CLOCK_H

#include <time.h>

#include <linux/types.h>

static inline u64 system_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#if defined(__x86_64__)
/* Waits for the loads before it, so that a lock is held when this is read. */
static inline u64 clock_ticks(void)
{
	unsigned int cpu;

	return __builtin_ia32_rdtscp(&cpu);
}
#else
static inline u64 clock_ticks(void)
{
	return system_ns();
}
#endif

/* Nanoseconds per tick, in units of 2^-32; see threads_run(). */
extern u64 clock_scale;

static inline u64 ticks_to_ns(u64 ticks)
{
	return (unsigned __int128)ticks * clock_scale >> 32;
}

#endif
