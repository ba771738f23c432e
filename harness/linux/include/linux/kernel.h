/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - the general helpers of the kernel, and all other headers of
 * this shim: a kernel header includes more than it names.  Costs nothing.
 * Different: PAGE_SIZE is the largest granule that the lab asks for, because the
 * kernel allows no granule above it.
 */
#ifndef SHIM_TEXT_KERNEL_H
#define SHIM_TEXT_KERNEL_H

#include_next <linux/kernel.h>

#include <linux/bitops.h>
#include <linux/string.h>

#define PAGE_SHIFT		31
#define PAGE_SIZE		(1UL << PAGE_SHIFT)

#define ALIGN(x, a)		(((x) + ((a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define order_base_2(n)		((n) > 1 ? fls64((n) - 1) : 0)
#define __roundup_pow_of_two(n)	roundup_pow_of_two(n)

/* For #if alone; an option that is not set counts as 0 there. */
#define IS_ENABLED(option)	(option)
#define IS_REACHABLE(option)	(option)
#define CONFIG_IOMMU_IOVA	1
#define CONFIG_64BIT		1

#undef static_assert
#define static_assert(is, ...)	_Static_assert(is, #is)
#define BUILD_BUG_ON(is)	_Static_assert(!(is), #is)

#define __init
#define __exit
#define __force
#define __user
#define __must_check
#define __read_mostly
#define __aligned(bytes)		__attribute__((__aligned__(bytes)))
#define ____cacheline_aligned		__aligned(64)
#define ____cacheline_aligned_in_smp	____cacheline_aligned
#define fallthrough			__attribute__((__fallthrough__))
#define barrier()			__asm__ volatile("" : : : "memory")
#define smp_mb()			__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_wmb()			__atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_rmb()			__atomic_thread_fence(__ATOMIC_ACQUIRE)

typedef u64 dma_addr_t;
typedef u64 phys_addr_t;
#define DMA_BIT_MASK(n)		((n) == 64 ? ~0ULL : (1ULL << (n)) - 1)

#define ERR_PTR(error)		((void *)(long)(error))
#define PTR_ERR(ptr)		((long)(ptr))
#define IS_ERR(ptr)		((unsigned long)(ptr) >= (unsigned long)-4095)

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/kmemleak.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

#endif
