/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_btree_edit - insert into a hole_btree, and take out of it.
 *
 * Nodes come from the domain's stock, and go back there: a change that has begun
 * can't fail.  What the parents keep of a changed leaf is put right on the way up,
 * by btree_settle(), which every change ends in.
 */
#ifndef HOLE_BTREE_EDIT_H
#define HOLE_BTREE_EDIT_H

#include "hole_btree.h"

/* @child's node, on @level, has changed. */
static void btree_child_renew(struct btree_child *child, unsigned int level)
{
	iova_visit(update);
	child->lo = btree_node_lowest(child->node, level);
	child->room = btree_node_room(child->node, level, unbounded);
}

/* A new root above the old one, of which it knows nothing yet. */
static void btree_grow_root(struct hole_btree *tree, struct btree_path *path)
{
	struct btree_node *root = spare_pop(&tree->domain);

	iova_visit(update);
	root->nr = 1;
	root->child[0] = (struct btree_child){ tree->root, 0, unbounded };
	tree->root = root;
	tree->top++;
	path->at[tree->top].node = root;
	path->at[tree->top].slot = 0;
}

/*
 * The lower half of the path's full node on @level goes into a new one.  What
 * the parent keeps of the half that the path goes to is left to btree_settle().
 */
static void btree_split(struct hole_btree *tree, struct btree_path *path,
			unsigned int level)
{
	unsigned int most = btree_node_most(level), keep = (most + 1) / 2;
	struct btree_node *node = path->at[level].node, *right;
	struct btree_child *child;

	path->split = level + 1;
	if (level == tree->top)
		btree_grow_root(tree, path);
	else if (path->at[level + 1].node->nr == BRANCH_CHILDREN)
		btree_split(tree, path, level + 1);

	right = spare_pop(&tree->domain);
	btree_move_items(right, 0, node, keep, most - keep, level);
	right->nr = most - keep;
	node->nr = keep;
	child = &path->at[level + 1].node->child[path->at[level + 1].slot];
	btree_open_slot(path->at[level + 1].node, path->at[level + 1].slot,
			level + 1);
	child[1].node = right;
	if (path->at[level].slot < keep) {
		btree_child_renew(&child[1], level);
		return;
	}
	btree_child_renew(&child[0], level);
	path->at[level].slot -= keep;
	path->at[level].node = right;
	path->at[level + 1].slot++;
}

/* A hole in front of the path's. */
static void btree_insert(struct hole_btree *tree, struct btree_path *path,
			 struct hole hole)
{
	if (unlikely(path->at[0].node->nr == LEAF_HOLES))
		btree_split(tree, path, 0);
	btree_open_slot(path->at[0].node, path->at[0].slot, 0);
	*btree_path_hole(path) = hole;
}

/* Share the items of two neighbours on @level: all into the left, or half each. */
static bool btree_join(struct btree_node *left, struct btree_node *right,
		       unsigned int level)
{
	unsigned int nr = left->nr + right->nr, keep = nr;

	if (nr >= btree_node_most(level))
		keep = (nr + 1) / 2;
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

/* The path's node on @level is too empty: join it with a neighbour. */
static void btree_refill(struct hole_btree *tree, struct btree_path *path,
			 unsigned int level)
{
	struct btree_node *parent = path->at[level + 1].node;
	unsigned int slot = path->at[level + 1].slot;
	struct btree_child *left = &parent->child[slot ? slot - 1 : 0];
	struct btree_node *right = left[1].node;

	if (btree_join(left->node, right, level)) {
		btree_close_slot(parent, left + 1 - parent->child, level + 1);
		iova_visit(update);
		spare_push(&tree->domain, right);
	} else {
		btree_child_renew(&left[1], level);
	}
	btree_child_renew(left, level);
}

/* False if what a parent keeps of the path's node on @level stays as it was. */
static bool btree_renew(struct btree_path *path, unsigned int level,
			struct room grown)
{
	struct btree_child *child =
		&path->at[level + 1].node->child[path->at[level + 1].slot];
	unsigned long lo = btree_node_lowest(child->node, level);
	struct room room = {
		max(grown.anywhere, child->room.anywhere),
		max(grown.aligned, child->room.aligned),
	};

	iova_visit(update);
	room = btree_node_room(child->node, level, room);
	if (lo == child->lo && room.anywhere == child->room.anywhere &&
	    room.aligned == child->room.aligned)
		return false;
	child->lo = lo;
	child->room = room;
	return true;
}

/*
 * The path's leaf has changed; no hole got more room than it had, or than
 * @grown, if that is one.  The path is lost.
 */
static void btree_settle(struct hole_btree *tree, struct btree_path *path,
			 struct hole grown)
{
	struct room room = { 0, 0 };
	struct btree_node *root;
	unsigned int level;

	if (unlikely(tree->top && grown.lo < grown.end))
		room = hole_room(grown);
	for (level = 0; level < tree->top; level++) {
		if (path->at[level].node->nr < btree_node_most(level) / 2)
			btree_refill(tree, path, level);
		else if (!btree_renew(path, level, room) &&
			 level >= path->split)
			return;
	}
	root = tree->root;
	if (tree->top && root->nr == 1) {
		tree->root = root->child[0].node;
		tree->top--;
		iova_visit(update);
		spare_push(&tree->domain, root);
		root = tree->root;
	}
	tree->domain.lowest = root->nr ? btree_node_lowest(root, tree->top) :
					 ~0UL;
}

/*
 * Take [@lo, @end) out of the path's hole.
 *
 *	| what is left below |   taken   | what is left above |
 *	hole->lo             lo          end          hole->end
 */
static void btree_take_out(struct hole_btree *tree, struct btree_path *path,
			   unsigned long lo, unsigned long end)
{
	struct hole *hole = btree_path_hole(path);
	struct hole above = { end, hole->end };

	if (lo > hole->lo) {
		hole->end = lo;
		if (end < above.end)
			btree_insert(tree, path, above);
	} else if (end < above.end) {
		hole->lo = end;
	} else {
		btree_close_slot(path->at[0].node, path->at[0].slot, 0);
	}
	/* A leaf that was split meanwhile knows nothing of what came after. */
	btree_settle(tree, path, above);
}

/* The path's hole and the one in front become one: all between them is free. */
static void btree_join_both(struct hole_btree *tree, struct btree_path *path)
{
	struct hole *below = btree_path_hole(path), grown;
	struct btree_path above = *path;

	btree_step_up(&above);
	below->end = btree_path_hole(&above)->end;
	grown = *below;
	if (above.at[0].node != path->at[0].node)
		btree_settle(tree, path, grown);
	btree_close_slot(above.at[0].node, above.at[0].slot, 0);
	btree_settle(tree, &above, grown);
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
