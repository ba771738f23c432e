/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay - one op stream on one variant, every op timed with interrupts off.
 */
#ifndef KERNEL_REPLAY_H
#define KERNEL_REPLAY_H

#include "iova_variant.h"
#include "job.h"
#include "op.h"

/* The variant of this name among those linked into the module, or NULL. */
const struct iova_variant_ops *lab_find_variant(const char *name);

/* Fill in err and error of @result. */
void lab_fail(struct lab_result *result, int err, const char *what);

/*
 * Replay @job's @ops.  @pfns and @cycles have room for one per op: the answer
 * (the address freed, for a free), and the time from before the call to after
 * it, at most U32_MAX.  Fills in nr_done, err and error of @result.
 */
void lab_replay(const struct iova_variant_ops *variant,
		const struct lab_job *job, const struct replay_op *ops,
		u64 *pfns, u32 *cycles, struct lab_result *result);

/* Fill a domain with @nr_live pages, and have all CPUs ask for more; lockup.c. */
int lab_lockup(const struct iova_variant_ops *variant, unsigned int nr_live,
	       unsigned int rounds);

#endif
