/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_btree_edit - insert into a hole_btree, and take out of it.
 *
 * Nodes come from the domain's stock, and go back there: a change that has begun
 * can't fail.  What the parents keep of a changed leaf is put right on the way up,
 * by btree_settle_gained() or btree_settle_lost(), which every change ends in.
 */
#ifndef HOLE_BTREE_EDIT_H
#define HOLE_BTREE_EDIT_H

#include "hole_btree.h"

/* @child's node, on @level, has other items; none has more room than @bound. */
static void btree_child_renew(struct btree_child *child, unsigned int level,
			      struct room bound)
{
	iova_visit(update);
	child->lo = btree_node_lowest(child->node, level);
	child->room = btree_node_room(child->node, level, bound);
}

/* A new root above the old one, of which it knows nothing yet. */
static void btree_grow_root(struct hole_btree *tree, struct btree_path *path)
{
	struct btree_node *root = spare_pop(&tree->domain);

	iova_visit(update);
	root->nr = 1;
	root->first = 0;
	root->child[0] = (struct btree_child){ tree->root, 0, unbounded };
	tree->root = root;
	tree->top++;
	path->at[tree->top].node = root;
	path->at[tree->top].slot = 0;
}

/*
 * The lower half of the path's full node on @level goes into a new one.  What
 * the parent keeps of the half that the path goes to is left to btree_settle_up().
 */
static noinline void btree_split(struct hole_btree *tree,
				 struct btree_path *path, unsigned int level)
{
	unsigned int most = btree_node_most(level), keep = (most + 1) / 2;
	struct btree_node *node = (path->at + level)->node, *right;
	struct btree_child *child;

	path->split = level + 1;
	if (level == tree->top)
		btree_grow_root(tree, path);
	else if ((path->at + level + 1)->node->nr == BRANCH_CHILDREN)
		btree_split(tree, path, level + 1);

	right = spare_pop(&tree->domain);
	btree_move_items(right, 0, node, keep, most - keep, level);
	right->nr = most - keep;
	right->first = 0;
	node->nr = keep;
	child = &(path->at + level + 1)
			 ->node->child[(path->at + level + 1)->slot];
	btree_open_slot((path->at + level + 1)->node,
			(path->at + level + 1)->slot, level + 1);
	child[1].node = right;
	if ((path->at + level)->slot < keep) {
		btree_child_renew(&child[1], level, child->room);
		return;
	}
	btree_child_renew(&child[0], level, child->room);
	(path->at + level)->slot -= keep;
	(path->at + level)->node = right;
	(path->at + level + 1)->slot++;
}

/* A hole in front of the path's. */
static __always_inline void
btree_insert(struct hole_btree *tree, struct btree_path *path, struct hole hole)
{
	struct btree_step *leaf = &path->at[0];
	struct btree_node *node;

	if (unlikely(leaf->node->nr == LEAF_HOLES))
		btree_split(tree, path, 0);
	node = leaf->node;
	btree_open_slot(node, leaf->slot, 0);
	*btree_hole(node, leaf->slot) = hole;
}

/* Move a node's items to its beginning. */
static void btree_pack(struct btree_node *node, unsigned int level)
{
	btree_move_items(node, 0, node, node->first, node->nr, level);
	node->first = 0;
}

/* Share the items of two neighbours on @level: all into the left, or half each. */
static bool btree_join(struct btree_node *left, struct btree_node *right,
		       unsigned int level)
{
	unsigned int nr = left->nr + right->nr, keep = nr;

	if (nr >= btree_node_most(level))
		keep = (nr + 1) / 2;
	if (left->first)
		btree_pack(left, level);
	if (right->first)
		btree_pack(right, level);
	if (left->nr < keep) {
		btree_move_items(left, left->nr, right, 0, keep - left->nr,
				 level);
		btree_move_items(right, 0, right, keep - left->nr, nr - keep,
				 level);
	} else {
		btree_move_items(right, left->nr - keep, right, 0, right->nr,
				 level);
		btree_move_items(right, 0, left, keep, left->nr - keep, level);
	}
	left->nr = keep;
	right->nr = nr - keep;
	return keep == nr;
}

/**
 * struct btree_change - what a change of holes means for the rooms above them
 * @lost: how long the hole was that is gone, or less; no other has become less
 * @gained: the room of a hole that came, or grew; no other has become more
 */
struct btree_change {
	unsigned long lost;
	struct room gained;
};

/*
 * The room of the path's node on @level; before the change, or of what it was
 * joined with, it was @room.  The most is still there, unless it was the lost
 * one's, which had no more room of either kind than it was long.
 */
static struct room btree_room_after(const struct btree_path *path,
				    const struct btree_node *node,
				    unsigned int level, struct room room,
				    const struct btree_change *change)
{
	room = most_room(room, change->gained);
	if (level < path->split || change->lost >= room.aligned)
		return btree_node_room(node, level, room);
	return room;
}

/* The path's node on @level is too empty: join it with a neighbour. */
static void btree_refill(struct hole_btree *tree, struct btree_path *path,
			 unsigned int level, const struct btree_change *change)
{
	struct btree_node *parent = (path->at + level + 1)->node;
	unsigned int slot = (path->at + level + 1)->slot;
	struct btree_child *left = &parent->child[slot ? slot - 1 : 0];
	struct btree_node *right = left[1].node;
	struct room both = most_room(left->room, left[1].room);

	if (btree_join(left->node, right, level)) {
		iova_visit(update);
		iova_visit(update);
		btree_close_slot(parent, left + 1 - parent->child, level + 1);
		spare_push(&tree->domain, right);
		if (parent == tree->root && parent->nr == 1)
			return; /* the root goes */
		left->lo = btree_node_lowest(left->node, level);
		left->room = btree_room_after(path, left->node, level, both,
					      change);
	} else {
		both = most_room(both, change->gained);
		btree_child_renew(left, level, both);
		btree_child_renew(&left[1], level, both);
	}
}

/* False if what a parent keeps of the path's node on @level stays as it was. */
static bool btree_renew(struct btree_path *path, unsigned int level,
			const struct btree_change *change)
{
	struct btree_child *child =
		&(path->at + level + 1)
			 ->node->child[(path->at + level + 1)->slot];
	unsigned long lo = btree_node_lowest(child->node, level);
	struct room room = btree_room_after(path, child->node, level,
					    child->room, change);

	iova_visit(update);
	if (lo == child->lo && room.anywhere == child->room.anywhere &&
	    room.aligned == child->room.aligned)
		return false;
	child->lo = lo;
	child->room = room;
	return true;
}

static noinline void btree_settle_up(struct hole_btree *tree,
				     struct btree_path *path,
				     const struct btree_change *change)
{
	struct btree_node *root = tree->root;
	unsigned int level;

	for (level = 0; level < tree->top; level++) {
		if (btree_too_empty((path->at + level)->node, level))
			btree_refill(tree, path, level, change);
		else if (!btree_renew(path, level, change) &&
			 level >= path->split)
			return;
	}
	if (root->nr == 1) {
		tree->root = root->child[0].node;
		tree->top--;
		iova_visit(update);
		spare_push(&tree->domain, root);
	}
}

/* Has the hole in a leaf's slot, if any, at least the room of one so long? */
static __always_inline bool btree_is_as_roomy(struct btree_node *leaf,
					      unsigned int slot,
					      unsigned long length)
{
	unsigned long mask = ~0UL << fls_long(length - 1);

	return slot < leaf->nr &&
	       hole_fits(*btree_hole(leaf, slot), length, mask);
}

/* What the parent of the path's leaf keeps of it. */
static __always_inline const struct btree_child *
btree_kept(const struct btree_path *path)
{
	return path->at[1].node->child + path->at[1].slot;
}

/* Is all but its room still so?  Of a path that is not split. */
static __always_inline bool btree_still_fits(const struct btree_path *path)
{
	const struct btree_node *leaf = path->at[0].node;

	return btree_node_lowest(leaf, 0) == btree_kept(path)->lo &&
	       !btree_too_empty(leaf, 0) && !path->split;
}

/*
 * @gained came to the path's leaf, or grew there.  The room of the leaf does not
 * change with a hole that is no longer than that.  The path is lost.
 */
static __always_inline void btree_settle_gained(struct hole_btree *tree,
						struct btree_path *path,
						struct hole gained)
{
	struct btree_change change = { 0 };

	if (!tree->top ||
	    (hole_length(gained) <= btree_kept(path)->room.aligned &&
	     btree_still_fits(path)))
		return;
	change.gained = hole_room(gained);
	btree_settle_up(tree, path, &change);
}

/*
 * Of a hole that was so long, something was taken.  Where holes of one size come
 * and go, the next has as much room as the one that is gone.  The path is lost.
 */
static __always_inline void btree_settle_lost(struct hole_btree *tree,
					      struct btree_path *path,
					      unsigned long lost)
{
	struct btree_change change = { 0 };

	if (!tree->top)
		return;
	if (lost >= btree_kept(path)->room.aligned &&
	    !btree_is_as_roomy(path->at[0].node, path->at[0].slot + 1, lost))
		change.lost = lost;
	else if (btree_still_fits(path))
		return;
	btree_settle_up(tree, path, &change);
}

static void btree_put_nodes(struct hole_btree *tree, struct btree_node *node,
			    unsigned int level)
{
	unsigned int i;

	for (i = 0; level && i < node->nr; i++)
		btree_put_nodes(tree, node->child[i].node, level - 1);
	kmem_cache_free(tree->domain.cache, node);
}

#endif
