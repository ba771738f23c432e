// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk - direct I/O on a block device, many requests at a time.
 *
 * A batch is as many requests as the queue is deep: all are submitted, then all are
 * waited for, so neither writing nor comparing the pattern runs beside I/O.  Blocks
 * come in an order in which no two neighbours follow each other, or the block layer
 * would merge them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loads.h"
#include "rendezvous.h"

struct disk {
	int file;
	aio_context_t context;
	uint64_t block, nr_blocks, depth, seed;
	char *data;
	struct iocb *requests, **pointers;
	struct io_event *events;
};

static uint64_t disk_place(const struct disk *disk, uint64_t index)
{
	/* Odd, so it has no divisor in common with the number of blocks. */
	return index * 37 % disk->nr_blocks * disk->block;
}

/* @first: index of the batch's first request. */
static void disk_batch(const struct disk *disk, uint64_t first, int opcode)
{
	uint64_t i;

	for (i = 0; i < disk->depth; i++)
		disk->requests[i] = (struct iocb){
			.aio_fildes = disk->file,
			.aio_lio_opcode = opcode,
			.aio_buf = (uintptr_t)disk->data + i * disk->block,
			.aio_nbytes = disk->block,
			.aio_offset = disk_place(disk, first + i),
		};
	for (i = 0; i < disk->depth;) {
		long nr = syscall(SYS_io_submit, disk->context, disk->depth - i,
				  disk->pointers + i);

		if (nr <= 0)
			load_die("io_submit");
		i += nr;
	}
	if (syscall(SYS_io_getevents, disk->context, disk->depth, disk->depth,
		    disk->events, NULL) != (long)disk->depth)
		load_die("io_getevents");
	for (i = 0; i < disk->depth; i++)
		if (disk->events[i].res != (int64_t)disk->block) {
			fprintf(stderr, "iova_lab: an I/O returned %lld\n",
				(long long)disk->events[i].res);
			exit(1);
		}
}

static void disk_write(struct load_counts *counts, const struct disk *disk,
		       uint64_t first)
{
	uint64_t i;

	for (i = 0; i < disk->depth; i++)
		load_fill(counts, disk->data + i * disk->block, disk->block,
			  disk_place(disk, first + i), disk->seed);
	disk_batch(disk, first, IOCB_CMD_PWRITE);
	counts->nr_ops += disk->depth;
}

static void disk_read(struct load_counts *counts, const struct disk *disk,
		      uint64_t first)
{
	uint64_t i;

	disk_batch(disk, first, IOCB_CMD_PREAD);
	for (i = 0; i < disk->depth; i++)
		load_compare(counts, disk->data + i * disk->block, disk->block,
			     disk_place(disk, first + i), disk->seed);
	counts->nr_ops += disk->depth;
}

static struct disk disk_open(const char *path, uint64_t block, uint64_t depth)
{
	struct disk disk = { .block = block, .depth = depth };
	uint64_t bytes, i;

	disk.file = open(path, O_RDWR | O_DIRECT);
	if (disk.file < 0 || ioctl(disk.file, BLKGETSIZE64, &bytes))
		load_die(path);
	/* Prime to disk_place()'s factor. */
	disk.nr_blocks = bytes / block;
	if (disk.nr_blocks % 37 == 0)
		disk.nr_blocks--;
	if (syscall(SYS_io_setup, depth, &disk.context))
		load_die("io_setup");
	disk.data = aligned_alloc(4096, block * depth);
	disk.requests = calloc(depth, sizeof(*disk.requests));
	disk.pointers = calloc(depth, sizeof(*disk.pointers));
	disk.events = calloc(depth, sizeof(*disk.events));
	if (!disk.data || !disk.requests || !disk.pointers || !disk.events)
		load_die("memory");
	for (i = 0; i < depth; i++)
		disk.pointers[i] = &disk.requests[i];
	memset(disk.data, 0, block * depth);
	return disk;
}

/* DEVICE BLOCK DEPTH NR_BATCHES SEED */
void load_disk(struct load_counts *counts, char *const *words)
{
	struct disk disk = disk_open(words[0], strtoull(words[1], NULL, 0),
				     strtoull(words[2], NULL, 0));
	uint64_t nr_batches = strtoull(words[3], NULL, 0), first, round, i;
	uint64_t round_size = disk.nr_blocks / disk.depth;

	load_ready();
	/* What is written is read before it is written again. */
	for (first = 0; first < nr_batches; first += round) {
		round = nr_batches - first;
		if (round > round_size)
			round = round_size;
		disk.seed = strtoull(words[4], NULL, 0) + first;
		for (i = 0; i < round; i++)
			disk_write(counts, &disk, i * disk.depth);
		/* Not to be found where a read leaves something out. */
		load_fill(counts, disk.data, disk.block * disk.depth, 0, ~0ULL);
		for (i = 0; i < round; i++)
			disk_read(counts, &disk, i * disk.depth);
	}
}
