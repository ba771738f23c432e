// SPDX-License-Identifier: GPL-2.0-only
/*
 * held - the unit, which counts how long the variant holds its lock.
 */
#define IO_HELD
#include "unit.c"
