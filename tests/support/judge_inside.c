/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * judge_inside - judge.c with its insides open: what it keeps of each subtree, and
 * what it does with memory, of which each request can be refused.
 *
 * JUDGE_C is the file that is included, so that a mutant of it can be.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static long nr_blocks, nr_requests, refused;

/* The request of this number fails, counted from now; 0: none. */
void inside_refuse(long number)
{
	nr_requests = 0;
	refused = number;
}

/* Blocks of memory that have not been freed. */
long inside_nr_blocks(void)
{
	return nr_blocks;
}

static bool is_refused(void)
{
	return ++nr_requests == refused;
}

static void *inside_calloc(size_t nr, size_t size)
{
	void *block = is_refused() ? NULL : calloc(nr, size);

	nr_blocks += !!block;
	return block;
}

/* What is new is not cleared: what is read must have been written. */
static void *inside_realloc(void *old, size_t size)
{
	size_t had = malloc_usable_size(old);
	char *block = is_refused() ? NULL : realloc(old, size);

	if (!block)
		return NULL;
	nr_blocks += !old;
	had = old && had < size ? had : old ? size : 0;
	memset(block + had, 0xa5, malloc_usable_size(block) - had);
	return block;
}

static void inside_free(void *block)
{
	nr_blocks -= !!block;
	free(block);
}

#define calloc	inside_calloc
#define realloc inside_realloc
#define free	inside_free
#include JUDGE_C
#undef calloc
#undef realloc
#undef free

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Does each subtree have the largest extent of its gaps, no more and no less? */
static bool is_exact_below(const struct judge *j, uint32_t r)
{
	const struct range *range = &j->ranges[r];
	unsigned int a;

	if (r == NONE)
		return true;
	for (a = 0; a < j->nr_aligns; a++) {
		uint64_t below = larger(most(j, range->left)[a],
					most(j, range->right)[a]);
		uint64_t own = extent(j, r, j->aligns[a], range->lo);

		if (most(j, r)[a] != larger(own, below))
			return false;
	}
	return is_exact_below(j, range->left) && is_exact_below(j, range->right);
}

bool inside_is_exact(const struct judge *j)
{
	unsigned int a;

	for (a = 0; a < j->nr_aligns; a++)
		if (most(j, NONE)[a])
			return false;
	return is_exact_below(j, j->root);
}

static unsigned int depth(const struct judge *j, uint32_t r)
{
	unsigned int left, right;

	if (r == NONE)
		return 0;
	left = depth(j, j->ranges[r].left);
	right = depth(j, j->ranges[r].right);
	return 1 + (left > right ? left : right);
}

/* Ranges on the longest way down. */
unsigned int inside_depth(const struct judge *j)
{
	return depth(j, j->root);
}

/* Places for ranges, used or not. */
uint32_t inside_nr_room(const struct judge *j)
{
	return j->nr_room;
}
