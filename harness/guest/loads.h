/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * loads - real I/O in the guest; @words are what follows a load's name in its
 * specification.
 *
 * User space, static, C library only.
 */
#ifndef IO_LOADS_H
#define IO_LOADS_H

#include "pattern.h"

void load_disk(struct load_counts *counts, char *const *words);
void load_files(struct load_counts *counts, char *const *words);

/* A connection between two network namespaces, made before the sides fork. */
struct load_wire {
	int listener;
	char *const *words;
};

struct load_wire load_wire_make(char *const *words);
void load_send(struct load_counts *counts, const struct load_wire *wire);
void load_receive(struct load_counts *counts, const struct load_wire *wire);

#endif
