/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gap_btree - the live ranges of a domain in a B-tree that knows its gaps.
 *
 * A leaf holds up to 16 ranges, a branch up to 16 children, each with the last
 * pfn in use below it and the largest gap below it.  The gap under a range
 * belongs to the leaf of that range, also where the range under the gap lives
 * in another leaf.  A sentinel at ~0 is the top range, so that every gap has
 * one above it.
 *
 *	           | hi, gap | hi, gap |                      level 1
 *	             |             |
 *	..gap..|lo hi|lo hi|..gap..|lo hi|..gap..|~0 ~0|      level 0
 *
 * A leaf has 256 bytes, as the kernel's maple node.  A branch has 384: a gap
 * beside each of 16 children.  The kernel keeps such branches to 256 as well by
 * giving them 10 children; GAP_BTREE_CHILDREN can be set to that.
 *
 * This header looks; gap_btree_edit.h changes.  Both visit O(log n) nodes an
 * operation.  The caller holds the domain's lock.
 *
 * Invariants: ranges are ordered and never overlap; all leaves are on level 0;
 * every node but the root is at least half full; unused items are zero; pfn_hi
 * and gap in a branch are exact.
 */
#ifndef GAP_BTREE_H
#define GAP_BTREE_H

#include <linux/kernel.h>
#include <linux/slab.h>

#include "iova_variant.h"

#define GAP_BTREE_RANGES	16U	/* in a leaf */
#ifndef GAP_BTREE_CHILDREN
#define GAP_BTREE_CHILDREN	16U	/* in a branch; not more than ranges */
#endif
#define GAP_BTREE_LEVELS	16	/* half full, that is 5^16 ranges */

/* The items of a leaf and of a branch: both begin with the last pfn in use. */
struct gap_range {
	unsigned long pfn_hi;
	unsigned long pfn_lo;
};

struct gap_child {
	unsigned long pfn_hi;
	unsigned long gap;
	void *node;
};

enum gap_kind { GAP_LEAF, GAP_BRANCH, NR_GAP_KINDS };

/**
 * struct gap_btree - the tree
 * @root: a leaf if @top is 0
 * @top: level of the root
 * @start_pfn: the lowest gap begins here
 * @nr_ranges: the sentinel among them
 * @nr_changes: a path holds until this has moved
 * @cache: memory of the nodes
 */
struct gap_btree {
	void *root;
	unsigned int top;
	unsigned long start_pfn;
	unsigned long nr_ranges;
	unsigned long nr_changes;
	struct kmem_cache *cache[NR_GAP_KINDS];
};

/* From the root to a range: on each level a node, and one of its items. */
struct gap_path {
	struct {
		void *node;
		unsigned int slot;
	} at[GAP_BTREE_LEVELS];
};

/* ---- nodes ---- */

static inline enum gap_kind gap_kind(unsigned int level)
{
	return level ? GAP_BRANCH : GAP_LEAF;
}

static inline unsigned int gap_fanout(unsigned int level)
{
	return level ? GAP_BTREE_CHILDREN : GAP_BTREE_RANGES;
}

static inline size_t gap_item_size(unsigned int level)
{
	return level ? sizeof(struct gap_child) : sizeof(struct gap_range);
}

static inline size_t gap_node_size(unsigned int level)
{
	return gap_fanout(level) * gap_item_size(level);
}

static inline void *gap_item(const void *node, unsigned int level,
			     unsigned int slot)
{
	return (char *)node + slot * gap_item_size(level);
}

static inline unsigned long gap_pfn_hi(const void *node, unsigned int level,
				       unsigned int slot)
{
	return *(unsigned long *)gap_item(node, level, slot);
}

/* No node is empty, and only the first of all ranges can end at pfn 0. */
static inline unsigned int gap_nr_items(const void *node, unsigned int level)
{
	unsigned int nr = 1;

	while (nr < gap_fanout(level) && gap_pfn_hi(node, level, nr))
		nr++;
	return nr;
}

/* ---- looking ---- */

/* To the first range that ends at or above @pfn: there always is one. */
static __always_inline void gap_btree_descend(const struct gap_btree *tree,
					      struct gap_path *path,
					      unsigned long pfn, bool searching)
{
	unsigned int level = tree->top, slot;
	void *node = tree->root;

	for (;; level--) {
		if (searching)
			iova_visit(search);
		else
			iova_visit(descend);
		for (slot = 0; gap_pfn_hi(node, level, slot) < pfn; slot++)
			;
		path->at[level].node = node;
		path->at[level].slot = slot;
		if (!level)
			return;
		node = ((struct gap_child *)node)[slot].node;
	}
}

static inline struct gap_range *gap_path_range(const struct gap_path *path)
{
	return (struct gap_range *)path->at[0].node + path->at[0].slot;
}

/* Where the gap begins that lies under the path's item on this level. */
static inline unsigned long gap_path_floor(const struct gap_btree *tree,
					   const struct gap_path *path,
					   unsigned int level)
{
	for (; level <= tree->top; level++)
		if (path->at[level].slot)
			return max(gap_pfn_hi(path->at[level].node, level,
					      path->at[level].slot - 1) +
					   1,
				   tree->start_pfn);
	return tree->start_pfn;
}

static inline unsigned long gap_size(unsigned long floor, unsigned long pfn_lo)
{
	return pfn_lo > floor ? pfn_lo - floor : 0;
}

static inline unsigned long gap_below(const struct gap_btree *tree,
				      const struct gap_path *path,
				      unsigned int level)
{
	const void *node = path->at[level].node;
	unsigned int slot = path->at[level].slot;

	if (level)
		return ((struct gap_child *)node)[slot].gap;
	return gap_size(gap_path_floor(tree, path, 0),
			((struct gap_range *)node)[slot].pfn_lo);
}

/* Among the items below the path's, the highest with a gap of @want. */
static inline bool gap_step_down(const struct gap_btree *tree,
				 struct gap_path *path, unsigned int level,
				 unsigned long want)
{
	iova_visit(search);
	while (path->at[level].slot) {
		path->at[level].slot--;
		if (gap_below(tree, path, level) >= want)
			return true;
	}
	return false;
}

/*
 * To the range above the highest gap that still holds @want pfns when it is cut
 * at the exclusive bound @high.  Only the gap that holds the limit is cut: for
 * all below it the maxima are exact, so the way is once up and once down.
 */
static inline bool gap_btree_search(const struct gap_btree *tree,
				    struct gap_path *path, unsigned long high,
				    unsigned long want)
{
	const struct gap_child *child;
	unsigned int level = 0;
	void *node;

	gap_btree_descend(tree, path, high - 1, true);
	if (gap_size(gap_path_floor(tree, path, 0),
		     min(high, gap_path_range(path)->pfn_lo)) >= want)
		return true;

	while (!gap_step_down(tree, path, level, want))
		if (level++ == tree->top)
			return false;
	while (level) {
		child = path->at[level].node;
		node = child[path->at[level].slot].node;
		level--;
		path->at[level].node = node;
		path->at[level].slot = gap_nr_items(node, level);
		gap_step_down(tree, path, level, want);
	}
	return true;
}

/* ---- verify and dump: every node ---- */

/**
 * struct gap_walk - what is known while all nodes are looked at in order
 * @tree: the tree
 * @nr_ranges: ranges passed
 * @pfn_hi: end of the last of them
 */
struct gap_walk {
	const struct gap_btree *tree;
	unsigned long nr_ranges;
	unsigned long pfn_hi;
};

static inline const char *gap_verify_shape(const struct gap_btree *tree,
					   const void *node, unsigned int level)
{
	unsigned int nr = gap_nr_items(node, level);
	const char *rest = gap_item(node, level, nr);

	if (node != tree->root && nr < gap_fanout(level) / 2)
		return "btree: a node is less than half full";
	if (node == tree->root && level && nr < 2)
		return "btree: the root has one child";
	for (; rest < (const char *)node + gap_node_size(level); rest++)
		if (*rest)
			return "btree: something follows the last item of a node";
	return NULL;
}

/* The gap below @range goes to @gap. */
static inline const char *gap_verify_range(struct gap_walk *walk,
					   const struct gap_range *range,
					   unsigned long *gap)
{
	unsigned long floor = walk->tree->start_pfn;

	if (range->pfn_lo > range->pfn_hi)
		return "a range ends before it starts";
	if (walk->nr_ranges && range->pfn_lo <= walk->pfn_hi)
		return "two ranges overlap or are out of order";
	if (walk->nr_ranges)
		floor = max(floor, walk->pfn_hi + 1);
	*gap = range->pfn_lo > floor ? range->pfn_lo - floor : 0;
	walk->nr_ranges++;
	walk->pfn_hi = range->pfn_hi;
	return NULL;
}

/* Gaps are counted anew from the ranges, never taken from a branch. */
static inline const char *gap_verify_node(struct gap_walk *walk,
					  const void *node, unsigned int level,
					  unsigned long *most)
{
	const char *wrong = gap_verify_shape(walk->tree, node, level);
	unsigned int slot, nr = gap_nr_items(node, level);
	const struct gap_child *child;
	unsigned long gap;

	*most = 0;
	for (slot = 0; !wrong && slot < nr; slot++) {
		if (!level) {
			wrong = gap_verify_range(walk, gap_item(node, 0, slot),
						 &gap);
			*most = max(*most, wrong ? 0 : gap);
			continue;
		}
		child = gap_item(node, level, slot);
		wrong = gap_verify_node(walk, child->node, level - 1, &gap);
		if (!wrong && child->pfn_hi != walk->pfn_hi)
			wrong = "btree: a branch errs about the last pfn below it";
		if (!wrong && child->gap != gap)
			wrong = "btree: a branch errs about the largest gap below it";
		*most = max(*most, gap);
	}
	return wrong;
}

/* NULL, or what is wrong: shape of the tree, order and overlap of ranges. */
static inline const char *gap_btree_verify(const struct gap_btree *tree)
{
	struct gap_walk walk = { .tree = tree };
	unsigned long most;
	const char *wrong;

	wrong = gap_verify_node(&walk, tree->root, tree->top, &most);
	if (!wrong && walk.nr_ranges != tree->nr_ranges)
		wrong = "btree: the number of ranges is wrong";
	if (!wrong && walk.pfn_hi != ~0UL)
		wrong = "btree: the sentinel is not the last range";
	return wrong;
}

static inline void gap_put_word(u64 *words, size_t nr_room, size_t *nr,
				u64 word)
{
	if (*nr < nr_room)
		words[*nr] = word;
	(*nr)++;
}

/* Per node its number of items, then the items, each child in its place. */
static inline void gap_btree_dump(const void *node, unsigned int level,
				  u64 *words, size_t nr_room, size_t *nr)
{
	unsigned int slot, nr_items = gap_nr_items(node, level);
	const unsigned long *item;

	gap_put_word(words, nr_room, nr, nr_items);
	for (slot = 0; slot < nr_items; slot++) {
		item = gap_item(node, level, slot);
		gap_put_word(words, nr_room, nr, item[0]);
		gap_put_word(words, nr_room, nr, item[1]);
		if (level)
			gap_btree_dump(((struct gap_child *)item)->node,
				       level - 1, words, nr_room, nr);
	}
}

#endif
