/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_btree - the holes of a hole_domain in a B+-tree that knows what fits.
 *
 * Nodes of 512 bytes, highest hole first.  A branch keeps the lowest pfn and the
 * room of each child, so a search goes straight to the highest hole with room:
 * down to the one hole that the limit cuts, and if that has no room, up to the
 * first child behind that has, and down again.
 *
 *	level 1	| lo, room | lo, room | lo, room |
 *		  |	     |		`--------.
 *	level 0	| [..] [.] [....] | [.] [...] | [.] [..] ... |	holes
 *		 highest			 lowest
 *
 * Cost in holes h: O(log h) nodes an op, for every limit, size and alignment.
 *
 * This header looks; hole_btree_edit.h changes.  The caller holds the lock.
 *
 * Invariants:
 *   - all leaves are on level 0; every node but the root is at least half full
 *   - a child's lowest pfn and its room are exact
 */
#ifndef HOLE_BTREE_H
#define HOLE_BTREE_H

/*
 * Why one node is good for 12 live ranges: m holes are in m / 15 leaves at most,
 * under a seventh as many branches on each level, and a root.  Together that is
 * at most m / 15 * 7 / 6 + 1 < m / 12 + 1.
 */
#define NODE_COVERS	12U

#include "hole_domain.h"

#define LEAF_HOLES	31U	/* 512 bytes in both cases */
#define BRANCH_CHILDREN	15U
#define TREE_LEVELS	12U	/* half full, that is 15 * 7^11 holes */

struct btree_child {
	struct btree_node *node;
	unsigned long lo;
	struct room room;
};

struct btree_node {
	unsigned int nr;
	union {
		struct hole hole[LEAF_HOLES];
		struct btree_child child[BRANCH_CHILDREN];
	};
};

/* From the root, on level top, down: a node, and one of its items, per level. */
struct btree_path {
	/* After btree_descend(): where the hole in front begins, ~0 if none is. */
	unsigned long above_lo;
	/*
	 * Below this level a parent's cached room may be too large, and must
	 * be recomputed even if the child did not change.
	 */
	unsigned int split;
	struct {
		struct btree_node *node;
		unsigned int slot;
	} at[TREE_LEVELS];
};

/**
 * struct hole_btree - the domain, and the tree of its holes
 *
 * The including file's struct iova_domain begins with one.
 *
 * @domain: holes that are aside, and nodes in stock
 * @top: level of the root; a leaf is on level 0
 * @root: never NULL
 */
struct hole_btree {
	struct hole_domain domain;
	unsigned int top;
	struct btree_node *root;
};

static inline struct hole_btree *to_btree(struct iova_domain *iovad)
{
	return (struct hole_btree *)iovad;
}

/* ---- nodes: the items of leaves and branches are moved alike ---- */

static unsigned int btree_node_most(unsigned int level)
{
	return level ? BRANCH_CHILDREN : LEAF_HOLES;
}

static void *btree_node_item(struct btree_node *node, unsigned int level,
			     unsigned int slot)
{
	return level ? (void *)&node->child[slot] : (void *)&node->hole[slot];
}

/* @nr items from one place to another, which may overlap. */
static void btree_move_items(struct btree_node *to, unsigned int to_slot,
			     struct btree_node *from, unsigned int slot,
			     unsigned int nr, unsigned int level)
{
	memmove(btree_node_item(to, level, to_slot),
		btree_node_item(from, level, slot),
		nr * (level ? sizeof(struct btree_child) :
			      sizeof(struct hole)));
}

static void btree_open_slot(struct btree_node *node, unsigned int slot,
			    unsigned int level)
{
	btree_move_items(node, slot + 1, node, slot, node->nr - slot, level);
	node->nr++;
}

static void btree_close_slot(struct btree_node *node, unsigned int slot,
			     unsigned int level)
{
	node->nr--;
	btree_move_items(node, slot, node, slot + 1, node->nr - slot, level);
}

static unsigned long btree_node_lowest(const struct btree_node *node,
				       unsigned int level)
{
	return level ? node->child[node->nr - 1].lo :
		       node->hole[node->nr - 1].lo;
}

static const struct room unbounded = { ~0UL, ~0UL };

/*
 * The most room of a node's items.  @bound is known to be no less, so the rest
 * need not be looked at when that is reached.
 */
static struct room btree_node_room(const struct btree_node *node,
				   unsigned int level, struct room bound)
{
	struct room most = { 0, 0 }, room;
	unsigned long lo, end;
	unsigned int i;

	for (i = 0; i < node->nr; i++) {
		if (level) {
			room = node->child[i].room;
		} else {
			lo = node->hole[i].lo;
			end = node->hole[i].end;
			room.anywhere = end - lo;
			room.aligned = most.aligned < end - lo ?
					       aligned_room(lo, end) :
					       0;
		}
		most.anywhere = max(most.anywhere, room.anywhere);
		most.aligned = max(most.aligned, room.aligned);
		if (most.anywhere >= bound.anywhere &&
		    most.aligned >= bound.aligned)
			break;
	}
	return most;
}

static struct hole *btree_path_hole(const struct btree_path *path)
{
	return &path->at[0].node->hole[path->at[0].slot];
}

/* ---- looking ---- */

/* The first hole that begins at or below @pfn: they go down. */
static unsigned int btree_leaf_slot(const struct btree_node *leaf,
				    unsigned long pfn)
{
	unsigned int slot = 0, behind = leaf->nr, middle;

	while (slot < behind) {
		middle = (slot + behind) / 2;
		if (leaf->hole[middle].lo > pfn)
			slot = middle + 1;
		else
			behind = middle;
	}
	return slot;
}

/* The first child that has such a hole; the last, if none has. */
static unsigned int btree_branch_slot(const struct btree_node *branch,
				      unsigned long pfn)
{
	unsigned int slot = 0, last = branch->nr - 1;

	while (slot < last && branch->child[slot].lo > pfn)
		slot++;
	return slot;
}

/* To the highest hole that begins at or below @pfn, or behind the last. */
static void btree_descend(const struct hole_btree *tree,
			  struct btree_path *path, unsigned long pfn)
{
	struct btree_node *node = tree->root;
	unsigned int level, slot;

	path->split = 0;
	path->above_lo = ~0UL;
	for (level = tree->top; level; level--) {
		iova_visit(descend);
		slot = btree_branch_slot(node, pfn);
		if (slot)
			path->above_lo = node->child[slot - 1].lo;
		path->at[level].node = node;
		path->at[level].slot = slot;
		node = node->child[slot].node;
	}
	iova_visit(descend);
	slot = btree_leaf_slot(node, pfn);
	if (slot)
		path->above_lo = node->hole[slot - 1].lo;
	path->at[0].node = node;
	path->at[0].slot = slot;
}

/* To the hole in front of the path's, which there is. */
static void btree_step_up(struct btree_path *path)
{
	unsigned int level = 0;
	struct btree_child *child;
	struct btree_node *node;

	while (!path->at[level].slot)
		level++;
	path->at[level].slot--;
	while (level--) {
		iova_visit(descend);
		child = &path->at[level + 1].node->child[0];
		node = child[path->at[level + 1].slot].node;
		path->at[level].node = node;
		path->at[level].slot = node->nr - 1;
	}
}

/* From @slot on, the first hole that the request fits. */
static inline unsigned int
btree_fitting_hole(const struct btree_node *leaf, unsigned int slot,
		   const struct request *request, unsigned long *pfn_lo)
{
	while (slot < leaf->nr &&
	       !take_top(leaf->hole[slot].lo, leaf->hole[slot].end, request,
			 pfn_lo))
		slot++;
	return slot;
}

/* From @slot on, the first child with room. */
static unsigned int btree_roomy_child(const struct btree_node *branch,
				      unsigned int slot,
				      const struct request *request)
{
	while (slot < branch->nr &&
	       !has_room(&branch->child[slot].room, request))
		slot++;
	return slot;
}

/* From the path's child on @level, which has room and ends below the limit. */
static void btree_search_down(struct btree_path *path, unsigned int level,
			      const struct request *request,
			      unsigned long *pfn_lo)
{
	struct btree_child *child;
	struct btree_node *node;

	while (level--) {
		iova_visit(search);
		child = &path->at[level + 1].node->child[0];
		node = child[path->at[level + 1].slot].node;
		path->at[level].node = node;
		path->at[level].slot =
			level ? btree_roomy_child(node, 0, request) :
				btree_fitting_hole(node, 0, request, pfn_lo);
	}
}

/*
 * The highest fit, if the lowest hole begins below the limit.
 *
 * First to the hole that the limit cuts, if any: it alone may have less room
 * than is kept of it.  All behind that is wholly below the limit: there, the
 * first child with room, as deep down as there is one, has the answer.
 */
static bool btree_search(const struct hole_btree *tree, struct btree_path *path,
			 const struct request *request, unsigned long *pfn_lo)
{
	unsigned int level, slot, behind, behind_slot = 0;
	struct btree_node *node = tree->root;

	path->split = 0;
	behind = 0; /* level of that child's parent; no leaf: none */
	for (level = tree->top; level; level--) {
		iova_visit(search);
		slot = btree_branch_slot(node, request->high - 1);
		path->at[level].node = node;
		path->at[level].slot = slot;
		slot = btree_roomy_child(node, slot + 1, request);
		if (slot < node->nr) {
			behind = level;
			behind_slot = slot;
		}
		slot = path->at[level].slot;
		if (!has_room(&node->child[slot].room, request))
			break;
		node = node->child[slot].node;
	}
	if (!level) {
		iova_visit(search);
		slot = btree_leaf_slot(node, request->high - 1);
		path->at[0].node = node;
		path->at[0].slot = btree_fitting_hole(node, slot, request,
						      pfn_lo);
		if (path->at[0].slot < node->nr)
			return true;
	}
	if (!behind)
		return false;
	path->at[behind].slot = behind_slot;
	btree_search_down(path, behind, request, pfn_lo);
	return true;
}

/* ---- verify and dump: every node ---- */

static const char *
btree_verify_node(const struct hole_btree *tree, struct hole_walk *walk,
		  const struct btree_node *node, unsigned int level)
{
	const char *wrong = NULL;
	unsigned int i;

	walk->nr_nodes++;
	if (node->nr > btree_node_most(level))
		return "a node is more than full";
	if (node != tree->root && node->nr < btree_node_most(level) / 2)
		return "a node is less than half full";
	if (level && node->nr < 2)
		return "the root has less than two children";
	for (i = 0; !wrong && i < node->nr; i++) {
		const struct btree_child *child = &node->child[i];
		struct room room;

		if (!level) {
			wrong = hole_walk_on(walk, node->hole[i]);
			continue;
		}
		wrong = btree_verify_node(tree, walk, child->node, level - 1);
		room = btree_node_room(child->node, level - 1, unbounded);
		if (!wrong && (child->lo != walk->end ||
			       child->room.anywhere != room.anywhere ||
			       child->room.aligned != room.aligned))
			wrong = "a branch errs about a child";
	}
	return wrong;
}

static void btree_dump_node(struct hole_words *out,
			    const struct btree_node *node, unsigned int level)
{
	unsigned int i;

	put_word(out, node->nr);
	for (i = 0; i < node->nr; i++) {
		if (level)
			btree_dump_node(out, node->child[i].node, level - 1);
		else
			put_hole(out, node->hole[i]);
	}
}

#endif
