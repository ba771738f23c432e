// SPDX-License-Identifier: GPL-2.0-only
/*
 * candidate - the holes only, in a B+-tree that knows what fits below it.
 *
 * The lab's own.  What holes are kept where, and what is given up for it, is in
 * hole_domain.h; the tree is in hole_btree.h, and what changes it in
 * hole_btree_edit.h and hole_btree_finger.h.  Here: how the tree serves as that of a domain.
 *
 * Cost in holes h, which are at most live ranges + 1: O(log h) nodes an op, for
 * every limit, size and alignment, refusals too.  A packed domain has two or
 * three holes, however many ranges live in it.
 *
 * Memory: 512 / 12 = 43 bytes per live range, see NODE_COVERS in hole_btree_node.h.
 *
 * Invariants, all under lock: those of hole_domain and hole_btree.
 */
#define IOVA_HOOK(name)	candidate_##name

#include "hole_btree_finger.h"
#include "hole_variant.h"

struct iova_domain {
	struct hole_btree tree;
};

/* What the tree grants is at @pfn, 0 if it refuses: is the finger's hole higher? */
static inline bool candidate_finger_is_higher(const struct hole_btree *tree,
					      const struct request *request,
					      unsigned long pfn)
{
	const struct finger *finger = &tree->finger;

	return finger->hole.lo > pfn && finger->hole.lo < request->high &&
	       finger->end < request->high;
}

static noinline bool candidate_take_from_branches(struct hole_btree *tree,
						  const struct request *request,
						  unsigned long *pfn_lo)
{
	struct btree_path *path = &tree->path;
	unsigned long pfn = 0;

	if (!btree_search(tree, path, request, &pfn))
		return candidate_finger_is_higher(tree, request, 0) &&
		       finger_take(tree, request, pfn_lo);
	if (candidate_finger_is_higher(tree, request, pfn) &&
	    finger_take(tree, request, pfn_lo))
		return true;
	*pfn_lo = pfn;
	btree_take_out(tree, path, pfn, pfn + request->size);
	return true;
}

static noinline void
candidate_take_out_of_root(struct hole_btree *tree, unsigned int slot,
			   unsigned long lo, unsigned long end)
{
	struct btree_path *path = &tree->path;

	path->split = 0;
	path->at[0].node = tree->root;
	path->at[0].slot = slot;
	btree_take_out(tree, path, lo, end);
}

/* The highest fit in the tree, 0 if none, and the path to it. */
static unsigned long candidate_search(struct hole_btree *tree,
				      struct btree_path *path,
				      const struct request *request)
{
	struct btree_node *root = tree->root;
	unsigned long pfn = 0;
	unsigned int slot;

	if (tree->top)
		return btree_search(tree, path, request, &pfn) ? pfn : 0;
	iova_visit(search);
	slot = btree_fitting_slot(root, btree_cut(root, request), request,
				  &pfn);
	path->split = 0;
	path->at[0].node = root;
	path->at[0].slot = slot;
	return slot < root->nr ? pfn : 0;
}

/*
 * With a hole held back: the highest fit in it and the holes that it touches, or in
 * the others.  All of what is held back, and no more, is taken without a change of
 * the tree.
 */
static noinline bool candidate_take_pending(struct hole_btree *tree,
					    const struct request *request,
					    unsigned long *pfn_lo)
{
	struct hole came = tree->pending, merged = pending_merged(tree);
	struct btree_step *leaf = &tree->path.at[0], *other_leaf;
	struct btree_path *path = &tree->path;
	unsigned long pfn, other, end;
	unsigned int nr;

	iova_visit(search);
	if (!take_top(merged.lo, merged.end, request, &pfn))
		pfn = 0;
	other = candidate_search(tree, &tree->above, request);
	if (candidate_finger_is_higher(tree, request, max(pfn, other)) &&
	    finger_take(tree, request, pfn_lo))
		return true;
	*pfn_lo = max(pfn, other);
	end = *pfn_lo + request->size;
	if (*pfn_lo == came.lo && end == came.end) {
		pending_drop(tree);
		return true;
	}
	if (!*pfn_lo)
		return false;

	nr = leaf->node->nr;
	pending_settle(tree);
	if (pfn < other) {
		path = &tree->above;
		other_leaf = &path->at[0];
		if (other < came.lo && other_leaf->node == leaf->node)
			other_leaf->slot += leaf->node->nr - nr;
	}
	btree_take_out(tree, path, *pfn_lo, end);
	tree->took_lo = *pfn_lo;
	return true;
}

/* While the root is a leaf, there is nobody above who has to know. */
static __always_inline bool
candidate_take_from_root(struct hole_btree *tree, const struct request *request,
			 unsigned long *pfn_lo)
{
	struct btree_node *root = tree->root;
	unsigned long pfn = 0, end;
	unsigned int slot;
	struct hole *hole;

	iova_visit(search);
	slot = btree_fitting_slot(root, btree_cut(root, request), request,
				  &pfn);
	if (slot == root->nr)
		return candidate_finger_is_higher(tree, request, 0) &&
		       finger_take(tree, request, pfn_lo);
	if (candidate_finger_is_higher(tree, request, pfn) &&
	    finger_take(tree, request, pfn_lo))
		return true;
	*pfn_lo = pfn;
	end = pfn + request->size;
	hole = btree_hole(root, slot);
	if (pfn > hole->lo && end == hole->end)
		hole->end = pfn;
	else
		candidate_take_out_of_root(tree, slot, pfn, end);
	return true;
}

static bool candidate_tree_take(struct iova_domain *iovad,
				const struct request *request,
				unsigned long *pfn_lo)
{
	struct hole_btree *tree = to_btree(iovad);

	/* Does nothing above the gap begin below the limit? */
	if (tree->finger.hole.lo < request->high &&
	    tree->finger.end >= request->high &&
	    finger_take(tree, request, pfn_lo))
		return true;
	if (tree->pending.end)
		return candidate_take_pending(tree, request, pfn_lo);
	if (!(tree->top ? candidate_take_from_branches(tree, request, pfn_lo) :
			  candidate_take_from_root(tree, request, pfn_lo)))
		return false;
	tree->took_lo = *pfn_lo;
	return true;
}

static void candidate_tree_take_out(struct iova_domain *iovad, unsigned long lo,
				    unsigned long end)
{
	struct hole_btree *tree = to_btree(iovad);
	struct btree_path *path = &tree->path;

	if (lo >= tree->finger.hole.lo && end <= tree->finger.hole.end) {
		finger_take_out(tree, lo, end);
		return;
	}
	settle_pending(tree);
	btree_descend(tree, path, lo);
	btree_take_out(tree, path, lo, end);
}

/* What touches the finger's hole takes it along; no hole if they overlap. */
static noinline struct hole
candidate_absorb(struct finger *finger, unsigned long lo, unsigned long end)
{
	struct hole hole = finger->hole;

	if (lo < hole.end && end > hole.lo)
		return NO_HOLE;
	finger->hole = NO_HOLE;
	hole.lo = min(lo, hole.lo);
	hole.end = max(end, hole.end);
	return hole;
}

static noinline bool candidate_give_back_to_tree(struct hole_btree *tree,
						 unsigned long lo,
						 unsigned long end)
{
	struct finger *finger = &tree->finger;
	bool holds = tree->took_lo == tree->came_lo;
	struct btree_place place;

	settle_pending(tree);
	place = btree_place(tree, &tree->path, lo);
	if (place.above_lo < end ||
	    (place.slot < place.leaf->nr &&
	     btree_hole(place.leaf, place.slot)->end > lo))
		return false;
	if (unlikely(lo <= finger->hole.end && end >= finger->hole.lo)) {
		struct hole both = candidate_absorb(finger, lo, end);

		if (!both.end)
			return false;
		lo = both.lo;
		end = both.end;
	}
	if (unlikely(lo < tree->domain.lowest))
		tree->domain.lowest = lo;
	tree->came_lo = lo;
	if (!holds || !pending_hold(tree, place, lo, end))
		btree_give_back(tree, place, lo, end);
	return true;
}

static bool candidate_tree_give_back(struct iova_domain *iovad,
				     unsigned long lo, unsigned long end)
{
	return finger_give_back(to_btree(iovad), lo, end) ||
	       candidate_give_back_to_tree(to_btree(iovad), lo, end);
}

static void candidate_tree_add_lowest(struct iova_domain *iovad,
				      struct hole hole)
{
	btree_add_lowest(to_btree(iovad), hole);
}

static unsigned long candidate_tree_pop_lowest(struct iova_domain *iovad)
{
	struct hole_btree *tree = to_btree(iovad);
	struct btree_path *path = &tree->path;
	struct hole lowest;

	settle_pending(tree);
	lowest = tree->finger.hole;
	if (lowest.lo == tree->domain.lowest) {
		tree->finger.hole = NO_HOLE;
		finger_renew_lowest(tree);
		return lowest.end;
	}
	btree_descend_lowest(tree, path);
	path->at[0].slot--;
	lowest = *btree_path_hole(path);
	btree_close_slot(path->at[0].node, path->at[0].slot, 0);
	btree_renew_lowest(tree, path->at[0].node);
	btree_settle_lost(tree, path, hole_length(lowest));
	return lowest.end;
}

static void candidate_tree_around(struct iova_domain *iovad, unsigned long pfn,
				  struct hole *below, unsigned long *above_lo)
{
	struct hole_btree *tree = to_btree(iovad);
	const struct hole *hole = &tree->finger.hole;
	struct btree_path *path = &tree->path;

	settle_pending(tree);
	btree_descend(tree, path, pfn);
	*below = (struct hole){ 0, 0 };
	if (path->at[0].slot < path->at[0].node->nr)
		*below = *btree_path_hole(path);
	*above_lo = path->above_lo;
	if (hole->lo > pfn)
		*above_lo = min(*above_lo, hole->lo);
	else if (hole->lo > below->lo)
		*below = *hole;
}

/* ---- init, put, verify and dump: every node ---- */

static unsigned int candidate_tree_node_size(void)
{
	return sizeof(struct btree_node);
}

static void candidate_tree_init(struct iova_domain *iovad)
{
	iovad->tree.root = spare_pop(&iovad->tree.domain);
	iovad->tree.root->nr = 0;
	iovad->tree.root->first = 0;
	iovad->tree.path.at[0].slot = 0;
	iovad->tree.pending = NO_HOLE;
	iovad->tree.came_lo = 0;
	iovad->tree.took_lo = ~0UL;
	iovad->tree.finger = (struct finger){ ~0UL, 0, NO_HOLE };
}

static void candidate_tree_put(struct iova_domain *iovad)
{
	btree_put_nodes(to_btree(iovad), iovad->tree.root, iovad->tree.top);
}

static const char *candidate_tree_verify(struct iova_domain *iovad,
					 struct hole_walk *walk)
{
	const struct hole_btree *tree = &iovad->tree;
	const char *wrong = btree_verify_node(tree, walk, tree->root, tree->top,
					      true);

	if (!wrong)
		wrong = finger_verify(&tree->finger, walk);
	return wrong ? wrong : pending_verify(tree, walk);
}

static void candidate_tree_dump(struct iova_domain *iovad,
				struct hole_words *out)
{
	put_word(out, iovad->tree.top);
	btree_dump_node(out, iovad->tree.root, iovad->tree.top);
	put_word(out, iovad->tree.finger.lo);
	put_word(out, iovad->tree.finger.end);
	put_hole(out, iovad->tree.finger.hole);
	put_hole(out, iovad->tree.pending);
}

HOLE_VARIANT(
	.name		= "candidate",
	.summary	= "B+-tree of the holes only, with what fits below each node",
	.kernel_release	= "-",
);
