/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report - what the livepatch leaves for the host, in memory that they share.
 *
 * The memory is QEMU's ivshmem-plain device, as for the module's jobs (job.h).  It
 * begins with a struct io_header; phases and recorded calls lie where that says.
 * Each phase is complete once the header counts it.
 *
 * iova_lab/kernel/io_memory.py has the same layouts.  Little-endian, no padding.
 */
#ifndef IO_REPORT_H
#define IO_REPORT_H

#include <linux/types.h>

#define IO_MAGIC	0x314f49424c41564fULL
#define IO_NR_SIZES	24	/* by log2 of pfns, rounded up */
#define IO_NR_BUCKETS	256

enum io_call {
	IO_ALLOC_FAST,
	IO_FREE_FAST,
	IO_ALLOC,
	IO_FREE,
	IO_RESERVE,
	IO_NR_CALLS,
};

/**
 * struct io_header - the first bytes of the shared memory
 * @magic: IO_MAGIC, written by the host
 * @max_phases: room for so many, likewise
 * @phases_at: byte offset of an array of struct io_phase, likewise
 * @max_rows: room for so many recorded calls; 0 records none
 * @rows_at: byte offset of an array of struct io_row
 * @nr_phases: that are complete
 * @nr_rows: calls recorded
 * @nr_unrecorded: calls for which there was no room
 * @nr_domains: handed over to the allocator
 * @nr_put: of these, given back
 * @nr_left: ranges that were live in a domain when it was given back, reserved
 *	ones not among them
 * @granule: of the first domain
 * @start_pfn: of the first domain
 * @floor: instructions of a call that does nothing, as they are counted
 */
struct io_header {
	u64 magic;
	u64 max_phases;
	u64 phases_at;
	u64 max_rows;
	u64 rows_at;
	u64 nr_phases;
	u64 nr_rows;
	u64 nr_unrecorded;
	u64 nr_domains;
	u64 nr_put;
	u64 nr_left;
	u64 granule;
	u64 start_pfn;
	u64 floor;
};

/**
 * struct io_cost - all calls of one kind, or all holds of a domain's lock
 * @nr: how many
 * @nr_failed: of these, without an address
 * @nr_pfns: pfns of those that did not fail
 * @instructions: of all, @floor in each
 * @worst: of one
 * @buckets: how many by io_bucket() of their instructions
 */
struct io_cost {
	u64 nr;
	u64 nr_failed;
	u64 nr_pfns;
	u64 instructions;
	u64 worst;
	u32 buckets[IO_NR_BUCKETS];
};

/**
 * struct io_phase - what happened from the end of the phase before on
 * @name: as the script gave it, ends in 0
 * @calls: by enum io_call
 * @holds: of the locks of the variant; only where they are counted
 * @sizes: calls of alloc_iova_fast() by size
 * @nr_tree_allocs: requests that the caches did not serve
 * @nr_tree_frees: ranges that left the tree
 * @nr_flushes: requests that emptied the caches
 */
struct io_phase {
	char name[32];
	struct io_cost calls[IO_NR_CALLS];
	struct io_cost holds;
	u64 sizes[IO_NR_SIZES];
	u64 nr_tree_allocs;
	u64 nr_tree_frees;
	u64 nr_flushes;
};

/* One call, as docs/traces.md has it. */
struct io_row {
	u64 t_ns;
	u64 pfn;
	u64 limit_pfn;
	u32 size;
	u16 dom;
	u16 cpu;
	u8 op;
	u8 flags;
} __packed;

enum io_row_op {
	IO_ROW_ALLOC_FAST,
	IO_ROW_FREE_FAST,
	IO_ROW_ALLOC,
	IO_ROW_FREE,
	IO_ROW_RESERVE,
};

#define IO_ROW_WENT_ON		(1U << 0)
#define IO_ROW_IN_INTERRUPT	(1U << 1)
#define IO_ROW_SIZE_ALIGNED	(1U << 3)

#endif
