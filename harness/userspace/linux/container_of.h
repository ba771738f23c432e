/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - from a member back to its structure.  Costs nothing.
 */
#ifndef SHIM_LINUX_CONTAINER_OF_H
#define SHIM_LINUX_CONTAINER_OF_H

#include <stddef.h>

#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))

#endif
