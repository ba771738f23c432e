/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: STUB - timers are never started: they belong to the flush queue, which
 * v4.14 - v5.16 keep in this file, and which no op of the lab uses.
 */
#ifndef SHIM_TEXT_TIMER_H
#define SHIM_TEXT_TIMER_H

#include <linux/container_of.h>

struct timer_list {
	bool pending;
};

#define jiffies			0UL
#define msecs_to_jiffies(ms)	((unsigned long)(ms))

#define timer_setup(timer, function, flags)	\
	((void)(function), (timer)->pending = false)
#define setup_timer(timer, function, data)	\
	((void)(function), (void)(data), (timer)->pending = false)
#define mod_timer(timer, expires)	((timer)->pending = (expires) | 1)
#define timer_pending(timer)		((timer)->pending)
#define del_timer(timer)		((timer)->pending = false)
#define del_timer_sync(timer)		del_timer(timer)
#define timer_delete(timer)		del_timer(timer)
#define timer_delete_sync(timer)	del_timer(timer)
#define from_timer(var, timer, field)	\
	container_of(timer, __typeof__(*(var)), field)
#define timer_container_of(var, timer, field)	from_timer(var, timer, field)

#endif
