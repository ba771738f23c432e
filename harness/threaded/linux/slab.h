/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - the slab of user space, with magazines per thread in front
 * (harness/threaded/slab.c) and books per thread; threaded builds only.
 */
#ifndef SHIM_THREADED_SLAB_H
#define SHIM_THREADED_SLAB_H

#include_next <linux/slab.h>

#include <linux/spinlock.h>

#define shim_memory	(this_cpu->books)

#endif
