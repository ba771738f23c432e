/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - memcpy(), memset() and friends are the C library's.
 * Costs nothing; the kernel's own use rep movsb where these use vectors.
 */
#ifndef SHIM_LINUX_STRING_H
#define SHIM_LINUX_STRING_H

#include <string.h>

#endif
