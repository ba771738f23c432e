/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - the release of the tree that the text is of, as its Makefile
 * has it; 0 where the tree has none.
 */
#ifndef SHIM_TEXT_VERSION_H
#define SHIM_TEXT_VERSION_H

#define KERNEL_VERSION(a, b, c)	(((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE	TEXT_VERSION

#endif
