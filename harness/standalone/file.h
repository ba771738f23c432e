/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file - a whole file as memory, for the programs here.
 *
 * Who can't have it ends, with the reason on standard error.
 */
#ifndef STANDALONE_FILE_H
#define STANDALONE_FILE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* @prot as in mmap(); what is written with PROT_WRITE goes to the file. */
static inline void *map_file(const char *path, int prot)
{
	int fd = open(path, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
	struct stat stat;
	void *memory;

	if (fd < 0 || fstat(fd, &stat)) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	memory = mmap(NULL, stat.st_size, prot, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	close(fd);
	return memory;
}

#endif
