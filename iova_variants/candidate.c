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
	return tree->finger.hole.lo > pfn && tree->finger.end < request->high;
}

static noinline bool candidate_take_from_branches(struct hole_btree *tree,
						  const struct request *request,
						  unsigned long *pfn_lo)
{
	struct btree_path path;
	unsigned long pfn = 0;
	bool found = btree_search(tree, &path, request, &pfn);

	if (candidate_finger_is_higher(tree, request, found ? pfn : 0) &&
	    finger_take(tree, request, pfn_lo))
		return true;
	if (found) {
		*pfn_lo = pfn;
		btree_take_out(tree, &path, pfn, pfn + request->size);
	}
	return found;
}

static noinline void
candidate_take_out_of_root(struct hole_btree *tree, unsigned int slot,
			   unsigned long lo, unsigned long end)
{
	struct btree_path path = { .at = { { tree->root, slot } } };

	btree_take_out(tree, &path, lo, end);
}

/* While the root is a leaf, there is nobody above who has to know. */
static bool candidate_tree_take(struct iova_domain *iovad,
				const struct request *request,
				unsigned long *pfn_lo)
{
	struct hole_btree *tree = to_btree(iovad);
	struct btree_node *root = tree->root;
	unsigned long pfn = 0, end;
	unsigned int slot;
	struct hole *hole;

	/* Does nothing above the gap begin below the limit? */
	if (tree->finger.end >= request->high &&
	    finger_take(tree, request, pfn_lo))
		return true;
	if (tree->top)
		return candidate_take_from_branches(tree, request, pfn_lo);
	iova_visit(search);
	slot = btree_cut_slot(root, request);
	slot = btree_fitting_hole(root, slot, request, &pfn);
	if (slot == root->nr)
		pfn = 0;
	if (candidate_finger_is_higher(tree, request, pfn) &&
	    finger_take(tree, request, pfn_lo))
		return true;
	if (slot == root->nr)
		return false;
	*pfn_lo = pfn;
	end = pfn + request->size;
	hole = btree_hole(root, slot);
	if (pfn > hole->lo && end == hole->end)
		hole->end = pfn;
	else
		candidate_take_out_of_root(tree, slot, pfn, end);
	return true;
}

static void candidate_tree_take_out(struct iova_domain *iovad, unsigned long lo,
				    unsigned long end)
{
	struct hole_btree *tree = to_btree(iovad);
	struct btree_path path;

	if (lo >= tree->finger.hole.lo && end <= tree->finger.hole.end) {
		finger_take_out(tree, lo, end);
		return;
	}
	btree_descend(tree, &path, lo);
	btree_take_out(tree, &path, lo, end);
}

/* What touches the finger's hole takes it along. False if they overlap. */
static noinline bool candidate_absorb(struct finger *finger, unsigned long *lo,
				      unsigned long *end)
{
	if (*lo < finger->hole.end && *end > finger->hole.lo)
		return false;
	*lo = min(*lo, finger->hole.lo);
	*end = max(*end, finger->hole.end);
	finger->hole = NO_HOLE;
	return true;
}

static noinline bool candidate_give_back_to_tree(struct hole_btree *tree,
						 unsigned long lo,
						 unsigned long end)
{
	struct finger *finger = &tree->finger;
	unsigned long below_end = 0;
	struct btree_path path;
	struct hole *hole;
	bool touches_above;

	btree_descend(tree, &path, lo);
	hole = btree_path_hole(&path);
	if (path.at[0].slot < path.at[0].node->nr)
		below_end = hole->end;
	if (path.above_lo < end || below_end > lo)
		return false;
	if (unlikely(lo <= finger->hole.end && end >= finger->hole.lo) &&
	    !candidate_absorb(finger, &lo, &end))
		return false;

	touches_above = path.above_lo == end;
	if (unlikely(touches_above && !path.at[0].slot)) {
		btree_touch_above(tree, &path, lo, below_end == lo);
		return true;
	}
	if (below_end == lo) {
		hole->end = end;
		if (touches_above) {
			hole->end = hole[-1].end;
			path.at[0].slot--;
			btree_close_slot(path.at[0].node, path.at[0].slot, 0);
		}
	} else if (touches_above) {
		path.at[0].slot--;
		hole[-1].lo = lo;
	} else {
		btree_insert(tree, &path, (struct hole){ lo, end });
	}
	hole = btree_path_hole(&path);
	tree->domain.lowest = min(tree->domain.lowest, hole->lo);
	finger_keep_clear(finger, *hole);
	tree->near = path.at[0].slot;
	btree_settle(tree, &path, 0, *hole);
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
	struct hole lowest = tree->finger.hole;
	struct btree_path path;

	if (lowest.lo == tree->domain.lowest) {
		tree->finger.hole = NO_HOLE;
		finger_renew_lowest(tree);
		return lowest.end;
	}
	btree_descend_lowest(tree, &path);
	path.at[0].slot--;
	lowest = *btree_path_hole(&path);
	btree_close_slot(path.at[0].node, path.at[0].slot, 0);
	btree_renew_lowest(tree, path.at[0].node);
	btree_settle(tree, &path, lowest.end - lowest.lo, NO_HOLE);
	return lowest.end;
}

static void candidate_tree_around(struct iova_domain *iovad, unsigned long pfn,
				  struct hole *below, unsigned long *above_lo)
{
	struct hole_btree *tree = to_btree(iovad);
	const struct hole *hole = &tree->finger.hole;
	struct btree_path path;

	btree_descend(tree, &path, pfn);
	*below = (struct hole){ 0, 0 };
	if (path.at[0].slot < path.at[0].node->nr)
		*below = *btree_path_hole(&path);
	*above_lo = path.above_lo;
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
	iovad->tree.near = 0;
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

	return wrong ? wrong : finger_verify(&tree->finger, walk);
}

static void candidate_tree_dump(struct iova_domain *iovad,
				struct hole_words *out)
{
	put_word(out, iovad->tree.top);
	btree_dump_node(out, iovad->tree.root, iovad->tree.top);
	put_word(out, iovad->tree.finger.lo);
	put_word(out, iovad->tree.finger.end);
	put_hole(out, iovad->tree.finger.hole);
}

HOLE_VARIANT(
	.name		= "candidate",
	.summary	= "B+-tree of the holes only, with what fits below each node",
	.kernel_release	= "-",
);
