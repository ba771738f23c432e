/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_btree_finger - take and give back, in the tree and at its finger.
 *
 * struct finger has what the finger is; every change of the tree keeps its gap
 * clear of holes.
 */
#ifndef HOLE_BTREE_FINGER_H
#define HOLE_BTREE_FINGER_H

#include "hole_btree_edit.h"

/* A hole of the tree came or grew: no part of it may be in the gap. */
static inline void finger_keep_clear(struct finger *finger, struct hole hole)
{
	if (hole.lo >= finger->end || hole.end <= finger->lo)
		return;
	if (hole.lo <= (finger->hole.end ? finger->hole.lo : finger->lo))
		finger->lo = max(finger->lo, hole.end);
	else
		finger->end = min(finger->end, hole.lo);
}

/* All of the path's hole is about to be taken; what is around it stays. */
static void finger_point(struct hole_btree *tree, const struct btree_path *path)
{
	const struct hole *hole = btree_path_hole(path);
	unsigned int slot = path->at[0].slot, level = 1;
	struct finger *finger = &tree->finger;

	if (finger->hole.end)
		return;
	finger->lo = hole->lo - 1;
	if (slot + 1 < path->at[0].node->nr)
		finger->lo = hole[1].end;
	if (slot) {
		finger->end = hole[-1].lo;
		return;
	}
	while (level <= tree->top && !path->at[level].slot)
		level++;
	finger->end = level > tree->top ? ~0UL : hole->end + 1;
}

/* What was lowest in @leaf, and of all, is gone or begins higher. */
static inline void btree_renew_lowest(struct hole_btree *tree,
				      const struct btree_node *leaf)
{
	unsigned long lowest = leaf->nr ? btree_node_lowest(leaf, 0) : ~0UL;

	tree->domain.lowest = min(lowest, tree->finger.hole.lo);
}

/*
 * Take [@lo, @end) out of the path's hole.
 *
 *	| what is left below |   taken   | what is left above |
 *	hole->lo             lo          end          hole->end
 */
static __always_inline void btree_take_out(struct hole_btree *tree,
					   struct btree_path *path,
					   unsigned long lo, unsigned long end)
{
	struct btree_node *leaf = path->at[0].node;
	struct hole *hole = btree_path_hole(path);
	struct hole above = { end, hole->end };
	unsigned long lost = hole->end - hole->lo;

	if (lo > hole->lo) {
		hole->end = lo;
		if (end < above.end)
			btree_insert(tree, path, above);
	} else {
		if (end < above.end) {
			hole->lo = end;
			if (tree->finger.end == lo)
				tree->finger.end = end;
		} else {
			finger_point(tree, path);
			btree_close_slot(leaf, path->at[0].slot, 0);
		}
		if (tree->domain.lowest == lo)
			btree_renew_lowest(tree, leaf);
	}
	btree_settle(tree, path, lost, NO_HOLE);
}

/*
 * The hole in front of the path's is in another leaf, and now begins at @lo; if
 * it @joins the path's, they become one, which is there.
 */
static noinline void btree_touch_above(struct hole_btree *tree,
				       struct btree_path *path,
				       unsigned long lo, bool joins)
{
	struct btree_path above = *path;
	struct hole *hole, gone, grown;

	btree_step_up(&above);
	hole = btree_path_hole(&above);
	gone = *hole;
	if (joins) {
		btree_close_slot(above.at[0].node, above.at[0].slot, 0);
		hole = btree_path_hole(path);
		hole->end = gone.end;
		grown = *hole;
		btree_settle(tree, path, 0, grown);
		btree_settle(tree, &above, gone.end - gone.lo, NO_HOLE);
	} else {
		hole->lo = lo;
		grown = *hole;
		btree_settle(tree, &above, 0, grown);
	}
	finger_keep_clear(&tree->finger, grown);
}

static noinline void btree_add_lowest_slowly(struct hole_btree *tree,
					     struct hole hole)
{
	struct btree_path path;

	btree_descend_lowest(tree, &path);
	btree_insert(tree, &path, hole);
	btree_settle(tree, &path, 0, hole);
}

/*
 * Add a hole that touches no other, and is below all.  Where it makes no more
 * room, no parent has to know of it, not even where its last child begins.
 */
static void btree_add_lowest(struct hole_btree *tree, struct hole hole)
{
	struct btree_node *node = tree->root;
	unsigned long room = ~0UL;
	const struct btree_child *child;
	unsigned int level;

	for (level = tree->top; level; level--) {
		iova_visit(descend);
		child = &node->child[node->nr - 1];
		room = child->room.aligned;
		node = child->node;
	}
	iova_visit(descend);
	if (node->first + node->nr < LEAF_HOLES && hole.end - hole.lo <= room)
		node->hole[node->first + node->nr++] = hole;
	else
		btree_add_lowest_slowly(tree, hole);
	tree->domain.lowest = hole.lo;
	finger_keep_clear(&tree->finger, hole);
}

/* Add a hole that touches no other. */
static void btree_add(struct hole_btree *tree, struct hole hole)
{
	struct btree_path path;

	btree_descend(tree, &path, hole.lo);
	btree_insert(tree, &path, hole);
	btree_settle(tree, &path, 0, hole);
	finger_keep_clear(&tree->finger, hole);
}

/* What was the finger's hole is lowest of all no more. */
static noinline void finger_renew_lowest(struct hole_btree *tree)
{
	struct btree_path path;

	btree_descend_lowest(tree, &path);
	btree_renew_lowest(tree, path.at[0].node);
}

/* Take [@lo, @end) out of the finger's hole.  Of two pieces, one goes into the tree. */
static void finger_take_out(struct hole_btree *tree, unsigned long lo,
			    unsigned long end)
{
	struct finger *finger = &tree->finger;
	struct hole above = { end, finger->hole.end };

	if (lo > finger->hole.lo) {
		finger->hole.end = lo;
		if (end < above.end)
			btree_add(tree, above);
		return;
	}
	finger->hole = end < above.end ? above : NO_HOLE;
	if (tree->domain.lowest == lo)
		finger_renew_lowest(tree);
}

/* The aligned top of the finger's hole. */
static inline bool finger_take(struct hole_btree *tree,
			       const struct request *request,
			       unsigned long *pfn_lo)
{
	const struct hole *hole = &tree->finger.hole;

	if (hole->lo >= request->high)
		return false;
	iova_visit(search);
	if (!take_top(hole->lo, hole->end, request, pfn_lo))
		return false;
	finger_take_out(tree, *pfn_lo, *pfn_lo + request->size);
	return true;
}

/* False if [@lo, @end) is not inside of the gap, or has to be a second hole there. */
static inline bool finger_give_back(struct hole_btree *tree, unsigned long lo,
				    unsigned long end)
{
	struct finger *finger = &tree->finger;

	if (lo <= finger->lo || end >= finger->end)
		return false;
	if (!finger->hole.end)
		finger->hole = (struct hole){ lo, end };
	else if (end == finger->hole.lo)
		finger->hole.lo = lo;
	else if (lo == finger->hole.end)
		finger->hole.end = end;
	else
		return false;
	iova_visit(update);
	tree->domain.lowest = min(tree->domain.lowest, lo);
	return true;
}

#endif
