/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - the general helpers that variants use.  Costs nothing.
 * Different: min(), max() and friends accept mixed types without complaint.
 */
#ifndef SHIM_LINUX_KERNEL_H
#define SHIM_LINUX_KERNEL_H

#include <errno.h>
#include <limits.h>

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/types.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#endif
