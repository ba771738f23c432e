// SPDX-License-Identifier: GPL-2.0-only
/*
 * candidate - the holes only, in a B+-tree that knows what fits below it.
 *
 * The lab's own.  What holes are kept where, and what is given up for it, is in
 * hole_domain.h; the tree is in hole_btree.h, and what changes it in
 * hole_btree_edit.h.  Here: how the tree serves as that of a domain.
 *
 * Cost in holes h, which are at most live ranges + 1: O(log h) nodes an op, for
 * every limit, size and alignment, refusals too.  A packed domain has two or
 * three holes, however many ranges live in it.
 *
 * Memory: 512 / 12 = 43 bytes per live range, see NODE_COVERS in hole_btree.h.
 *
 * Invariants, all under lock: those of hole_domain and hole_btree.
 */
#define IOVA_HOOK(name)	candidate_##name

#include "hole_btree_edit.h"
#include "hole_variant.h"

struct iova_domain {
	struct hole_btree tree;
};

static noinline bool candidate_take_from_branches(struct iova_domain *iovad,
						  const struct request *request,
						  unsigned long *pfn_lo)
{
	struct btree_path path;

	if (!btree_search(to_btree(iovad), &path, request, pfn_lo))
		return false;
	btree_take_out(to_btree(iovad), &path, *pfn_lo,
		       *pfn_lo + request->size);
	return true;
}

static noinline void
candidate_take_out_of_root(struct iova_domain *iovad, unsigned int slot,
			   unsigned long lo, unsigned long end)
{
	struct btree_path path = { .at = { { iovad->tree.root, slot } } };

	btree_take_out(to_btree(iovad), &path, lo, end);
}

/* While the root is a leaf, there is nobody above who has to know. */
static bool candidate_tree_take(struct iova_domain *iovad,
				const struct request *request,
				unsigned long *pfn_lo)
{
	struct btree_node *root = iovad->tree.root;
	unsigned int slot;
	unsigned long end;

	if (iovad->tree.top)
		return candidate_take_from_branches(iovad, request, pfn_lo);
	iova_visit(search);
	slot = btree_leaf_slot(root, request->high - 1);
	slot = btree_fitting_hole(root, slot, request, pfn_lo);
	if (slot == root->nr)
		return false;
	end = *pfn_lo + request->size;
	if (*pfn_lo > root->hole[slot].lo && end == root->hole[slot].end)
		root->hole[slot].end = *pfn_lo;
	else
		candidate_take_out_of_root(iovad, slot, *pfn_lo, end);
	return true;
}

static void candidate_tree_take_out(struct iova_domain *iovad, unsigned long lo,
				    unsigned long end)
{
	struct btree_path path;

	btree_descend(to_btree(iovad), &path, lo);
	btree_take_out(to_btree(iovad), &path, lo, end);
}

static bool candidate_tree_give_back(struct iova_domain *iovad,
				     unsigned long lo, unsigned long end)
{
	struct hole *below = NULL;
	struct btree_path path;

	btree_descend(to_btree(iovad), &path, lo);
	if (path.at[0].slot < path.at[0].node->nr)
		below = btree_path_hole(&path);
	if (path.above_lo < end || (below && below->end > lo))
		return false;

	if (below && below->end == lo && path.above_lo == end) {
		btree_join_both(to_btree(iovad), &path);
		return true;
	}
	if (below && below->end == lo) {
		below->end = end;
	} else if (path.above_lo == end) {
		btree_step_up(&path);
		btree_path_hole(&path)->lo = lo;
	} else {
		btree_insert(to_btree(iovad), &path, (struct hole){ lo, end });
	}
	btree_settle(to_btree(iovad), &path, *btree_path_hole(&path));
	return true;
}

static void candidate_tree_add_lowest(struct iova_domain *iovad,
				      struct hole hole)
{
	struct btree_path path;

	btree_descend(to_btree(iovad), &path, hole.lo);
	btree_insert(to_btree(iovad), &path, hole);
	btree_settle(to_btree(iovad), &path, hole);
}

static unsigned long candidate_tree_pop_lowest(struct iova_domain *iovad)
{
	unsigned long end;
	struct btree_path path;

	btree_descend(to_btree(iovad), &path, iovad->tree.domain.lowest);
	end = btree_path_hole(&path)->end;
	btree_close_slot(path.at[0].node, path.at[0].slot, 0);
	btree_settle(to_btree(iovad), &path, NO_HOLE);
	return end;
}

static void candidate_tree_around(struct iova_domain *iovad, unsigned long pfn,
				  struct hole *below, unsigned long *above_lo)
{
	struct btree_path path;

	btree_descend(to_btree(iovad), &path, pfn);
	*below = *btree_path_hole(&path);
	*above_lo = path.above_lo;
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
}

static void candidate_tree_put(struct iova_domain *iovad)
{
	btree_put_nodes(to_btree(iovad), iovad->tree.root, iovad->tree.top);
}

static const char *candidate_tree_verify(struct iova_domain *iovad,
					 struct hole_walk *walk)
{
	const struct hole_btree *tree = &iovad->tree;

	return btree_verify_node(tree, walk, tree->root, tree->top);
}

static void candidate_tree_dump(struct iova_domain *iovad,
				struct hole_words *out)
{
	put_word(out, iovad->tree.top);
	btree_dump_node(out, iovad->tree.root, iovad->tree.top);
}

HOLE_VARIANT(
	.name		= "candidate",
	.summary	= "B+-tree of the holes only, with what fits below each node",
	.kernel_release	= "-",
);
