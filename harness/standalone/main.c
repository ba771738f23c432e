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
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "replay.h"

struct answers {
	u64 progress;		/* index of the op under way */
	u64 done;		/* the replay came back */
	struct replay_result result;
	u64 pfns[];
};

static void *map(const char *path, int prot)
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
		fprintf(stderr, "usage: %s STREAM ANSWERS FLAGS FAIL_ALLOC_AT CPU_MS\n",
			argv[0]);
		return EXIT_FAILURE;
	}
	file = map(argv[1], PROT_READ);
	answers = map(argv[2], PROT_READ | PROT_WRITE);
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
