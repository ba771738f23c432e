/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * judge - knows every gap, and so what any request could have got.
 *
 * Independent of the variant and of the user-space kernel API: it is told what
 * was answered, and holds its own books.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdbool.h>
#include <stdint.h>

struct judge;

/*
 * @low_range: [0, @start_pfn - 1] is a live range from the start
 * @aligns: the powers of two that requests will be aligned to, 1 included
 */
struct judge *judge_new(uint64_t start_pfn, bool low_range,
			const uint64_t *aligns, unsigned int nr_aligns);
void judge_put(struct judge *judge);

/* Is there a fit at or below @limit_pfn?  The highest goes to @pfn_lo. */
bool judge_highest_fit(const struct judge *judge, uint64_t size, uint64_t align,
		       uint64_t limit_pfn, uint64_t *pfn_lo);

/* NULL, or why this range can't be live. */
const char *judge_add(struct judge *judge, uint64_t pfn_lo, uint64_t pfn_hi);
bool judge_is_live(const struct judge *judge, uint64_t pfn);
void judge_free(struct judge *judge, uint64_t pfn);
const char *judge_reserve(struct judge *judge, uint64_t pfn_lo,
			  uint64_t pfn_hi);
/* The request and all ranges that it overlaps become one range. */
const char *judge_reserve_merged(struct judge *judge, uint64_t pfn_lo,
				 uint64_t pfn_hi);
/* Only what is free there becomes live, in as many ranges as there are gaps. */
const char *judge_reserve_free(struct judge *judge, uint64_t pfn_lo,
			       uint64_t pfn_hi);

#endif
