// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads - one variant, one op stream, some threads, one process, no Python.
 *
 * Built with ThreadSanitizer: a lock that is missing is a data race, reported
 * with the lines of both accesses.
 *
 *	program STREAM PLAN
 *
 * STREAM is a struct replay_stream, whose ops pointer means nothing, and the ops.
 * PLAN is the number of threads as a u64; then the turn of each measured op and
 * the CPU of each thread, u32; then the thread of each measured op, u16.
 * Exit status 3, and a line on standard error: what the variant did wrong.
 */
#include <stdio.h>
#include <stdlib.h>

#include "file.h"
#include "threads.h"

int main(int argc, char **argv)
{
	struct threads_plan plan = { .flags = THREADS_YIELD };
	struct threads_result result = { 0 };
	struct threads_share *shares;
	struct replay_stream stream;
	char *file, *at;
	u64 nr;

	if (argc != 3) {
		fprintf(stderr, "usage: %s STREAM PLAN\n", argv[0]);
		return EXIT_FAILURE;
	}
	file = map_file(argv[1], PROT_READ);
	stream = *(struct replay_stream *)file;
	stream.ops = (void *)(file + sizeof(stream));
	nr = stream.nr_ops - stream.nr_ageing;
	at = map_file(argv[2], PROT_READ);
	plan.nr_threads = *(u64 *)at;
	at += sizeof(u64);
	plan.turn = (void *)at;
	plan.cpus = plan.turn + nr;
	plan.thread = (void *)(plan.cpus + plan.nr_threads);
	shares = calloc(plan.nr_threads, sizeof(*shares));
	if (!shares)
		return EXIT_FAILURE;
	if (threads_run(&stream, &plan, NULL, shares, &result)) {
		fprintf(stderr, "threads: %s\n", result.error);
		return 3;
	}
	free(shares);
	return EXIT_SUCCESS;
}
