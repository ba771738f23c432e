/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * range_legacy - the search of v2.6.24 - v4.14, before there was an anchor.
 */
#ifndef RANGE_LEGACY_H
#define RANGE_LEGACY_H

#include "range_variant.h"

/* What pads are computed in: u32 in the kernels that had them. */
#ifndef RANGE_PAD
#define RANGE_PAD	unsigned long
#endif

/* What must stay free above an aligned range that ends as close to @high. */
static inline RANGE_PAD range_legacy_pad(RANGE_PAD size, RANGE_PAD high,
					 bool size_aligned)
{
	/* Never 0, but of 2^32 nothing may be left. */
	if (!size_aligned || !size)
		return 0;
	return (high - size) & (roundup_pow_of_two(size) - 1);
}

/*
 * Walk down from @curr over the gaps below @high (exclusive).  The caller sets
 * gap->above to the node that it starts below, NULL when it starts at the top.
 *
 *      ..|  curr  |..... gap .....|  above  |..
 *                      [ new ][pad]
 */
static inline bool range_legacy_walk(struct rb_node *curr, unsigned long size,
				     unsigned long high,
				     unsigned long start_pfn, bool size_aligned,
				     struct iova_gap *gap)
{
	unsigned long pad;

	for (; curr; curr = rb_prev(curr)) {
		struct iova *iova = to_iova(curr);

		iova_visit(search);
		if (high > iova->pfn_lo) {
			if (high > iova->pfn_hi) {
				pad = range_legacy_pad(size, high,
						       size_aligned);
				if (iova->pfn_hi + size + pad < high)
					goto found;
			}
			high = iova->pfn_lo;
		}
		gap->above = curr;
	}
	/* The last gap has no node below it. */
	iova_visit(search);
	pad = range_legacy_pad(size, high, size_aligned);
	if (start_pfn + size + pad > high)
		return false;
found:
	gap->pfn_lo = high - (size + pad);
	return true;
}

#endif
