/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - BUG() prints its place and ends the process; WARN() prints
 * its place the first time that it fires, and goes on.  Costs the test of the
 * condition, as in the kernel.  Messages for the log are dropped.
 */
#ifndef SHIM_TEXT_BUG_H
#define SHIM_TEXT_BUG_H

#include <stdio.h>
#include <stdlib.h>

#include <linux/compiler.h>
#include <linux/types.h>

#define BUG() do {							\
	dprintf(2, "kernel BUG at %s:%d\n", __FILE__, __LINE__);	\
	abort();							\
} while (0)

#define BUG_ON(condition) do {	\
	if (unlikely(condition))	\
		BUG();			\
} while (0)

#define WARN_ON(condition) ({						\
	static bool shim_warned;					\
	bool shim_wrong = !!(condition);				\
	if (unlikely(shim_wrong && !shim_warned)) {			\
		shim_warned = true;					\
		dprintf(2, "WARNING at %s:%d\n", __FILE__, __LINE__);	\
	}								\
	unlikely(shim_wrong); })

#define WARN(condition, ...)		WARN_ON(condition)
#define WARN_ONCE(condition, ...)	WARN_ON(condition)
#define WARN_ON_ONCE(condition)		WARN_ON(condition)

#define printk(...)		do { } while (0)
#define pr_err(...)		do { } while (0)
#define pr_warn(...)		do { } while (0)
#define pr_info(...)		do { } while (0)

#endif
