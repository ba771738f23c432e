// SPDX-License-Identifier: GPL-2.0-only
/* The candidate's expressions behind functions that a test can call. */
#include "candidate.c"

#define EXPORT __attribute__((visibility("default")))

EXPORT unsigned long unit_aligned_room(unsigned long lo, unsigned long end)
{
	return aligned_room(lo, end);
}

EXPORT unsigned int unit_node_most(unsigned int level)
{
	return btree_node_most(level);
}

EXPORT bool unit_take_top(unsigned long lo, unsigned long end,
			  const struct request *request, unsigned long *pfn_lo)
{
	return take_top(lo, end, request, pfn_lo);
}

EXPORT bool unit_has_room(unsigned long anywhere, unsigned long aligned,
			  const struct request *request)
{
	const struct room room = { anywhere, aligned };

	return has_room(&room, request);
}

/* Join two nodes with so many items on @level; how many each has afterwards. */
EXPORT bool unit_join(unsigned int level, unsigned int *nr_left,
		      unsigned int *nr_right)
{
	struct btree_node left = { .nr = *nr_left }, right = { .nr = *nr_right };
	bool one = btree_join(&left, &right, level);

	*nr_left = left.nr;
	*nr_right = right.nr;
	return one;
}
