// SPDX-License-Identifier: GPL-2.0-only
/*
 * steps - one replay in a process of its own, instruction by instruction.
 *
 *	steps VARIANT.so STREAM CHOSEN COUNTS
 *
 * STREAM is as for driver.c.  CHOSEN has a byte per op: not 0 for those that are
 * stepped.  Two u32 per op are written to COUNTS: its instructions, and those of
 * its longest section under the lock; 0 for ops that were not stepped.
 *
 * The processor traps after each instruction while its trap flag is set, and the
 * handler counts.  The code is that of the timed build, and nothing is added to
 * it.  A section begins behind the `lock xadd` that takes a ticket and ends with
 * the store after which the lock's two numbers are equal again.  Instructions of
 * the C library count only in a section: outside of it they are the slab's, which
 * is no part of a variant.  A repeated string instruction counts each repetition.
 */
#ifndef __x86_64__
#error "steps.c decodes x86-64"
#endif
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <linux/kernel.h>

#include "replay.h"
#include "replay_step.h"

#define TRAP_FLAG	0x100

static struct {
	unsigned long begin, end; /* of the variant's code */
	bool on;
	bool counts; /* the instruction that is executed next */
	const u32 *takes; /* ticket and owner of the lock that it takes */
	const u32 *held;
	u32 instructions, section, longest;
} steps;

static int die(const char *what)
{
	fprintf(stderr, "steps: %s\n", what);
	return EXIT_FAILURE;
}

/* Registers in the order of their numbers in an instruction. */
static const int gregs[] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* What a `lock xadd` of 32 bits at @at adds to; NULL for another instruction. */
static const u32 *xadd_target(const u8 *at, const greg_t *regs)
{
	const u8 *code = at;
	unsigned int mod, rm, rex = 0;
	long address;
	s32 far;

	if (*code++ != 0xf0)
		return NULL;
	if ((*code & 0xf0) == 0x40)
		rex = *code++;
	if (code[0] != 0x0f || code[1] != 0xc1)
		return NULL;
	mod = code[2] >> 6;
	rm = code[2] & 7;
	code += 3;
	if (mod == 3 || rex & 8)
		return NULL;
	if (mod == 0 && rm == 5) {
		memcpy(&far, code, sizeof(far));
		return (const u32 *)(code + sizeof(far) + far);
	}
	if (rm == 4 && (*code++ & 0x3f) != 0x24)
		return NULL;
	address = regs[gregs[rm | (rex & 1) << 3]];
	if (mod == 1)
		address += (signed char)*code;
	if (mod == 2) {
		memcpy(&far, code, sizeof(far));
		address += far;
	}
	return (const u32 *)address;
}

static void stop_steps(void);

static void count_executed(void)
{
	if (steps.counts || steps.held)
		steps.instructions++;
	if (steps.takes) {
		steps.held = steps.takes;
		steps.section = 0;
	} else if (steps.held) {
		steps.section++;
		if (steps.held[0] == steps.held[1]) {
			steps.longest = max(steps.longest, steps.section);
			steps.held = NULL;
		}
	}
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned long next = regs[REG_RIP];

	(void)number;
	(void)info;
	count_executed();
	if (next == (unsigned long)stop_steps) {
		regs[REG_EFL] &= ~TRAP_FLAG;
		steps.on = false;
		return;
	}
	steps.counts = next >= steps.begin && next < steps.end;
	steps.takes = steps.counts ? xadd_target((const u8 *)next, regs) : NULL;
}

static noinline void start_steps(void)
{
	steps.on = true;
	steps.counts = false;
	steps.takes = NULL;
	steps.held = NULL;
	steps.instructions = 0;
	steps.longest = 0;
	__asm__ volatile("pushfq\n\torq %0, (%%rsp)\n\tpopfq"
			 :
			 : "i"(TRAP_FLAG)
			 : "cc", "memory");
}

static noinline void stop_steps(void)
{
	__asm__ volatile("" : : : "memory");
}

static inline unsigned long swap_flags(unsigned long flags, bool set)
{
	unsigned long old;

	__asm__ volatile("pushfq\n\tpopq %0" : "=r"(old) : : "memory");
	if (!set)
		flags = old & ~(unsigned long)TRAP_FLAG;
	__asm__ volatile("pushq %0\n\tpopfq" : : "r"(flags) : "cc", "memory");
	return old;
}

/*
 * In place of the C library's, which the slab calls for whole arenas: a trap for
 * each byte takes a second.  Outside of a section nothing of it counts anyway.
 */
REPLAY_API void *memset(void *to, int byte, size_t nr)
{
	bool pause = steps.on && !steps.held;
	unsigned long flags = pause ? swap_flags(0, false) : 0;
	void *at = to;

	__asm__ volatile("rep stosb"
			 : "+D"(at), "+c"(nr)
			 : "a"(byte)
			 : "memory");
	if (pause)
		swap_flags(flags, true);
	return to;
}

static int note_code(struct dl_phdr_info *info, size_t size, void *within)
{
	unsigned long begin;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		if (!(info->dlpi_phdr[i].p_flags & PF_X) ||
		    (unsigned long)within - begin >= info->dlpi_phdr[i].p_memsz)
			continue;
		steps.begin = begin;
		steps.end = begin + info->dlpi_phdr[i].p_memsz;
		return 1;
	}
	return 0;
}

static void *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *bytes = NULL;

	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END)) {
		*size = ftell(file);
		rewind(file);
		bytes = malloc(*size + 1);
		if (bytes && fread(bytes, 1, *size, file) != *size) {
			free(bytes);
			bytes = NULL;
		}
	}
	fclose(file);
	return bytes;
}

struct world {
	const struct iova_variant_ops *variant;
	struct replay_hot hot;
	u32 *sizes;
	u64 *lows;
};

static u64 any_step(const struct world *world, const struct replay_op *op)
{
	bool sized = world->variant->flags & IOVA_V_FREE_NEEDS_SIZE;
	u32 *size = sized ? &world->sizes[op->slot] : NULL;

	if (op->flags & REPLAY_PACKED)
		return replay_packed_step(world->variant, world->hot, size, op,
					  &world->lows[op->dom]);
	if (sized)
		return replay_sized_step(world->variant, world->hot, size, op);
	return replay_step(world->variant, world->hot, op);
}

static bool run(const struct world *world, const struct replay_stream *stream,
		const u8 *chosen, FILE *file)
{
	u32 counts[2];
	u64 i;

	for (i = 0; i < stream->nr_ops; i++) {
		memset(counts, 0, sizeof(counts));
		if (chosen[i]) {
			start_steps();
			any_step(world, &stream->ops[i]);
			stop_steps();
			counts[0] = steps.instructions;
			counts[1] = steps.longest;
		} else {
			any_step(world, &stream->ops[i]);
		}
		if (fwrite(counts, sizeof(counts), 1, file) != 1)
			return false;
	}
	return true;
}

static bool make_world(struct world *world, const struct replay_stream *stream)
{
	size_t bytes = (world->variant->domain_size + 63) / 64 * 64;
	u64 i;

	world->hot.domain_stride = bytes;
	world->hot.domains = aligned_alloc(64, bytes * stream->nr_domains);
	world->hot.slots = calloc(stream->nr_slots + 1, sizeof(u64));
	world->sizes = calloc(stream->nr_slots + 1, sizeof(u32));
	world->lows = calloc(stream->nr_domains, sizeof(u64));
	if (!world->hot.domains || !world->hot.slots || !world->sizes ||
	    !world->lows)
		return false;
	memset(world->hot.domains, 0, bytes * stream->nr_domains);
	for (i = 0; i < stream->nr_domains; i++)
		if (world->variant->init_domain(replay_domain(world->hot, i),
						stream->granule,
						stream->start_pfn))
			return false;
	return true;
}

static void end_world(struct world *world, const struct replay_stream *stream)
{
	u64 i;

	for (i = 0; i < stream->nr_domains; i++)
		world->variant->put_domain(replay_domain(world->hot, i));
	free(world->hot.domains);
	free(world->hot.slots);
	free(world->sizes);
	free(world->lows);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_trap,
				    .sa_flags = SA_SIGINFO };
	struct replay_stream stream;
	size_t size = 0, nr_chosen = 0;
	struct world world;
	void *library, *find;
	u8 *bytes, *chosen;
	bool whole;
	FILE *file;

	if (argc != 5)
		return die("VARIANT.so STREAM CHOSEN COUNTS");
	library = dlopen(argv[1], RTLD_NOW);
	if (!library)
		return die(dlerror());
	find = dlsym(library, "replay_variant");
	if (!find)
		return die("no replay in the variant");
	world.variant = ((const struct iova_variant_ops *(*)(void))find)();
	bytes = read_file(argv[2], &size);
	chosen = read_file(argv[3], &nr_chosen);
	if (!bytes || !chosen || size < 6 * sizeof(u64))
		return die("the stream is cut short, or there is no memory");
	memcpy(&stream.nr_ops, bytes, 6 * sizeof(u64));
	stream.ops = (const struct replay_op *)(bytes + 6 * sizeof(u64));
	if (nr_chosen != stream.nr_ops ||
	    size != 6 * sizeof(u64) + stream.nr_ops * sizeof(*stream.ops))
		return die("the stream is cut short");
	if (!dl_iterate_phdr(note_code, (void *)world.variant->alloc))
		return die("the variant's code is nowhere");
	if (!make_world(&world, &stream))
		return die("no memory");
	file = fopen(argv[4], "wb");
	if (!file || sigaction(SIGTRAP, &action, NULL))
		return die("COUNTS can't be written");
	whole = run(&world, &stream, chosen, file);
	if (fclose(file) || !whole)
		return die("COUNTS can't be written");
	end_world(&world, &stream);
	free(bytes);
	free(chosen);
	return EXIT_SUCCESS;
}
