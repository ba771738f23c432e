// SPDX-License-Identifier: GPL-2.0-only
/*
 * standalone - one variant, one op stream, one process, no Python.
 *
 * For a variant that nobody trusts yet: built with sanitizers, run with a limit
 * of processor time, and every answer lies in a file before the next op begins,
 * so that whoever outlives the process knows how far it came and what it said.
 *
 *	program STREAM ANSWERS FLAGS FAIL_ALLOC_AT CPU_MS
 *
 * STREAM is a struct replay_stream, whose ops pointer means nothing, and the ops.
 * ANSWERS is made by the caller: a struct answers with room for a pfn per op.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "file.h"
#include "replay.h"

struct answers {
	u64 progress; /* index of the op under way */
	u64 done; /* the replay came back */
	struct replay_result result;
	u64 pfns[];
};

/* The sanitizer prints where an abort came from: that is where it hangs. */
static void out_of_time(int signal)
{
	abort();
}

/* Of this process alone: how busy the machine is does not matter. */
static void limit_cpu(unsigned long ms)
{
	struct itimerval timer = {
		.it_value = { ms / 1000, ms % 1000 * 1000 },
	};
	struct rlimit no_core = { 0, 0 };

	signal(SIGVTALRM, out_of_time);
	setitimer(ITIMER_VIRTUAL, &timer, NULL);
	setrlimit(RLIMIT_CORE, &no_core);
}

int main(int argc, char **argv)
{
	struct replay_stream stream;
	struct replay_watch watch = { 0 };
	struct answers *answers;
	char *file;

	if (argc != 6) {
		fprintf(stderr,
			"usage: %s STREAM ANSWERS FLAGS FAIL_ALLOC_AT CPU_MS\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	file = map_file(argv[1], PROT_READ);
	answers = map_file(argv[2], PROT_READ | PROT_WRITE);
	stream = *(struct replay_stream *)file;
	stream.ops = (void *)(file + sizeof(stream));
	watch.flags = strtoul(argv[3], NULL, 0);
	watch.fail_alloc_at = strtoull(argv[4], NULL, 0);
	watch.progress = &answers->progress;
	watch.pfns = answers->pfns;
	/* The timer ends a loop inside it, with the line where it loops. */
	watch.max_visits = REPLAY_UNBOUNDED;
	limit_cpu(strtoul(argv[5], NULL, 0));
	replay_run(&stream, &watch, &answers->result);
	answers->done = 1;
	return EXIT_SUCCESS;
}
