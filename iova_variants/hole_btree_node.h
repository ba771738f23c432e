/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hole_btree_node - nodes of a hole_btree, and their items.
 *
 * What the tree is, and its invariants: hole_btree.h.
 */
#ifndef HOLE_BTREE_NODE_H
#define HOLE_BTREE_NODE_H

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

/*
 * Holes come and go at the top most of all, so a leaf may have places free at
 * both ends: its holes begin at @first.  A branch's children begin at 0.
 */
struct btree_node {
	unsigned int nr;
	unsigned int first;
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
 * struct finger - a gap between two holes of the tree, and a hole in it
 * @lo: where the gap begins: no hole of the tree below it ends above this
 * @end: where it ends, exclusive: no hole of the tree above it begins below this
 * @hole: is not in the tree, and touches neither end of the gap; may be none
 *
 * An alloc that takes a whole hole leaves the gap where that was; what comes
 * free inside of it stands here, and goes again, without a way through the tree.
 */
struct finger {
	unsigned long lo;
	unsigned long end;
	struct hole hole;
};

/**
 * struct hole_btree - the domain, and the tree of its holes
 *
 * The including file's struct iova_domain begins with one.
 *
 * @domain: holes that are aside, and nodes in stock
 * @finger: one more hole that is not in the tree
 * @near: the slot in its leaf where a hole last came or grew, a guess
 * @top: level of the root; a leaf is on level 0
 * @root: never NULL
 */
struct hole_btree {
	struct hole_domain domain;
	struct finger finger;
	unsigned int near;
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

/* Less than half full, which only the root may be. */
static inline bool btree_too_empty(const struct btree_node *node,
				   unsigned int level)
{
	return node->nr < btree_node_most(level) / 2;
}

static void *btree_node_item(struct btree_node *node, unsigned int level,
			     unsigned int slot)
{
	return level ? (void *)&node->child[slot] : (void *)&node->hole[slot];
}

/* @nr items from one place to another, which may overlap; whatever first is. */
static void btree_move_items(struct btree_node *to, unsigned int to_slot,
			     struct btree_node *from, unsigned int slot,
			     unsigned int nr, unsigned int level)
{
	if (nr == 1 && !level)
		to->hole[to_slot] = from->hole[slot];
	else if (nr)
		memmove(btree_node_item(to, level, to_slot),
			btree_node_item(from, level, slot),
			nr * (level ? sizeof(struct btree_child) :
				      sizeof(struct hole)));
}

/* What is in front of the slot is moved, or what is behind it, if there is place. */
static void btree_open_slot(struct btree_node *node, unsigned int slot,
			    unsigned int level)
{
	unsigned int first = node->first, behind = node->nr - slot;

	if (first && (slot < behind || first + node->nr == LEAF_HOLES)) {
		btree_move_items(node, first - 1, node, first, slot, level);
		node->first--;
	} else {
		btree_move_items(node, first + slot + 1, node, first + slot,
				 behind, level);
	}
	node->nr++;
}

static void btree_close_slot(struct btree_node *node, unsigned int slot,
			     unsigned int level)
{
	unsigned int first = node->first, behind = node->nr - slot - 1;

	if (!level && slot < behind) {
		btree_move_items(node, first + 1, node, first, slot, level);
		node->first++;
	} else {
		btree_move_items(node, first + slot, node, first + slot + 1,
				 behind, level);
	}
	node->nr--;
}

/* The hole in a leaf's slot. */
static inline struct hole *btree_hole(struct btree_node *leaf,
				      unsigned int slot)
{
	return &leaf->hole[leaf->first + slot];
}

static unsigned long btree_node_lowest(const struct btree_node *node,
				       unsigned int level)
{
	return level ? node->child[node->nr - 1].lo :
		       node->hole[node->first + node->nr - 1].lo;
}

static const struct room unbounded = { ~0UL, ~0UL };

static struct room most_room(struct room a, struct room b)
{
	return (struct room){
		.anywhere = max(a.anywhere, b.anywhere),
		.aligned = max(a.aligned, b.aligned),
	};
}

/*
 * The most room of a node's items.  @bound is known to be no less, so the rest
 * need not be looked at when that is reached.
 */
static struct room btree_node_room(const struct btree_node *node,
				   unsigned int level, struct room bound)
{
	const struct hole *hole = &node->hole[node->first];
	struct room most = { 0, 0 }, room;
	unsigned int i;

	for (i = 0; i < node->nr; i++) {
		room.anywhere = level ? node->child[i].room.anywhere :
					hole[i].end - hole[i].lo;
		if (room.anywhere <= most.aligned)
			continue;
		room.aligned = level ? node->child[i].room.aligned :
				       aligned_room(hole[i].lo, hole[i].end);
		most = most_room(most, room);
		if (most.anywhere >= bound.anywhere &&
		    most.aligned >= bound.aligned)
			break;
	}
	return most;
}

static struct hole *btree_path_hole(const struct btree_path *path)
{
	return btree_hole(path->at[0].node, path->at[0].slot);
}

#endif
