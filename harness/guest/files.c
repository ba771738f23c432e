// SPDX-License-Identifier: GPL-2.0-only
/*
 * files - a filesystem: files are written, synced, dropped from memory, read.
 *
 * A few at a time, so that the room they take does not grow with their number.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loads.h"
#include "rendezvous.h"

/* Written before any is read, and the names that are written again. */
#define FILES_AT_ONCE	16

struct files {
	const char *folder;
	uint64_t nr_chunks, seed;
	char *data;
};

struct files_path {
	char text[256];
};

static struct files_path files_path(const struct files *files, uint64_t index)
{
	struct files_path path;

	snprintf(path.text, sizeof(path.text), "%s/%llu", files->folder,
		 (unsigned long long)index % FILES_AT_ONCE);
	return path;
}

static int files_open(const struct files *files, uint64_t index, int flags)
{
	struct files_path path = files_path(files, index);
	int file = open(path.text, flags, 0600);

	if (file < 0)
		load_die(path.text);
	return file;
}

static void files_write(struct load_counts *counts, const struct files *files,
			uint64_t index)
{
	int file = files_open(files, index, O_WRONLY | O_CREAT | O_TRUNC);
	uint64_t i;

	for (i = 0; i < files->nr_chunks; i++) {
		load_fill(counts, files->data, LOAD_CHUNK, i * LOAD_CHUNK,
			  files->seed + index);
		if (write(file, files->data, LOAD_CHUNK) != LOAD_CHUNK)
			load_die("write");
		counts->nr_ops++;
	}
	if (fsync(file) || close(file))
		load_die("fsync");
}

static void files_read(struct load_counts *counts, const struct files *files,
		       uint64_t index)
{
	int file = files_open(files, index, O_RDONLY);
	uint64_t i;

	for (i = 0; i < files->nr_chunks; i++) {
		if (read(file, files->data, LOAD_CHUNK) != LOAD_CHUNK)
			load_die("read");
		load_compare(counts, files->data, LOAD_CHUNK, i * LOAD_CHUNK,
			     files->seed + index);
		counts->nr_ops++;
	}
	close(file);
}

/* So that a read is one of the disk. */
static void files_drop(void)
{
	int file = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (file < 0 || write(file, "1", 1) != 1)
		load_die("drop_caches");
	close(file);
}

static void files_remove(const struct files *files, uint64_t index)
{
	struct files_path path = files_path(files, index);

	if (unlink(path.text))
		load_die(path.text);
}

/* Every second one is removed again; the others, when their name comes again. */
static void files_round(struct load_counts *counts, const struct files *files,
			uint64_t first, uint64_t end)
{
	uint64_t i;

	for (i = first; i < end; i++)
		files_write(counts, files, i);
	files_drop();
	for (i = first; i < end; i++)
		files_read(counts, files, i);
	for (i = first; i < end; i += 2)
		files_remove(files, i);
}

/* FOLDER NR_FILES CHUNKS_EACH SEED */
void load_files(struct load_counts *counts, char *const *words)
{
	uint64_t nr_files = strtoull(words[1], NULL, 0), i;
	struct files files = {
		.folder = words[0],
		.nr_chunks = strtoull(words[2], NULL, 0),
		.seed = strtoull(words[3], NULL, 0),
		.data = aligned_alloc(4096, LOAD_CHUNK),
	};

	if (!files.data)
		load_die("memory");
	load_ready();
	for (i = 0; i < nr_files; i += FILES_AT_ONCE)
		files_round(counts, &files, i,
			    nr_files - i < FILES_AT_ONCE ? nr_files :
							   i + FILES_AT_ONCE);
}
