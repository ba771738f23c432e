/* SPDX-License-Identifier: GPL-2.0-only */
/* aligned_room - the measure of a gap that is exact for aligned requests. */
#ifndef ALIGNED_ROOM_H
#define ALIGNED_ROOM_H

#include <linux/log2.h>

/*
 * The largest size that fits into [@lo, @end), which is not empty, aligned to
 * the next power of two >= that size; every smaller size fits as well.  With
 * the largest aligned block that lies in it:
 *
 *	lo          block         2 block           end
 *	 |....|.......|.......|.......|...............|
 *	                              <- more than block: so much, else block
 */
static inline unsigned long aligned_room(unsigned long lo, unsigned long end)
{
	unsigned long block = rounddown_pow_of_two(end - lo);
	unsigned long first = (lo + block - 1) & ~(block - 1);

	if (first >= end || end - first < block)
		block /= 2;
	first = (lo + 2 * block - 1) & ~(2 * block - 1);
	if (first < end && end - first > block)
		return end - first;
	return block;
}

#endif
