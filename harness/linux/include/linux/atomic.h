/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - the compiler's atomic builtins, as strong as the kernel's:
 * what returns a value is a full barrier, the others are none.  The flush queue
 * of v4.14 - v5.16 uses them.
 */
#ifndef SHIM_TEXT_ATOMIC_H
#define SHIM_TEXT_ATOMIC_H

#include <linux/types.h>

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

#define atomic_read(v)		\
	__atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)
#define atomic_set(v, i)	\
	__atomic_store_n(&(v)->counter, i, __ATOMIC_RELAXED)
#define atomic_inc(v)		\
	((void)__atomic_fetch_add(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_xchg(v, i)	\
	__atomic_exchange_n(&(v)->counter, i, __ATOMIC_SEQ_CST)
#define atomic_cmpxchg(v, old, new)	\
	__sync_val_compare_and_swap(&(v)->counter, old, new)

#define atomic64_read(v)	atomic_read(v)
#define atomic64_set(v, i)	atomic_set(v, i)
#define atomic64_inc(v)		atomic_inc(v)

#endif
