/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: STUB - what every <linux/spinlock.h> of the shim has besides its lock.
 * Different: there are no interrupts here, so _irqsave saves nothing and costs
 * nothing (in the kernel pushf/cli/popf, some 10 ns).
 */
#ifndef SHIM_SPIN_H
#define SHIM_SPIN_H

static inline void shim_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#define spin_lock_irqsave(lock, flags) do {	\
	(flags) = 0;				\
	spin_lock(lock);			\
} while (0)

#define spin_unlock_irqrestore(lock, flags) do {	\
	(void)(flags);					\
	spin_unlock(lock);				\
} while (0)

#endif
