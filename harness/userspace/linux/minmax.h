/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - each argument is evaluated once.  Costs nothing.
 * Different: mixed types are accepted; the kernel refuses to compile them.
 */
#ifndef SHIM_LINUX_MINMAX_H
#define SHIM_LINUX_MINMAX_H

#define shim_pick(a, b, op) ({			\
	__typeof__(a) shim_a = (a);		\
	__typeof__(b) shim_b = (b);		\
	shim_a op shim_b ? shim_a : shim_b; })

#define min(a, b)		shim_pick(a, b, <)
#define max(a, b)		shim_pick(a, b, >)
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define clamp(val, lo, hi)	min((__typeof__(val))max(val, lo), hi)

#define swap(a, b) do {				\
	__typeof__(a) shim_t = (a);		\
	(a) = (b);				\
	(b) = shim_t;				\
} while (0)

#endif
