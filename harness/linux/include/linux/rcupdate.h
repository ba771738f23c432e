/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - the accesses of <linux/rbtree.h> under RCU, which the text
 * does not call.
 */
#ifndef SHIM_TEXT_RCUPDATE_H
#define SHIM_TEXT_RCUPDATE_H

#include <linux/compiler.h>

#define __rcu
#define rcu_dereference_raw(p)		READ_ONCE(p)
#define rcu_assign_pointer(p, value)	\
	__atomic_store_n(&(p), value, __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, value)	WRITE_ONCE(p, value)

#endif
