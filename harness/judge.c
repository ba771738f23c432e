// SPDX-License-Identifier: GPL-2.0-only
/*
 * judge - a treap of live ranges, each with the gap below it.
 *
 * For every alignment A in use a range knows the extent of its gap: from the
 * first multiple of A in the gap to the gap's end.  A request of that alignment
 * fits if and only if the extent is at least its size, so the maximum over a
 * subtree prunes exactly, and every question is O(log n).
 *
 *      ..|  range  |..a......A...........|  next  |..
 *                  gap_lo    <- extent ->
 *
 * The top range is a sentinel at ~0, above every limit.  A treap (random
 * priorities, split and merge), because the variants under judgement stand on
 * red-black trees: a mistake in one should not hide in the other.
 */
#include <stdlib.h>

#include "judge.h"

#define MAX_ALIGNS	64
#define NONE		0U
#define TOP		1U	/* the sentinel */

struct range {
	uint64_t lo, hi;
	uint64_t gap_lo;
	uint32_t left, right;
	uint32_t priority;
};

struct judge {
	struct range *ranges;
	uint64_t *most; /* [range][align]: extent, over the subtree */
	uint32_t nr_room, nr_used, free, root, random;
	uint64_t start_pfn;
	uint64_t aligns[MAX_ALIGNS];
	unsigned int nr_aligns;
};

/* From the first multiple of @align in the gap below range @r, to its end. */
static uint64_t extent(const struct judge *j, uint32_t r, uint64_t align,
		       uint64_t end)
{
	uint64_t low = j->ranges[r].gap_lo;

	if (low < j->start_pfn)
		low = j->start_pfn;
	low = (low + align - 1) & ~(align - 1);
	return low < end ? end - low : 0;
}

static uint64_t *most(const struct judge *j, uint32_t r)
{
	return &j->most[(size_t)r * j->nr_aligns];
}

static void pull(struct judge *j, uint32_t r)
{
	uint32_t left = j->ranges[r].left, right = j->ranges[r].right;
	unsigned int a;

	for (a = 0; a < j->nr_aligns; a++) {
		uint64_t value = extent(j, r, j->aligns[a], j->ranges[r].lo);

		if (most(j, left)[a] > value)
			value = most(j, left)[a];
		if (most(j, right)[a] > value)
			value = most(j, right)[a];
		most(j, r)[a] = value;
	}
}

/* Everything at or above @pfn goes to @high. */
static void split(struct judge *j, uint32_t r, uint64_t pfn, uint32_t *low,
		  uint32_t *high)
{
	if (r == NONE) {
		*low = *high = NONE;
	} else if (j->ranges[r].lo < pfn) {
		split(j, j->ranges[r].right, pfn, &j->ranges[r].right, high);
		*low = r;
		pull(j, r);
	} else {
		split(j, j->ranges[r].left, pfn, low, &j->ranges[r].left);
		*high = r;
		pull(j, r);
	}
}

static uint32_t merge(struct judge *j, uint32_t low, uint32_t high)
{
	if (low == NONE || high == NONE)
		return low | high;
	if (j->ranges[low].priority > j->ranges[high].priority) {
		j->ranges[low].right = merge(j, j->ranges[low].right, high);
		pull(j, low);
		return low;
	}
	j->ranges[high].left = merge(j, low, j->ranges[high].left);
	pull(j, high);
	return high;
}

/* Put range @r below @root; returns the new root. */
static uint32_t insert(struct judge *j, uint32_t root, uint32_t r)
{
	uint64_t lo = j->ranges[r].lo;

	if (root == NONE || j->ranges[r].priority > j->ranges[root].priority) {
		split(j, root, lo, &j->ranges[r].left, &j->ranges[r].right);
		pull(j, r);
		return r;
	}
	if (lo < j->ranges[root].lo)
		j->ranges[root].left = insert(j, j->ranges[root].left, r);
	else
		j->ranges[root].right = insert(j, j->ranges[root].right, r);
	pull(j, root);
	return root;
}

static uint32_t erase(struct judge *j, uint32_t root, uint64_t lo)
{
	if (j->ranges[root].lo == lo)
		return merge(j, j->ranges[root].left, j->ranges[root].right);
	if (lo < j->ranges[root].lo)
		j->ranges[root].left = erase(j, j->ranges[root].left, lo);
	else
		j->ranges[root].right = erase(j, j->ranges[root].right, lo);
	pull(j, root);
	return root;
}

/* The gap of the range at @lo has changed: pull it and all above it. */
static void refresh(struct judge *j, uint32_t root, uint64_t lo)
{
	if (lo < j->ranges[root].lo)
		refresh(j, j->ranges[root].left, lo);
	else if (lo > j->ranges[root].lo)
		refresh(j, j->ranges[root].right, lo);
	pull(j, root);
}

/* The lowest range that ends at or above @pfn; the sentinel at last. */
static uint32_t at_or_above(const struct judge *j, uint64_t pfn)
{
	uint32_t r = j->root, found = TOP;

	while (r != NONE) {
		if (j->ranges[r].hi >= pfn) {
			found = r;
			r = j->ranges[r].left;
		} else {
			r = j->ranges[r].right;
		}
	}
	return found;
}

static bool grow(struct judge *j)
{
	uint32_t nr_room = j->nr_room ? j->nr_room * 2 : 1024;
	void *ranges, *values;

	ranges = realloc(j->ranges, nr_room * sizeof(*j->ranges));
	if (!ranges)
		return false;
	j->ranges = ranges;
	values = realloc(j->most,
			 (size_t)nr_room * j->nr_aligns * sizeof(*j->most));
	if (!values)
		return false;
	j->most = values;
	j->nr_room = nr_room;
	return true;
}

static uint32_t new_range(struct judge *j, uint64_t lo, uint64_t hi,
			  uint64_t gap_lo)
{
	uint32_t r = j->free;

	if (r != NONE) {
		j->free = j->ranges[r].left;
	} else {
		if (j->nr_used == j->nr_room && !grow(j))
			return NONE;
		r = j->nr_used++;
	}
	/* xorshift32: priorities need no more, and must not vary by machine */
	j->random ^= j->random << 13;
	j->random ^= j->random >> 17;
	j->random ^= j->random << 5;
	j->ranges[r] = (struct range){
		.lo = lo,
		.hi = hi,
		.gap_lo = gap_lo,
		.priority = j->random,
	};
	return r;
}

struct judge *judge_new(uint64_t start_pfn, bool low_range,
			const uint64_t *aligns, unsigned int nr_aligns)
{
	struct judge *j = calloc(1, sizeof(*j));
	unsigned int a;

	if (!j || nr_aligns > MAX_ALIGNS)
		goto fail;
	j->random = 2463534242U;
	j->start_pfn = start_pfn;
	j->nr_aligns = nr_aligns;
	for (a = 0; a < nr_aligns; a++)
		j->aligns[a] = aligns[a];
	if (!grow(j))
		goto fail;
	j->ranges[NONE] = (struct range){ 0 };
	for (a = 0; a < nr_aligns; a++)
		j->most[a] = 0;
	j->nr_used = TOP;
	j->root = new_range(j, ~0ULL, ~0ULL, 0);
	pull(j, j->root);
	if (low_range && start_pfn && judge_add(j, 0, start_pfn - 1))
		goto fail;
	return j;
fail:
	judge_put(j);
	return NULL;
}

void judge_put(struct judge *j)
{
	if (!j)
		return;
	free(j->ranges);
	free(j->most);
	free(j);
}

/* The highest range at or below @limit_pfn whose gap has room. */
static uint32_t search(const struct judge *j, uint32_t r, unsigned int a,
		       uint64_t size, uint64_t limit_pfn)
{
	uint32_t found;

	if (most(j, r)[a] < size)
		return NONE;
	if (j->ranges[r].lo > limit_pfn)
		return search(j, j->ranges[r].left, a, size, limit_pfn);
	found = search(j, j->ranges[r].right, a, size, limit_pfn);
	if (found != NONE)
		return found;
	if (extent(j, r, j->aligns[a], j->ranges[r].lo) >= size)
		return r;
	return search(j, j->ranges[r].left, a, size, limit_pfn);
}

bool judge_highest_fit(const struct judge *j, uint64_t size, uint64_t align,
		       uint64_t limit_pfn, uint64_t *pfn_lo)
{
	uint32_t above = at_or_above(j, limit_pfn);
	uint64_t end = limit_pfn + 1;
	unsigned int a = 0;

	while (j->aligns[a] != align)
		a++;
	/* Only the gap that holds the limit is cut by it. */
	if (j->ranges[above].lo < end)
		end = j->ranges[above].lo;
	if (extent(j, above, align, end) < size) {
		above = search(j, j->root, a, size, limit_pfn);
		if (above == NONE)
			return false;
		end = j->ranges[above].lo;
	}
	*pfn_lo = (end - size) & ~(align - 1);
	return true;
}

const char *judge_add(struct judge *j, uint64_t pfn_lo, uint64_t pfn_hi)
{
	uint32_t next = at_or_above(j, pfn_lo), r;

	if (j->ranges[next].lo <= pfn_hi)
		return "overlaps a live range";
	r = new_range(j, pfn_lo, pfn_hi, j->ranges[next].gap_lo);
	if (r == NONE)
		return "is one more than the judge has memory for";
	j->ranges[next].gap_lo = pfn_hi + 1;
	j->root = insert(j, j->root, r);
	refresh(j, j->root, j->ranges[next].lo);
	return NULL;
}

bool judge_is_live(const struct judge *j, uint64_t pfn)
{
	uint32_t r = at_or_above(j, pfn);

	return r != TOP && j->ranges[r].lo <= pfn;
}

void judge_free(struct judge *j, uint64_t pfn)
{
	uint32_t r = at_or_above(j, pfn), next;

	if (r == TOP || j->ranges[r].lo > pfn)
		return;
	next = at_or_above(j, j->ranges[r].hi + 1);
	j->ranges[next].gap_lo = j->ranges[r].gap_lo;
	j->root = erase(j, j->root, j->ranges[r].lo);
	refresh(j, j->root, j->ranges[next].lo);
	j->ranges[r].left = j->free;
	j->free = r;
}

/* Ranges that the request meets grow downwards; what is left is new. */
const char *judge_reserve(struct judge *j, uint64_t pfn_lo, uint64_t pfn_hi)
{
	uint32_t r;

	for (;;) {
		r = at_or_above(j, pfn_lo);
		if (r == TOP || j->ranges[r].lo > pfn_hi)
			return judge_add(j, pfn_lo, pfn_hi);
		if (j->ranges[r].lo > pfn_lo) {
			j->ranges[r].lo = pfn_lo;
			refresh(j, j->root, pfn_lo);
		}
		if (pfn_hi <= j->ranges[r].hi)
			return NULL;
		pfn_lo = j->ranges[r].hi + 1;
	}
}

const char *judge_reserve_merged(struct judge *j, uint64_t pfn_lo,
				 uint64_t pfn_hi)
{
	uint32_t r;

	for (;;) {
		r = at_or_above(j, pfn_lo);
		if (r == TOP || j->ranges[r].lo > pfn_hi)
			return judge_add(j, pfn_lo, pfn_hi);
		if (j->ranges[r].lo < pfn_lo)
			pfn_lo = j->ranges[r].lo;
		if (j->ranges[r].hi > pfn_hi)
			pfn_hi = j->ranges[r].hi;
		judge_free(j, j->ranges[r].lo);
	}
}

const char *judge_reserve_free(struct judge *j, uint64_t pfn_lo,
			       uint64_t pfn_hi)
{
	const char *wrong = NULL;
	uint32_t r;

	while (!wrong) {
		r = at_or_above(j, pfn_lo);
		if (r == TOP || j->ranges[r].lo > pfn_hi)
			return judge_add(j, pfn_lo, pfn_hi);
		if (j->ranges[r].lo > pfn_lo)
			wrong = judge_add(j, pfn_lo, j->ranges[r].lo - 1);
		if (pfn_hi <= j->ranges[r].hi)
			break;
		pfn_lo = j->ranges[r].hi + 1;
	}
	return wrong;
}
