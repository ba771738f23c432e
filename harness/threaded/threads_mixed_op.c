// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads_mixed_op - threads_op, for a stream in which some ops go past the rcache.
 */
#define THREADS_MIXED		true
#define threads_run_share	threads_run_mixed_share

#include "threads_op.c"
