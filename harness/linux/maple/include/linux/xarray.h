/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - entries of an xarray, of which a maple tree uses the coding:
 * the low bits tell a pointer (00) from a value (1) and from what is internal (10):
 *
 *	0 - 4094	advanced: internal, below the first node
 *	256, 257	retry, zero
 *	-4095 - -1	an error
 *
 * Costs nothing.  The array itself does not exist.
 */
#ifndef SHIM_MAPLE_XARRAY_H
#define SHIM_MAPLE_XARRAY_H

#include <linux/types.h>

#define XA_RETRY_ENTRY		xa_mk_internal(256)
#define XA_ZERO_ENTRY		xa_mk_internal(257)

static inline void *xa_mk_value(unsigned long value)
{
	return (void *)(value << 1 | 1);
}

static inline unsigned long xa_to_value(const void *entry)
{
	return (unsigned long)entry >> 1;
}

static inline bool xa_is_value(const void *entry)
{
	return (unsigned long)entry & 1;
}

static inline void *xa_mk_internal(unsigned long number)
{
	return (void *)(number << 2 | 2);
}

static inline unsigned long xa_to_internal(const void *entry)
{
	return (unsigned long)entry >> 2;
}

static inline bool xa_is_internal(const void *entry)
{
	return ((unsigned long)entry & 3) == 2;
}

static inline bool xa_is_zero(const void *entry)
{
	return entry == XA_ZERO_ENTRY;
}

static inline bool xa_is_advanced(const void *entry)
{
	return xa_is_internal(entry) && entry <= XA_RETRY_ENTRY;
}

static inline bool xa_is_node(const void *entry)
{
	return xa_is_internal(entry) && (unsigned long)entry > 4096;
}

static inline bool xa_is_err(const void *entry)
{
	return xa_is_internal(entry) && entry >= xa_mk_internal(-4095UL);
}

static inline int xa_err(void *entry)
{
	return xa_is_err(entry) ? (int)((long)entry >> 2) : 0;
}

#endif
