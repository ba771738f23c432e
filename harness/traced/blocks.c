// SPDX-License-Identifier: GPL-2.0-only
/*
 * blocks - counts basic blocks: an independent measure of a variant's work.
 *
 * The compiler calls __sanitizer_cov_trace_pc() at the begin of each; only the
 * variant and what it includes are compiled for that.
 */
#include "replay.h"

REPLAY_API u64 trace_blocks;

REPLAY_API void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
	trace_blocks++;
}
