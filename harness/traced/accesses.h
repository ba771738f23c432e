/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * accesses - counts objects that a variant uses, op by op.
 */
#ifndef TRACED_ACCESSES_H
#define TRACED_ACCESSES_H

/* The first byte of the slab object that @address lies in, or NULL. */
const void *traced_object(const void *address);

#endif
