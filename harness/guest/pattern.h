/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pattern - data that are checked, and what a load counts of them.
 *
 * Every word follows from where it lies and from a seed, so what is read can be
 * compared with what must have been written, and a block in the wrong place is as
 * wrong as a changed one.
 *
 * The pattern is written and compared by loops of a known number of instructions,
 * which the host subtracts: what remains is the kernel's work, and the calls.
 */
#ifndef IO_PATTERN_H
#define IO_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#define LOAD_CHUNK	65536	/* bytes of one write to a file or a socket */

/**
 * struct load_counts - what one load did; in memory that all loads share
 * @nr_ops: I/Os: a read or a write of one block, or of one chunk
 * @nr_bytes: that were read and compared
 * @nr_corrupt: words that were not what was written
 * @nr_pattern: instructions of the pattern's loops
 */
struct load_counts {
	uint64_t nr_ops;
	uint64_t nr_bytes;
	uint64_t nr_corrupt;
	uint64_t nr_pattern;
};

/* Words at @at of whatever is written, a disk, a file or a stream. */
void load_fill(struct load_counts *counts, void *data, size_t bytes,
	       uint64_t at, uint64_t seed);
void load_compare(struct load_counts *counts, const void *data, size_t bytes,
		  uint64_t at, uint64_t seed);

#endif
