// SPDX-License-Identifier: GPL-2.0-only
/*
 * accesses - counts the objects that a variant uses: a measure of the nodes it
 * visits that the variant has no part in.
 *
 * The variant alone is compiled with -fsanitize=thread, and these functions
 * stand in for ThreadSanitizer's: the compiler calls one at each access to
 * memory, and at entry and exit of each function.  The outermost of these is
 * an op.  An object counts once an op: a slab object, or a cache line of other
 * memory.  The stack does not count.
 */
#include <stddef.h>

#include "accesses.h"
#include "replay.h"

#define CACHE_LINE	64UL
#define NR_SEEN		(1UL << 20)	/* more objects than that: not told apart */
#define STACK_BYTES	(1UL << 16)

REPLAY_API u64 trace_objects;

static struct {
	unsigned long key;
	u64 op;
} seen[NR_SEEN];
static u64 op, depth, nr_in_op;

static void note(unsigned long key)
{
	size_t at = (key * 0x9e3779b97f4a7c15UL) >> 44;

	while (seen[at].op == op && seen[at].key != key)
		at = (at + 1) % NR_SEEN;
	if (seen[at].op == op || nr_in_op == NR_SEEN - 1)
		return;
	seen[at].key = key;
	seen[at].op = op;
	nr_in_op++;
	trace_objects++;
}

static void touch(const void *address)
{
	unsigned long here = (unsigned long)__builtin_frame_address(0);
	const void *object;

	if ((unsigned long)address - here < STACK_BYTES)
		return;
	object = traced_object(address);
	note(object ? (unsigned long)object :
		      (unsigned long)address / CACHE_LINE * CACHE_LINE);
}

static void touch_all(const void *address, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i += sizeof(long))
		touch((const char *)address + i);
}

REPLAY_API void __tsan_init(void);
REPLAY_API void __tsan_func_entry(void *caller);
REPLAY_API void __tsan_func_exit(void);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	if (depth++)
		return;
	op++;
	nr_in_op = 0;
}

void __tsan_func_exit(void)
{
	depth--;
}

#define ACCESS(name)							\
	REPLAY_API void __tsan_##name(void *address);			\
	void __tsan_##name(void *address)				\
	{								\
		touch(address);						\
	}

#define ACCESSES(bytes)							\
	ACCESS(read##bytes)						\
	ACCESS(write##bytes)						\
	ACCESS(unaligned_read##bytes)					\
	ACCESS(unaligned_write##bytes)					\
	ACCESS(read_write##bytes)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

#define RANGE(name)							\
	REPLAY_API void __tsan_##name(void *address, size_t bytes);	\
	void __tsan_##name(void *address, size_t bytes)			\
	{								\
		touch_all(address, bytes);				\
	}

RANGE(read_range)
RANGE(write_range)

REPLAY_API void *__tsan_memset(void *to, int byte, size_t bytes);
REPLAY_API void *__tsan_memcpy(void *to, const void *from, size_t bytes);
REPLAY_API void *__tsan_memmove(void *to, const void *from, size_t bytes);

void *__tsan_memset(void *to, int byte, size_t bytes)
{
	touch_all(to, bytes);
	return __builtin_memset(to, byte, bytes);
}

void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
	return __tsan_memmove(to, from, bytes);
}

void *__tsan_memmove(void *to, const void *from, size_t bytes)
{
	touch_all(to, bytes);
	touch_all(from, bytes);
	return __builtin_memmove(to, from, bytes);
}

/* Atomic accesses; the lock's own are the only ones in most variants. */
#define FETCH(bits, type, how)						\
	REPLAY_API type __tsan_atomic##bits##_fetch_##how(		\
		volatile type *at, type value, int order);		\
	type __tsan_atomic##bits##_fetch_##how(				\
		volatile type *at, type value, int order)		\
	{								\
		touch((const void *)at);				\
		return __atomic_fetch_##how(at, value, __ATOMIC_SEQ_CST); \
	}

#define SWAP(bits, type, how)						\
	REPLAY_API int __tsan_atomic##bits##_compare_exchange_##how(	\
		volatile type *at, type *old, type value, int order,	\
		int otherwise);						\
	int __tsan_atomic##bits##_compare_exchange_##how(		\
		volatile type *at, type *old, type value, int order,	\
		int otherwise)						\
	{								\
		touch((const void *)at);				\
		return __atomic_compare_exchange_n(at, old, value, false, \
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);		\
	}

#define ATOMIC(bits, type)						\
	REPLAY_API type __tsan_atomic##bits##_load(			\
		const volatile type *at, int order);			\
	type __tsan_atomic##bits##_load(const volatile type *at, int order) \
	{								\
		touch((const void *)at);				\
		return __atomic_load_n(at, __ATOMIC_SEQ_CST);		\
	}								\
	REPLAY_API void __tsan_atomic##bits##_store(			\
		volatile type *at, type value, int order);		\
	void __tsan_atomic##bits##_store(				\
		volatile type *at, type value, int order)		\
	{								\
		touch((const void *)at);				\
		__atomic_store_n(at, value, __ATOMIC_SEQ_CST);		\
	}								\
	REPLAY_API type __tsan_atomic##bits##_exchange(			\
		volatile type *at, type value, int order);		\
	type __tsan_atomic##bits##_exchange(				\
		volatile type *at, type value, int order)		\
	{								\
		touch((const void *)at);				\
		return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST); \
	}								\
	FETCH(bits, type, add)						\
	FETCH(bits, type, sub)						\
	FETCH(bits, type, and)						\
	FETCH(bits, type, or)						\
	FETCH(bits, type, xor)						\
	SWAP(bits, type, strong)					\
	SWAP(bits, type, weak)

ATOMIC(8, u8)
ATOMIC(16, u16)
ATOMIC(32, u32)
ATOMIC(64, u64)

REPLAY_API void __tsan_atomic_thread_fence(int order);
REPLAY_API void __tsan_atomic_signal_fence(int order);

void __tsan_atomic_thread_fence(int order)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order)
{
}
