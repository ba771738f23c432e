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

/*
 * From the root, on level top, down: a node, and one of its items, per level.
 *
 * Those of the op that runs are in the tree, not on the stack: a kernel that clears
 * what is there (INIT_STACK_ALL_ZERO) takes more instructions for that than for the
 * way down.
 */
struct btree_path {
	/* After btree_descend(): where the hole in front begins, ~0 if none is. */
	unsigned long above_lo;
	/*
	 * Below this level a parent's cached room may be too large, and must
	 * be recomputed even if the child did not change.
	 */
	unsigned int split;
	struct btree_step {
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
 * @pending: what came free last, if it is not in the tree yet; path leads to where
 *	it belongs, and may touch holes there
 * @path: of the op that runs, under the lock
 * @above: the same, of the hole in front where that is in another leaf
 * @came_lo: where what came free last begins, as far as the tree has seen it
 * @took_lo: where what was taken last begins; if that is the same, what comes free
 *	next is held back
 * @top: level of the root; a leaf is on level 0
 * @root: never NULL
 */
struct hole_btree {
	struct hole_domain domain;
	struct finger finger;
	struct hole pending;
	struct btree_path path;
	struct btree_path above;
	unsigned long came_lo;
	unsigned long took_lo;
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

static inline void *btree_node_item(struct btree_node *node, unsigned int level,
				    unsigned int slot)
{
	return level ? (void *)(node->child + slot) :
		       (void *)(node->hole + slot);
}

/* @nr items from one place to another, which may overlap; whatever first is. */
static __always_inline void
btree_move_items(struct btree_node *to, unsigned int to_slot,
		 struct btree_node *from, unsigned int slot, unsigned int nr,
		 unsigned int level)
{
	if (nr)
		memmove(btree_node_item(to, level, to_slot),
			btree_node_item(from, level, slot),
			nr * (level ? sizeof(struct btree_child) :
				      sizeof(struct hole)));
}

/* What is in front of the slot is moved, or what is behind it, if there is place. */
static __always_inline void
btree_open_slot(struct btree_node *node, unsigned int slot, unsigned int level)
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

static __always_inline void
btree_close_slot(struct btree_node *node, unsigned int slot, unsigned int level)
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
	return leaf->hole + leaf->first + slot;
}

static inline unsigned long btree_node_lowest(const struct btree_node *node,
					      unsigned int level)
{
	return level ? (node->child + node->nr - 1)->lo :
		       (node->hole + node->first + node->nr - 1)->lo;
}

static const struct room unbounded = { ~0UL, ~0UL };

static struct room most_room(struct room a, struct room b)
{
	return (struct room){
		.anywhere = max(a.anywhere, b.anywhere),
		.aligned = max(a.aligned, b.aligned),
	};
}

static inline bool has_more(struct room a, struct room b)
{
	return a.anywhere > b.anywhere || a.aligned > b.aligned;
}

static inline unsigned long hole_length(struct hole hole)
{
	return hole.end - hole.lo;
}

/* Does a request of this size fit, aligned as @mask has it? */
static __always_inline bool hole_fits(struct hole hole, unsigned long size,
				      unsigned long mask)
{
	return hole.end - hole.lo >= size &&
	       ((hole.end - size) & mask) >= hole.lo;
}

/*
 * The most room of a node's items.  @bound is known to be no less, so the rest
 * need not be looked at when that is reached.
 *
 * Few holes of a leaf have more than those in front of them.  To see that takes
 * fewer instructions than their room: does a request fit that is one pfn larger?
 */
static __always_inline struct room
btree_room_of_items(const struct btree_node *node, unsigned int level,
		    struct room bound)
{
	const struct hole *hole = node->hole + node->first;
	const struct btree_child *child = node->child;
	struct room most = { 0, 0 }, room;
	unsigned long mask = ~0UL; /* of a request of most.aligned + 1 */
	unsigned int i;

	for (i = 0; i < node->nr; i++) {
		room.anywhere = level ? child[i].room.anywhere :
					hole[i].end - hole[i].lo;
		if (room.anywhere <= most.aligned)
			continue;
		room.aligned = level ? child[i].room.aligned : 0;
		if (!level && hole_fits(hole[i], most.aligned + 1, mask)) {
			room.aligned = aligned_room(hole[i].lo, hole[i].end);
			mask = ~0UL << fls_long(room.aligned);
		}
		if (!has_more(room, most))
			continue;
		most = most_room(most, room);
		if (!has_more(bound, most))
			break;
	}
	return most;
}

/* The same, with a loop for each kind of node. */
static noinline struct room btree_node_room(const struct btree_node *node,
					    unsigned int level,
					    struct room bound)
{
	return level ? btree_room_of_items(node, 1, bound) :
		       btree_room_of_items(node, 0, bound);
}

static struct hole *btree_path_hole(const struct btree_path *path)
{
	return btree_hole(path->at[0].node, path->at[0].slot);
}

#endif
