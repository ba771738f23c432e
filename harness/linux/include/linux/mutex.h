/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: STUB - a mutex guards nothing: the text takes one only where a domain
 * comes or goes, which the harness does from one thread at a time.
 */
#ifndef SHIM_TEXT_MUTEX_H
#define SHIM_TEXT_MUTEX_H

struct mutex {
	bool held;
};

#define DEFINE_MUTEX(name)	struct mutex name
#define mutex_init(mutex)	((mutex)->held = false)
#define mutex_lock(mutex)	((mutex)->held = true)
#define mutex_unlock(mutex)	((mutex)->held = false)

#endif
