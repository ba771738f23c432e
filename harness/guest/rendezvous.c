// SPDX-License-Identifier: GPL-2.0-only
/*
 * rendezvous - processes that begin their loads together, and end together.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rendezvous.h"

/* Loads write a byte each; they wait for the end of file of the others. */
static int to_parent[2] = { -1, -1 }, begin[2], end[2];
static int ready; /* a load's own */

static void tell_parent(void)
{
	if (write(to_parent[1], "", 1) != 1)
		exit(1);
}

static void wait_for_parent(const int *pipe)
{
	char byte;

	close(pipe[1]);
	while (read(pipe[0], &byte, 1) > 0)
		;
}

void load_ready(void)
{
	ready = 1;
	tell_parent();
	wait_for_parent(begin);
}

_Noreturn void load_done(void)
{
	tell_parent();
	wait_for_parent(end);
	exit(0);
}

_Noreturn void load_die(const char *what)
{
	fprintf(stderr, "iova_lab: load failed: %s: %s\n", what,
		errno ? strerror(errno) : "fewer bytes than asked for");
	/* The parent waits for both bytes of each load. */
	if (!ready)
		tell_parent();
	tell_parent();
	exit(1);
}

void rendezvous_make(void)
{
	if (pipe(to_parent) || pipe(begin) || pipe(end))
		load_die("pipe");
}

void rendezvous_wait(int nr)
{
	char byte;

	while (nr-- && read(to_parent[0], &byte, 1) == 1)
		;
}

void rendezvous_begin(void)
{
	close(begin[1]);
}

void rendezvous_end(void)
{
	close(end[1]);
}
