/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * account - counts and records calls, each CPU for itself, with interrupts off.
 */
#ifndef IO_ACCOUNT_H
#define IO_ACCOUNT_H

#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <asm/msr.h>

#include "report.h"

/* What passed the caches of a unit; one instruction each. */
struct io_tree_counts {
	u64 nr_allocs;
	u64 nr_frees;
	u64 nr_flushes;
};

DECLARE_PER_CPU(struct io_tree_counts, io_tree);
/* When this CPU took the lock that it holds; held.h. */
DECLARE_PER_CPU(u64, io_held_since);

/* Finds the memory that the host shows; 0 or a negative errno. */
int io_account_start(void);
void io_account_stop(void);

/* With QEMU's icount, this counter counts instructions. */
static __always_inline u64 io_now(void)
{
	return rdtsc();
}

/* This CPU's part of the phase that is under way. */
struct io_phase *io_phase_here(void);
struct io_header *io_header(void);

/* The call took @instructions for @size pfns. */
void io_account(enum io_call call, unsigned long size, u64 instructions,
		bool failed);
/* A lock was held so long. */
void io_account_hold(u64 instructions);
/* Ends the phase that is under way, and names it. */
int io_phase_end(const char *name);

DECLARE_STATIC_KEY_FALSE(io_recording);

void io_write_row(enum io_row_op op, u16 dom, unsigned long pfn,
		  unsigned long size, unsigned long limit_pfn, u8 flags);

/* Appends a row, if calls are recorded. */
static __always_inline void io_record(enum io_row_op op, u16 dom,
				      unsigned long pfn, unsigned long size,
				      unsigned long limit_pfn, u8 flags)
{
	if (static_branch_unlikely(&io_recording))
		io_write_row(op, dom, pfn, size, limit_pfn, flags);
}

#endif
