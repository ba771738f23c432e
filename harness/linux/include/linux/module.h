/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - libc's headers have one of this name, which is not meant.
 */
#include <linux/export.h>
