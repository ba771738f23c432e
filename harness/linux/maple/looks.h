/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * looks - verify and dump of a text whose ranges are in a maple tree.
 *
 * An entry may be no struct iova: a series may store a marker where it could not
 * erase.  So ranges are told by the tree, and entries are not looked into.
 */
#ifndef TEXT_MAPLE_LOOKS_H
#define TEXT_MAPLE_LOOKS_H

static bool text_finds_gap(struct maple_tree *tree, unsigned long lo,
			   unsigned long hi, unsigned long size)
{
	MA_STATE(mas, tree, 0, 0);

	return !mas_empty_area_rev(&mas, lo, hi, size);
}

/* The tree finds each gap between two ranges, and none that is larger than all. */
static const char *text_verify(struct iova_domain *iovad)
{
	struct maple_tree *tree = &iovad->TEXT_MAPLE;
	unsigned long top = ULONG_MAX - 1, below = 0, gap, most = 0;
	bool keeps_gaps = tree->ma_flags & MT_FLAGS_ALLOC_RANGE;
	void *range;

	MA_STATE(mas, tree, 0, 0);

	mas_for_each(&mas, range, top) {
		if (mas.index < below || mas.index > mas.last)
			return "maple tree: ranges are out of order";
		gap = mas.index - below;
		if (gap && keeps_gaps &&
		    !text_finds_gap(tree, below, mas.index - 1, gap))
			return "maple tree: a gap is larger than its node has it";
		most = max(most, gap);
		below = mas.last + 1;
	}
	most = max(most, top - below + 1);
	if (keeps_gaps && most < top && text_finds_gap(tree, 0, top, most + 1))
		return "maple tree: it finds a gap where a range is";
	return NULL;
}

/* Per range its bounds, its place in which leaf, and whether it is live. */
static size_t text_dump(struct iova_domain *iovad, u64 *words, size_t nr_words)
{
	struct text_words out = { words, nr_words, 0 };
	struct maple_tree *tree = &iovad->TEXT_MAPLE;
	void *range;

	MA_STATE(mas, tree, 0, 0);

	mas_for_each(&mas, range, ULONG_MAX) {
		text_put_word(&out, mas.index);
		text_put_word(&out, mas.last);
		text_put_word(&out, mas.min);
		text_put_word(&out, mas.offset);
		text_put_word(&out, find_iova(iovad, mas.index) != NULL);
	}
	text_put_word(&out, tree->ma_flags);
#ifdef TEXT_HAS_max32_alloc_size
	text_put_word(&out, iovad->max32_alloc_size);
#endif
	return out.nr;
}

#endif
