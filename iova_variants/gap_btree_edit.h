/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gap_btree_edit - insert into a gap_btree, erase from it, with nodes at hand.
 *
 * A change writes a new leaf and drops the old one.  A branch is replaced too
 * if its number of children changes; what it keeps about a child is written in
 * place, and so is the bound of a range that grows.  A node with too many items
 * is split in two; a node that is less than half full joins its neighbour, in
 * one node or, if they are too many, in two.
 *
 * New nodes come from a stock (gap_stock.h): the caller asks gap_btree_need() how
 * many there have to be, and a change that has begun can't fail.
 *
 * The caller holds the domain's lock.
 */
#ifndef GAP_BTREE_EDIT_H
#define GAP_BTREE_EDIT_H

#include "gap_stock.h"

/* ---- keeping the maxima ---- */

/* What a branch keeps about @node, whose lowest gap begins at @floor. */
static inline struct gap_child gap_summary(const struct gap_btree *tree,
					   void *node, unsigned int level,
					   unsigned long floor)
{
	unsigned int slot, nr = gap_nr_items(node, level);
	struct gap_child child = { .node = node };

	for (slot = 0; slot < nr; slot++) {
		if (level) {
			child.gap = max(child.gap,
					((struct gap_child *)node)[slot].gap);
			continue;
		}
		child.gap = max(
			child.gap,
			gap_size(floor,
				 ((struct gap_range *)node)[slot].pfn_lo));
		floor = max(gap_pfn_hi(node, 0, slot) + 1, tree->start_pfn);
	}
	child.pfn_hi = gap_pfn_hi(node, level, nr - 1);
	return child;
}

/* The path's node on @level has changed in place: tell those above it. */
static inline void gap_btree_pull(struct gap_btree *tree,
				  const struct gap_path *path,
				  unsigned int level)
{
	struct gap_child *child, now;

	for (; level < tree->top; level++) {
		iova_visit(update);
		child = gap_item(path->at[level + 1].node, level + 1,
				 path->at[level + 1].slot);
		now = gap_summary(tree, child->node, level,
				  gap_path_floor(tree, path, level + 1));
		if (now.pfn_hi == child->pfn_hi && now.gap == child->gap)
			return;
		*child = now;
	}
}

/* ---- rearranging ---- */

/* The neighbour that a node joins when it is less than half full. */
static inline unsigned int gap_left_of_pair(const struct gap_path *path,
					    unsigned int level)
{
	unsigned int slot = path->at[level + 1].slot;
	unsigned int nr = gap_nr_items(path->at[level + 1].node, level + 1);

	return slot + 1 < nr ? slot : slot - 1;
}

static inline bool gap_is_short(const struct gap_btree *tree,
				unsigned int level, unsigned int nr)
{
	return level < tree->top && nr < gap_fanout(level) / 2;
}

/* Nodes that gap_btree_edit() will take for one range more or less. */
static inline struct gap_need gap_btree_need(const struct gap_btree *tree,
					     const struct gap_path *path,
					     int nr_more)
{
	struct gap_need need = {};
	unsigned int level, nr, left;
	struct gap_child *pair;

	for (level = 0; level <= tree->top && nr_more; level++) {
		nr = gap_nr_items(path->at[level].node, level) + nr_more;
		if (level && level == tree->top && nr == 1)
			break; /* the root goes */
		nr_more = 0;
		if (gap_is_short(tree, level, nr)) {
			left = gap_left_of_pair(path, level);
			pair = gap_item(path->at[level + 1].node, level + 1,
					left);
			nr = gap_nr_items(pair[0].node, level) +
			     gap_nr_items(pair[1].node, level) - 1;
			nr_more = -1;
		}
		if (nr > gap_fanout(level)) {
			need.nr[gap_kind(level)]++;
			nr_more++;
		}
		need.nr[gap_kind(level)]++;
		if (level == tree->top && nr_more > 0)
			need.nr[GAP_BRANCH]++;
	}
	return need;
}

/* The most that gap_btree_need() can be for one range less. */
static inline struct gap_need gap_btree_most(const struct gap_btree *tree)
{
	struct gap_need most = {
		.nr[GAP_LEAF] = 2,
		.nr[GAP_BRANCH] = 2 * tree->top,
	};

	return most;
}

/* A node's items while they are rearranged, and how many nodes they fill. */
struct gap_items {
	unsigned int nr;
	unsigned int nr_nodes;
	union {
		struct gap_range ranges[2 * GAP_BTREE_RANGES];
		struct gap_child children[2 * GAP_BTREE_CHILDREN];
	} at;
};

static inline void gap_append(struct gap_items *items, unsigned int level,
			      const void *node, unsigned int from,
			      unsigned int to)
{
	if (from == to)
		return;
	memcpy(gap_item(&items->at, level, items->nr),
	       gap_item(node, level, from), (to - from) * gap_item_size(level));
	items->nr += to - from;
}

/* All of a neighbour, which then is no more. */
static inline void gap_join(struct gap_items *items, unsigned int level,
			    void *node, struct gap_stock *stock)
{
	gap_append(items, level, node, 0, gap_nr_items(node, level));
	gap_push(&stock->dropped[gap_kind(level)], node);
	items->nr_nodes++;
}

/* Items to be put in the place of some others, and where they end up. */
struct gap_edit {
	unsigned int nr_old;
	unsigned int nr_new;
	const void *new;
	struct gap_child children[2];
};

/* The path's node is dropped; its items, as they are to be, go to @items. */
static inline void gap_gather(const struct gap_btree *tree,
			      struct gap_path *path, unsigned int level,
			      const struct gap_edit *edit,
			      struct gap_items *items, struct gap_stock *stock)
{
	unsigned int slot = path->at[level].slot, nr;
	void *node = path->at[level].node;
	struct gap_child *pair = NULL;

	nr = gap_nr_items(node, level);
	if (gap_is_short(tree, level, nr - edit->nr_old + edit->nr_new)) {
		path->at[level + 1].slot = gap_left_of_pair(path, level);
		pair = gap_item(path->at[level + 1].node, level + 1,
				path->at[level + 1].slot);
	}
	items->nr = 0;
	items->nr_nodes = 1;
	if (pair && pair[0].node != node)
		gap_join(items, level, pair[0].node, stock);
	gap_append(items, level, node, 0, slot);
	gap_append(items, level, edit->new, 0, edit->nr_new);
	gap_append(items, level, node, slot + edit->nr_old, nr);
	if (pair && pair[0].node == node)
		gap_join(items, level, pair[1].node, stock);
	gap_push(&stock->dropped[gap_kind(level)], node);
}

/* Into one new node, or two; @edit is then what that means one level up. */
static inline void gap_divide(const struct gap_btree *tree,
			      const struct gap_path *path, unsigned int level,
			      const struct gap_items *items,
			      struct gap_edit *edit, struct gap_stock *stock)
{
	unsigned long floor = gap_path_floor(tree, path, level + 1);
	unsigned int from = 0, to = items->nr;
	void *node;

	edit->nr_old = items->nr_nodes;
	edit->nr_new = 0;
	edit->new = edit->children;
	if (to > gap_fanout(level))
		to /= 2;
	while (from < items->nr) {
		node = gap_new_node(stock, level,
				    gap_item(&items->at, level, from),
				    to - from);
		edit->children[edit->nr_new] = gap_summary(tree, node, level,
							   floor);
		floor = max(edit->children[edit->nr_new].pfn_hi + 1,
			    tree->start_pfn);
		edit->nr_new++;
		from = to;
		to = items->nr;
	}
}

static inline void gap_set_root(struct gap_btree *tree,
				const struct gap_edit *edit,
				struct gap_stock *stock)
{
	tree->root = edit->children[0].node;
	if (edit->nr_new == 2) {
		tree->top++;
		tree->root = gap_new_node(stock, tree->top, edit->children, 2);
	}
}

/* Replace items of the path's leaf, and what that takes in the branches. */
static inline void gap_btree_edit(struct gap_btree *tree, struct gap_path *path,
				  struct gap_edit *edit,
				  struct gap_stock *stock)
{
	struct gap_items items;
	unsigned int level;

	tree->nr_changes++;
	for (level = 0; level <= tree->top; level++) {
		if (level && edit->nr_old == edit->nr_new) {
			memcpy(gap_item(path->at[level].node, level,
					path->at[level].slot),
			       edit->new,
			       edit->nr_new * sizeof(struct gap_child));
			gap_btree_pull(tree, path, level);
			return;
		}
		gap_gather(tree, path, level, edit, &items, stock);
		if (level && level == tree->top && items.nr == 1) {
			tree->root = items.at.children[0].node;
			tree->top--;
			return;
		}
		gap_divide(tree, path, level, &items, edit, stock);
		if (level < tree->top)
			iova_visit(update);
	}
	gap_set_root(tree, edit, stock);
}

/* ---- what a variant calls ---- */

/* Into the gap below the path's range. */
static inline void gap_btree_insert(struct gap_btree *tree,
				    struct gap_path *path, unsigned long pfn_lo,
				    unsigned long pfn_hi,
				    struct gap_stock *stock)
{
	struct gap_range range = { .pfn_lo = pfn_lo, .pfn_hi = pfn_hi };
	struct gap_edit edit = { .nr_new = 1, .new = &range };

	tree->nr_ranges++;
	gap_btree_edit(tree, path, &edit, stock);
}

static inline void gap_btree_erase(struct gap_btree *tree,
				   struct gap_path *path,
				   struct gap_stock *stock)
{
	unsigned long pfn_hi = gap_path_range(path)->pfn_hi;
	struct gap_edit edit = { .nr_old = 1 };
	bool was_last = path->at[0].slot + 1 ==
			gap_nr_items(path->at[0].node, 0);

	tree->nr_ranges--;
	gap_btree_edit(tree, path, &edit, stock);
	if (was_last) {
		/* The gap that has grown belongs to the next leaf. */
		gap_btree_descend(tree, path, pfn_hi, false);
		gap_btree_pull(tree, path, 0);
	}
}

/* The path's range grows: nothing else is in [@pfn_lo, @pfn_hi]. */
static inline void gap_btree_stretch(struct gap_btree *tree,
				     struct gap_path *path,
				     unsigned long pfn_lo, unsigned long pfn_hi)
{
	tree->nr_changes++;
	*gap_path_range(path) = (struct gap_range){
		.pfn_lo = pfn_lo,
		.pfn_hi = pfn_hi,
	};
	gap_btree_pull(tree, path, 0);
	/* The gap that has shrunk may belong to the next leaf. */
	gap_btree_descend(tree, path, pfn_hi + 1, false);
	gap_btree_pull(tree, path, 0);
}

static inline void gap_btree_destroy_node(struct gap_btree *tree, void *node,
					  unsigned int level)
{
	unsigned int slot, nr = level ? gap_nr_items(node, level) : 0;

	for (slot = 0; slot < nr; slot++)
		gap_btree_destroy_node(
			tree, ((struct gap_child *)node)[slot].node, level - 1);
	kmem_cache_free(tree->cache[gap_kind(level)], node);
}

/* Harmless after an init that failed. */
static inline void gap_btree_destroy(struct gap_btree *tree)
{
	if (tree->root)
		gap_btree_destroy_node(tree, tree->root, tree->top);
	kmem_cache_destroy(tree->cache[GAP_LEAF]);
	kmem_cache_destroy(tree->cache[GAP_BRANCH]);
}

static inline int gap_btree_init(struct gap_btree *tree,
				 unsigned long start_pfn)
{
	struct gap_range sentinel = { .pfn_lo = ~0UL, .pfn_hi = ~0UL };
	struct gap_need need = { .nr = { [GAP_LEAF] = 1 } };
	struct gap_stock stock = {};

	tree->start_pfn = start_pfn;
	tree->cache[GAP_LEAF] = kmem_cache_create("gap_leaf", gap_node_size(0),
						  0, SLAB_HWCACHE_ALIGN, NULL);
	tree->cache[GAP_BRANCH] = kmem_cache_create(
		"gap_branch", gap_node_size(1), 0, SLAB_HWCACHE_ALIGN, NULL);
	if (!tree->cache[GAP_LEAF] || !tree->cache[GAP_BRANCH] ||
	    !gap_stock_fill(tree, &stock, &need)) {
		gap_btree_destroy(tree);
		return -ENOMEM;
	}
	tree->root = gap_new_node(&stock, 0, &sentinel, 1);
	tree->nr_ranges = 1;
	return 0;
}

#endif
