/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * job - what the host asks of the module, and gets back, in memory they share.
 *
 * The memory is that of QEMU's ivshmem-plain device: a file for the host, plain
 * memory for the guest.  Nothing is copied, no driver or block layer runs beside
 * the replay, and what was written stays if the guest dies.
 *
 * It begins with a struct lab_header, then one struct lab_job for each job; the
 * rest lies where these say.  The module does the jobs in order.  The magic of a
 * struct lab_result is the last that it writes.
 *
 * iova_lab/kernel/shared.py has the same layouts.  Little-endian, no padding.
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
 * @variant: stem of its C file, ends in 0
 * @nr_ops: as in struct replay_stream; likewise all up to @start_pfn
 * @nr_slots: how many slots the ops name
 * @nr_domains: how many domains
 * @granule: bytes of a pfn
 * @start_pfn: lowest pfn of each domain
 * @ops_at: byte offset of an array of struct replay_op, as are all that follow
 * @pfns_at: of one u64 per op: its pfn, IOVA_REFUSED for none
 * @cycles_at: of one u32 per op: its time
 * @result_at: of the struct lab_result
 */
struct lab_job {
	char variant[32];
	u64 nr_ops;
	u64 nr_slots;
	u64 nr_domains;
	u64 granule;
	u64 start_pfn;
	u64 ops_at;
	u64 pfns_at;
	u64 cycles_at;
	u64 result_at;
};

/**
 * struct lab_result - how a job went
 * @magic: LAB_MAGIC once the job is done
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
