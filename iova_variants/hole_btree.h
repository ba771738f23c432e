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
 * This header looks; hole_btree_node.h has the nodes, hole_btree_edit.h and
 * hole_btree_finger.h change.  The caller holds the lock.
 *
 * Invariants:
 *   - all leaves are on level 0; every node but the root is at least half full
 *   - a child's lowest pfn and its room are exact, but for the lowest pfn where
 *     the lowest hole of all is below the child: nothing is looked for beyond it
 */
#ifndef HOLE_BTREE_H
#define HOLE_BTREE_H

#include "hole_btree_node.h"

/* ---- looking ---- */

/* The first hole that begins at or below @pfn: they go down. */
static unsigned int btree_leaf_slot(const struct btree_node *leaf,
				    unsigned long pfn)
{
	const struct hole *hole = leaf->hole + leaf->first;
	unsigned int slot = 0, behind = leaf->nr, middle;

	while (slot < behind) {
		middle = (slot + behind) / 2;
		if (hole[middle].lo > pfn)
			slot = middle + 1;
		else
			behind = middle;
	}
	return slot;
}

/* The same; what comes free is often right below what came free last. */
static inline unsigned int btree_slot_near(const struct btree_node *leaf,
					   unsigned int near, unsigned long pfn)
{
	const struct hole *hole = leaf->hole + leaf->first;

	if (near + 1 < leaf->nr && hole[near].lo > pfn &&
	    hole[near + 1].lo <= pfn)
		return near + 1;
	return btree_leaf_slot(leaf, pfn);
}

/*
 * The first hole that begins below the limit: as a rule that is above all holes,
 * or above all but a few.
 */
static inline struct hole *btree_cut(struct btree_node *leaf,
				     const struct request *request)
{
	struct hole *hole = btree_hole(leaf, 0), *few = hole + 4;
	const struct hole *behind = hole + leaf->nr;

	while (hole < behind && hole->lo >= request->high)
		if (++hole == few)
			return btree_hole(
				leaf, btree_leaf_slot(leaf, request->high - 1));
	return hole;
}

/* The first child that has such a hole; the last, if none has. */
static unsigned int btree_branch_slot(const struct btree_node *branch,
				      unsigned long pfn)
{
	unsigned int slot = 0, last = branch->nr - 1;

	while (slot < last && (branch->child + slot)->lo > pfn)
		slot++;
	return slot;
}

/* To the leaf that has the highest hole that begins at or below @pfn, if any has. */
static noinline struct btree_node *
btree_descend_branches(const struct hole_btree *tree, struct btree_path *path,
		       unsigned long pfn)
{
	struct btree_node *node = tree->root;
	unsigned int level, slot;

	for (level = tree->top; level; level--) {
		iova_visit(descend);
		slot = btree_branch_slot(node, pfn);
		if (slot)
			path->above_lo = (node->child + slot - 1)->lo;
		(path->at + level)->node = node;
		(path->at + level)->slot = slot;
		node = (node->child + slot)->node;
	}
	return node;
}

/* A slot of a leaf, and where the hole in front of it begins, ~0 if none is. */
struct btree_place {
	struct btree_node *leaf;
	unsigned int slot;
	unsigned long above_lo;
};

/*
 * The highest hole that begins at or below @pfn, or behind the last.  The path is
 * that to the leaf, and ends above it.
 */
static __always_inline struct btree_place
btree_place(const struct hole_btree *tree, struct btree_path *path,
	    unsigned long pfn)
{
	struct btree_place place = { .leaf = tree->root, .above_lo = ~0UL };

	if (tree->top) {
		path->above_lo = ~0UL;
		place.leaf = btree_descend_branches(tree, path, pfn);
		place.above_lo = path->above_lo;
	}
	iova_visit(descend);
	place.slot = btree_slot_near(place.leaf, path->at[0].slot, pfn);
	if (place.slot)
		place.above_lo = (btree_hole(place.leaf, place.slot) - 1)->lo;
	return place;
}

static __always_inline void btree_path_to(struct btree_path *path,
					  struct btree_place place)
{
	path->split = 0;
	path->above_lo = place.above_lo;
	path->at[0].node = place.leaf;
	path->at[0].slot = place.slot;
}

static void btree_descend(const struct hole_btree *tree,
			  struct btree_path *path, unsigned long pfn)
{
	btree_path_to(path, btree_place(tree, path, pfn));
}

/* Behind the last hole of all. */
static void btree_descend_lowest(const struct hole_btree *tree,
				 struct btree_path *path)
{
	struct btree_node *node = tree->root;
	unsigned int level;

	path->split = 0;
	for (level = tree->top; level; level--) {
		iova_visit(descend);
		(path->at + level)->node = node;
		(path->at + level)->slot = node->nr - 1;
		node = node->child[node->nr - 1].node;
	}
	iova_visit(descend);
	path->at[0].node = node;
	path->at[0].slot = node->nr;
}

/* To the hole in front of the path's, which there is. */
static void btree_step_up(struct btree_path *path)
{
	unsigned int level = 0;
	struct btree_child *child;
	struct btree_node *node;

	while (!(path->at + level)->slot)
		level++;
	(path->at + level)->slot--;
	while (level--) {
		iova_visit(descend);
		child = &(path->at + level + 1)->node->child[0];
		node = child[(path->at + level + 1)->slot].node;
		(path->at + level)->node = node;
		(path->at + level)->slot = node->nr - 1;
	}
}

/* From @hole on, the slot of the first that the request fits. */
static inline unsigned int
btree_fitting_slot(const struct btree_node *leaf, const struct hole *hole,
		   const struct request *request, unsigned long *pfn_lo)
{
	const struct hole *first = leaf->hole + leaf->first;
	const struct hole *behind = first + leaf->nr;

	while (hole < behind &&
	       (hole->end - hole->lo < request->size ||
		!take_top(hole->lo, hole->end, request, pfn_lo)))
		hole++;
	return hole - first;
}

/* From @slot on, the first child with room. */
static __always_inline unsigned int
btree_roomy_child(const struct btree_node *branch, unsigned int slot,
		  const struct request *request)
{
	const struct btree_child *child = branch->child + slot;
	const struct btree_child *behind = branch->child + branch->nr;

	if (request->size_aligned)
		while (child < behind && child->room.aligned < request->size)
			child++;
	else
		while (child < behind && child->room.anywhere < request->size)
			child++;
	return child - branch->child;
}

/* From @branch, on @level, the highest fit of the children from @slot on. */
static __always_inline bool
btree_search_down(struct btree_path *path, unsigned int level,
		  struct btree_node *branch, unsigned int slot,
		  const struct request *request, unsigned long *pfn_lo)
{
	struct btree_node *node = branch;
	struct btree_step *step;

	slot = btree_roomy_child(node, slot, request);
	if (slot == node->nr)
		return false;
	for (;;) {
		step = path->at + level;
		step->node = node;
		step->slot = slot;
		node = (node->child + slot)->node;
		iova_visit(search);
		if (!--level)
			break;
		slot = btree_roomy_child(node, 0, request);
	}
	path->at[0].node = node;
	path->at[0].slot = btree_fitting_slot(node, btree_hole(node, 0),
					      request, pfn_lo);
	return true;
}

/*
 * The highest fit where the limit may cut a hole.  It alone may have less room than
 * is kept of it, so the way leads there first.  All behind that is wholly below the
 * limit: there, the first child with room, as deep down as there is one, has the answer.
 */
static noinline bool
btree_search_cut(const struct hole_btree *tree, struct btree_path *path,
		 const struct request *request, unsigned long *pfn_lo)
{
	struct btree_node *node = tree->root;
	struct btree_step *step;
	unsigned int level, slot;

	for (level = tree->top; level; level--) {
		iova_visit(search);
		step = path->at + level;
		step->node = node;
		step->slot = btree_branch_slot(node, request->high - 1);
		if (!has_room(&(node->child + step->slot)->room, request))
			break;
		node = (node->child + step->slot)->node;
	}
	if (!level) {
		iova_visit(search);
		slot = btree_fitting_slot(node, btree_cut(node, request),
					  request, pfn_lo);
		path->at[0].node = node;
		path->at[0].slot = slot;
		if (slot < node->nr)
			return true;
		level = 1;
	}
	for (; level <= tree->top; level++)
		if (btree_search_down(path, level, (path->at + level)->node,
				      (path->at + level)->slot + 1, request,
				      pfn_lo))
			return true;
	return false;
}

/* The highest fit, if the lowest hole begins below the limit and the root is a branch. */
static __always_inline bool
btree_search(const struct hole_btree *tree, struct btree_path *path,
	     const struct request *request, unsigned long *pfn_lo)
{
	path->split = 0;
	if (request->high < tree->domain.asked_end)
		return btree_search_cut(tree, path, request, pfn_lo);
	iova_visit(search);
	return btree_search_down(path, tree->top, tree->root, 0, request,
				 pfn_lo);
}

/* ---- verify and dump: every node ---- */

static const char *
btree_verify_node(const struct hole_btree *tree, struct hole_walk *walk,
		  const struct btree_node *node, unsigned int level, bool last)
{
	const char *wrong = NULL;
	struct hole hole;
	unsigned int i;

	walk->nr_nodes++;
	if (level ? node->first : node->first + node->nr > LEAF_HOLES)
		return "a node's items begin elsewhere";
	if (node->nr > btree_node_most(level))
		return "a node is more than full";
	if (node != tree->root && btree_too_empty(node, level))
		return "a node is less than half full";
	if (level && node->nr < 2)
		return "the root has less than two children";
	for (i = 0; !wrong && i < node->nr; i++) {
		const struct btree_child *child = &node->child[i];
		struct room room;

		if (!level) {
			hole = node->hole[node->first + i];
			wrong = hole_walk_on(walk, hole);
			if (hole.end > tree->finger.lo &&
			    hole.lo < tree->finger.end)
				wrong = "a hole of the tree is in the gap";
			if (hole.end > tree->pending.lo &&
			    hole.lo < tree->pending.end)
				wrong = "a hole of the tree is free once more";
			continue;
		}
		wrong = btree_verify_node(tree, walk, child->node, level - 1,
					  last && i + 1 == node->nr);
		room = btree_node_room(child->node, level - 1, unbounded);
		if (!wrong && last && i + 1 == node->nr)
			wrong = child->lo < walk->end ?
					"a branch errs about the lowest" :
					NULL;
		else if (!wrong && child->lo != walk->end)
			wrong = "a branch errs about where a child begins";
		if (!wrong && (child->room.anywhere != room.anywhere ||
			       child->room.aligned != room.aligned))
			wrong = "a branch errs about a child";
	}
	return wrong;
}

static const char *finger_verify(const struct finger *finger,
				 struct hole_walk *walk)
{
	const struct hole *hole = &finger->hole;

	if (!hole->end)
		return hole->lo == ~0UL ? NULL : "no hole begins somewhere";
	if (hole->lo >= hole->end)
		return "the hole in the gap is empty";
	if (hole->lo <= finger->lo || hole->end >= finger->end)
		return "the hole in the gap touches an end of it";
	walk->end = min(walk->end, hole->lo);
	walk->nr_holes++;
	return NULL;
}

static const char *pending_verify(const struct hole_btree *tree,
				  struct hole_walk *walk)
{
	const struct btree_step *leaf = &tree->path.at[0];
	const struct hole *pending = &tree->pending;
	const struct hole *hole;

	if (!pending->end)
		return NULL;
	hole = leaf->node->hole + leaf->node->first + leaf->slot;
	if (pending->lo >= pending->end)
		return "what came free last is empty";
	if (pending->end > tree->finger.lo && pending->lo < tree->finger.end)
		return "what came free last is in the gap";
	if (tree->path.above_lo < pending->end)
		return "what came free last reaches into the hole above";
	if (leaf->slot < leaf->node->nr && hole->end > pending->lo)
		return "what came free last belongs further down";
	if (leaf->slot && hole[-1].lo != tree->path.above_lo)
		return "what came free last belongs elsewhere";
	walk->end = min(walk->end, pending->lo);
	walk->nr_holes++;
	walk->nr_holes -= tree->path.above_lo == pending->end;
	walk->nr_holes -= leaf->slot < leaf->node->nr &&
			  hole->end == pending->lo;
	return NULL;
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
			put_hole(out, node->hole[node->first + i]);
	}
}

#endif
