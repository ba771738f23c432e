/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_btree_finger - take and give back, in the tree, at its finger, and later.
 *
 * struct finger has what the finger is; every change of the tree keeps its gap
 * clear of holes.  What came free last may be held back (pending_hold()): before
 * any use of the tree's path, it goes into the tree.
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
static __always_inline void finger_point(struct hole_btree *tree,
					 const struct btree_path *path)
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
	btree_settle_lost(tree, path, lost);
}

/*
 * The hole in front of the path's is in another leaf, and now begins at @lo; if
 * it @joins the path's, they become one, which is there.
 */
static noinline void btree_touch_above(struct hole_btree *tree,
				       struct btree_path *path,
				       unsigned long lo, bool joins)
{
	struct btree_path *above = &tree->above;
	struct hole *hole, gone, grown;

	*above = *path;
	btree_step_up(above);
	hole = btree_path_hole(above);
	gone = *hole;
	if (joins) {
		btree_close_slot(above->at[0].node, above->at[0].slot, 0);
		hole = btree_path_hole(path);
		hole->end = gone.end;
		grown = *hole;
		btree_settle_gained(tree, path, grown);
		btree_settle_lost(tree, above, hole_length(gone));
	} else {
		hole->lo = lo;
		grown = *hole;
		btree_settle_gained(tree, above, grown);
	}
	finger_keep_clear(&tree->finger, grown);
}

/* What came free goes into the tree, to the place where the path leads. */
static __always_inline void btree_give_back(struct hole_btree *tree,
					    struct btree_place place,
					    unsigned long lo, unsigned long end)
{
	struct btree_path *path = &tree->path;
	struct hole *hole = btree_hole(place.leaf, place.slot);
	bool joins = place.slot < place.leaf->nr && hole->end == lo;
	struct hole grown = { lo, end };

	if (tree->top)
		btree_path_to(path, place);
	if (place.above_lo == end) {
		if (unlikely(!place.slot)) {
			btree_touch_above(tree, path, lo, joins);
			return;
		}
		grown.end = hole[-1].end;
		place.slot--;
		if (joins) {
			grown.lo = hole->lo;
			btree_close_slot(place.leaf, place.slot, 0);
			hole = btree_hole(place.leaf, place.slot);
		} else {
			hole--;
		}
		*hole = grown;
	} else if (joins) {
		grown.lo = hole->lo;
		hole->end = end;
	} else {
		if (unlikely(place.leaf->nr == LEAF_HOLES)) {
			btree_path_to(path, place);
			btree_split(tree, path, 0);
			place.leaf = path->at[0].node;
			place.slot = path->at[0].slot;
		}
		btree_open_slot(place.leaf, place.slot, 0);
		*btree_hole(place.leaf, place.slot) = grown;
	}
	finger_keep_clear(&tree->finger, grown);
	path->at[0].slot = place.slot;
	btree_settle_gained(tree, path, grown);
}

/* ---- what came free last, held back ---- */

/*
 * Where one request takes what came free last, and so does the next, the tree need
 * not change in between.  The path to its place stays: what is held back is what
 * can go there later without a split or a join, on one way up.
 */
static noinline bool pending_hold(struct hole_btree *tree,
				  struct btree_place place, unsigned long lo,
				  unsigned long end)
{
	const struct btree_node *leaf = place.leaf;

	if (leaf->nr == LEAF_HOLES)
		return false;
	if (place.above_lo == end &&
	    (!place.slot || leaf->nr <= btree_node_most(0) / 2))
		return false;
	btree_path_to(&tree->path, place);
	tree->pending = (struct hole){ lo, end };
	finger_keep_clear(&tree->finger, tree->pending);
	return true;
}

/* With the holes that it touches. */
static struct hole pending_merged(const struct hole_btree *tree)
{
	const struct btree_step *leaf = &tree->path.at[0];
	const struct hole *hole = btree_hole(leaf->node, leaf->slot);
	struct hole merged = tree->pending;

	if (leaf->slot < leaf->node->nr && hole->end == merged.lo)
		merged.lo = hole->lo;
	if (tree->path.above_lo == merged.end)
		merged.end = hole[-1].end;
	return merged;
}

/* Into the tree. */
static noinline void pending_settle(struct hole_btree *tree)
{
	const struct btree_path *path = &tree->path;
	const struct btree_place place = {
		.leaf = path->at[0].node,
		.slot = path->at[0].slot,
		.above_lo = path->above_lo,
	};
	struct hole came = tree->pending;

	tree->pending = NO_HOLE;
	btree_give_back(tree, place, came.lo, came.end);
}

/* Before any use of the tree's path. */
static __always_inline void settle_pending(struct hole_btree *tree)
{
	if (unlikely(tree->pending.end))
		pending_settle(tree);
}

static noinline void btree_add_lowest_slowly(struct hole_btree *tree,
					     struct hole hole)
{
	struct btree_path *path = &tree->path;

	btree_descend_lowest(tree, path);
	btree_insert(tree, path, hole);
	btree_settle_gained(tree, path, hole);
}

/*
 * Add a hole that touches no other, and is below all.  Where it makes no more
 * room, no parent has to know of it, not even where its last child begins.
 */
static void btree_add_lowest(struct hole_btree *tree, struct hole hole)
{
	const struct btree_child *child;
	unsigned long room = ~0UL;
	struct btree_node *node;
	unsigned int level;

	settle_pending(tree);
	node = tree->root;
	for (level = tree->top; level; level--) {
		iova_visit(descend);
		child = node->child + node->nr - 1;
		room = child->room.aligned;
		node = child->node;
	}
	iova_visit(descend);
	if (node->first + node->nr < LEAF_HOLES && hole_length(hole) <= room)
		*btree_hole(node, node->nr++) = hole;
	else
		btree_add_lowest_slowly(tree, hole);
	tree->domain.lowest = hole.lo;
	/* It is below the finger's hole; a gap that is below it is given up. */
	tree->finger.lo = max(tree->finger.lo, hole.end);
}

/* Add a hole that touches no other. */
static void btree_add(struct hole_btree *tree, struct hole hole)
{
	struct btree_path *path = &tree->path;

	settle_pending(tree);
	btree_descend(tree, path, hole.lo);
	btree_insert(tree, path, hole);
	btree_settle_gained(tree, path, hole);
	finger_keep_clear(&tree->finger, hole);
}

/* What was the finger's hole is lowest of all no more. */
static noinline void finger_renew_lowest(struct hole_btree *tree)
{
	struct btree_path *path = &tree->path;

	settle_pending(tree);
	btree_descend_lowest(tree, path);
	btree_renew_lowest(tree, path->at[0].node);
}

/* All of it is taken; what is around it stays. */
static void pending_drop(struct hole_btree *tree)
{
	const struct btree_step *leaf = &tree->path.at[0];
	const struct hole came = tree->pending;
	struct finger *finger = &tree->finger;

	tree->pending = NO_HOLE;
	tree->took_lo = came.lo;
	if (!finger->hole.end) {
		finger->lo = came.lo - 1;
		if (leaf->slot < leaf->node->nr)
			finger->lo = btree_hole(leaf->node, leaf->slot)->end;
		finger->end = tree->path.above_lo;
	}
	if (tree->domain.lowest == came.lo)
		finger_renew_lowest(tree);
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

/* The aligned top of the finger's hole, which begins below the limit. */
static inline bool finger_take(struct hole_btree *tree,
			       const struct request *request,
			       unsigned long *pfn_lo)
{
	const struct hole *hole = &tree->finger.hole;

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
