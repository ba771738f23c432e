/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * job - what the host asks of the module, and gets back, on two raw disks.
 *
 * The first disk begins with a struct lab_header, then one struct lab_job for
 * each job; op streams lie anywhere behind them.  The module does the jobs in
 * order.  For each it writes to the second disk, at @result_at, a struct
 * lab_result, then a u64 per op (its pfn, IOVA_REFUSED for none), then a u32
 * per op (its time); and fsyncs before it begins the next.
 *
 * iova_lab/kernel/jobs.py has the same layouts.  Little-endian, no padding.
 */
#ifndef JOB_H
#define JOB_H

#include <linux/types.h>

#define LAB_MAGIC	0x31424c41564f49ULL	/* "IOVALB1" */

struct lab_header {
	u64 magic;
	u64 nr_jobs;
};

/**
 * struct lab_job - replay one stream on one variant
 * @variant: its name, ends in 0
 * @ops_at: byte offset of the struct replay_op array on the first disk
 * @result_at: byte offset of the struct lab_result on the second
 */
struct lab_job {
	char variant[32];
	u64 ops_at;
	u64 nr_ops;
	u64 nr_slots;
	u64 nr_domains;
	u64 granule;
	u64 start_pfn;
	u64 result_at;
};

/**
 * struct lab_result - how a job went
 * @magic: LAB_MAGIC once all of the result is on the disk
 * @nr_done: ops that were done
 * @tsc_khz: cycles of the time stamp counter per ms, as the guest believes
 * @err: 0 or a negative errno
 * @error: what went wrong, ends in 0
 */
struct lab_result {
	u64 magic;
	u64 nr_done;
	u32 tsc_khz;
	s32 err;
	char error[104];
};

#endif
