// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_load - runs loads as one phase, and prints what the phase took.
 *
 *	io_load spin COUNTER			count for ever, at the lowest priority
 *	io_load phase NAME COUNTER SPEC...	one process for each load, all at once
 *
 * SPEC is rest, disk:DEVICE:BLOCK:DEPTH:NR_BATCHES:SEED, files:FOLDER:NR:CHUNKS:SEED or
 * net:LISTENER:SENDER:ADDRESS:PORT:NR_CHUNKS:SEED.
 *
 * Where one instruction takes one tick of the time stamp counter, an idle CPU's
 * counter goes on as well.  So the CPU is never idle: what no load and no kernel
 * thread uses goes to the process that spins, and it counts.  Timer interrupts
 * come meanwhile too: how many is printed, and what one takes is what is left of
 * a phase with the load "rest".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "loads.h"
#include "rendezvous.h"

#define SPIN_INSTRUCTIONS	2 /* of one count */
#define MAX_LOADS		16
#define MAX_WORDS		8
#define PHASE_PARAMETER		"/sys/module/iova_io/parameters/phase"

static uint64_t *map_counter(const char *path)
{
	int file = open(path, O_RDWR | O_CREAT, 0600);
	uint64_t *counter;

	if (file < 0 || ftruncate(file, sizeof(*counter)))
		load_die(path);
	counter = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE,
		       MAP_SHARED, file, 0);
	if (counter == MAP_FAILED)
		load_die("mmap");
	return counter;
}

static _Noreturn void spin(const char *path)
{
	const struct sched_param parameter = { 0 };
	uint64_t *counter = map_counter(path);

	*counter = 0;
	if (sched_setscheduler(0, SCHED_IDLE, &parameter))
		load_die("sched_setscheduler");
	for (;;)
		__asm__ volatile("1:	addq $1, (%0)\n"
				 "	jmp 1b\n"
				 :
				 : "r"(counter)
				 : "memory", "cc");
}

/* Where the livepatch is not loaded, it has no parameter. */
static void end_phase(const char *name)
{
	int file = open(PHASE_PARAMETER, O_WRONLY);

	if (file < 0)
		return;
	if (write(file, name, strlen(name)) != (ssize_t)strlen(name))
		load_die(PHASE_PARAMETER);
	close(file);
}

/* Timer interrupts of the first CPU, the only one. */
static uint64_t nr_timer_interrupts(void)
{
	unsigned long long nr = 0;
	FILE *file = fopen("/proc/interrupts", "r");
	char line[256];

	if (!file)
		load_die("/proc/interrupts");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " LOC: %llu", &nr) == 1)
			break;
	fclose(file);
	return nr;
}

static void split(char *spec, char **words)
{
	int nr = 0;

	while (nr < MAX_WORDS - 1 && (words[nr] = strsep(&spec, ":")))
		nr++;
	words[nr] = NULL;
}

static void run(void (*load)(struct load_counts *, const struct load_wire *),
		struct load_counts *counts, const struct load_wire *wire)
{
	pid_t child = fork();

	if (child < 0)
		load_die("fork");
	if (child)
		return;
	load(counts, wire);
	load_done();
}

static void run_rest(struct load_counts *counts, const struct load_wire *wire)
{
	(void)counts;
	(void)wire;
	load_ready();
	sleep(1);
}

static void run_disk(struct load_counts *counts, const struct load_wire *wire)
{
	load_disk(counts, wire->words);
}

static void run_files(struct load_counts *counts, const struct load_wire *wire)
{
	load_files(counts, wire->words);
}

/* Returns how many processes it takes. */
static int start(char *spec, struct load_counts *counts)
{
	char **words = calloc(MAX_WORDS, sizeof(*words));
	struct load_wire wire;

	if (!words)
		load_die("memory");
	split(spec, words);
	wire.words = words + 1;
	if (!strcmp(words[0], "rest")) {
		run(run_rest, counts, &wire);
	} else if (!strcmp(words[0], "disk")) {
		run(run_disk, counts, &wire);
	} else if (!strcmp(words[0], "files")) {
		run(run_files, counts, &wire);
	} else if (!strcmp(words[0], "net")) {
		wire = load_wire_make(words + 1);
		run(load_receive, &counts[0], &wire);
		run(load_send, &counts[1], &wire);
		return 2;
	} else {
		fprintf(stderr, "iova_lab: no load %s\n", words[0]);
		exit(1);
	}
	return 1;
}

static int phase(const char *name, const char *counter, char **specs, int nr)
{
	struct load_counts *counts, sum = { 0 };
	const uint64_t *spun = map_counter(counter);
	uint64_t ticks, idle, interrupts;
	int i, status, failed = 0, nr_processes = 0;

	counts = mmap(NULL, 2 * MAX_LOADS * sizeof(*counts),
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (counts == MAP_FAILED || nr > MAX_LOADS)
		load_die("loads");
	rendezvous_make();
	for (i = 0; i < nr; i++)
		nr_processes += start(specs[i], &counts[2 * i]);
	rendezvous_wait(nr_processes);
	end_phase("between");
	interrupts = nr_timer_interrupts();
	idle = *(volatile const uint64_t *)spun;
	ticks = __rdtsc();
	rendezvous_begin();
	rendezvous_wait(nr_processes);
	ticks = __rdtsc() - ticks;
	idle = *(volatile const uint64_t *)spun - idle;
	interrupts = nr_timer_interrupts() - interrupts;
	end_phase(name);
	rendezvous_end();
	while (wait(&status) > 0)
		failed += status != 0;
	for (i = 0; i < 2 * nr; i++) {
		sum.nr_ops += counts[i].nr_ops;
		sum.nr_bytes += counts[i].nr_bytes;
		sum.nr_corrupt += counts[i].nr_corrupt;
		sum.nr_pattern += counts[i].nr_pattern;
	}
	printf("iova_lab: phase %s %llu %llu %llu %llu %llu %llu %llu "
	       "%d\n",
	       name, (unsigned long long)ticks, (unsigned long long)interrupts,
	       (unsigned long long)(idle * SPIN_INSTRUCTIONS),
	       (unsigned long long)sum.nr_pattern,
	       (unsigned long long)sum.nr_ops, (unsigned long long)sum.nr_bytes,
	       (unsigned long long)sum.nr_corrupt, failed);
	return failed || sum.nr_corrupt;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "spin"))
		spin(argv[2]);
	if (argc > 4 && !strcmp(argv[1], "phase"))
		return phase(argv[2], argv[3], argv + 4, argc - 4);
	fprintf(stderr, "usage: io_load spin COUNTER | phase NAME COUNTER "
			"SPEC...\n");
	return 2;
}
