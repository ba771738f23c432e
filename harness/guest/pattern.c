// SPDX-License-Identifier: GPL-2.0-only
/*
 * pattern - words that follow from their place, written and compared.
 *
 * The loops are in assembly for one reason: how many instructions a word takes must
 * not depend on the compiler.
 */
#include "pattern.h"

#define STEP		0x9e3779b97f4a7c15ULL
#define FILL_WORD	5	/* instructions in the loop of load_fill() */
#define COMPARE_WORD	6	/* and in that of load_compare() */

static uint64_t pattern_at(uint64_t at, uint64_t seed)
{
	return (at / sizeof(uint64_t) + 1) * STEP + (seed << 48);
}

void load_fill(struct load_counts *counts, void *data, size_t bytes,
	       uint64_t at, uint64_t seed)
{
	uint64_t word = pattern_at(at, seed);
	uint64_t left = bytes / sizeof(word);
	uint64_t *place = data;

	counts->nr_pattern += left * FILL_WORD;
	__asm__ volatile(
		"1:	mov %[word], (%[place])\n"
		"	add %[step], %[word]\n"
		"	add $8, %[place]\n"
		"	dec %[left]\n"
		"	jnz 1b\n"
		: [word] "+r"(word), [place] "+r"(place), [left] "+r"(left)
		: [step] "r"(STEP)
		: "memory", "cc");
}

/* The first word that differs, or the end. */
static uint64_t pattern_differs(const uint64_t **place, uint64_t *word,
				uint64_t left)
{
	__asm__ volatile(
		"1:	cmp %[word], (%[place])\n"
		"	jne 2f\n"
		"	add %[step], %[word]\n"
		"	add $8, %[place]\n"
		"	dec %[left]\n"
		"	jnz 1b\n"
		"2:\n"
		: [word] "+r"(*word), [place] "+r"(*place), [left] "+r"(left)
		: [step] "r"(STEP)
		: "memory", "cc");
	return left;
}

void load_compare(struct load_counts *counts, const void *data, size_t bytes,
		  uint64_t at, uint64_t seed)
{
	uint64_t word = pattern_at(at, seed);
	uint64_t left = bytes / sizeof(word);
	const uint64_t *place = data;

	counts->nr_bytes += bytes;
	counts->nr_pattern += left * COMPARE_WORD;
	while (left) {
		left = pattern_differs(&place, &word, left);
		if (!left)
			break;
		counts->nr_corrupt++;
		word += STEP;
		place++;
		left--;
	}
}
