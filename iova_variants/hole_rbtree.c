// SPDX-License-Identifier: GPL-2.0-only
/*
 * hole_rbtree - the holes only, in a red-black tree that knows what fits below.
 *
 * The candidate's holes in the kernel's own kind of tree: what holes are kept
 * where, and what is given up for it, is in hole_domain.h.  A node keeps the
 * most room of its subtree, so a search leaves out all that has no room.
 *
 * Cost in holes h, which are at most live ranges + 1: O(log h) nodes an op, for
 * every limit, size and alignment, refusals too; but a node is one hole, so
 * there are four times as many on the way as in the candidate.
 *
 * Memory: a spare node per live range, 56 bytes, 64 in the slab.
 *
 * Invariants, all under lock, beside those of hole_domain:
 *   - a node's most is the most room, of both kinds, of all holes in its subtree
 */
#define IOVA_HOOK(name)	hole_rbtree_##name
#define NODE_COVERS	1U

#include <linux/rbtree_augmented.h>

#include "hole_variant.h"

struct hole_node {
	struct rb_node node;
	struct hole hole;
	struct room most;
};

struct iova_domain {
	struct hole_domain domain;
	struct rb_root holes;
};

static struct hole_node *to_hole(struct rb_node *node)
{
	return rb_entry_safe(node, struct hole_node, node);
}

static void hole_rbtree_raise_room(struct room *most, struct rb_node *child)
{
	if (!child)
		return;
	most->anywhere = max(most->anywhere, to_hole(child)->most.anywhere);
	most->aligned = max(most->aligned, to_hole(child)->most.aligned);
}

/* The holes' own, and their children's, which are right. */
static struct room hole_rbtree_subtree_room(const struct hole_node *hole)
{
	struct room most = hole_room(hole->hole);

	hole_rbtree_raise_room(&most, hole->node.rb_left);
	hole_rbtree_raise_room(&most, hole->node.rb_right);
	return most;
}

static inline bool hole_rbtree_update_most(struct hole_node *hole, bool exit)
{
	struct room most = hole_rbtree_subtree_room(hole);

	iova_visit(update);
	if (exit && most.anywhere == hole->most.anywhere &&
	    most.aligned == hole->most.aligned)
		return true;
	hole->most = most;
	return false;
}

RB_DECLARE_CALLBACKS(static, hole_augment, struct hole_node, node, most,
		     hole_rbtree_update_most);

/* Something about the order has changed at the lower end of the tree. */
static void hole_rbtree_renew_lowest(struct iova_domain *iovad)
{
	struct hole_node *lowest = to_hole(rb_first(&iovad->holes));

	iovad->domain.lowest = lowest ? lowest->hole.lo : ~0UL;
}

static void hole_rbtree_changed(struct iova_domain *iovad,
				struct hole_node *hole)
{
	hole_augment.propagate(&hole->node, NULL);
	if (hole->hole.lo < iovad->domain.lowest)
		iovad->domain.lowest = hole->hole.lo;
}

static void hole_rbtree_insert(struct iova_domain *iovad, struct hole hole)
{
	struct rb_node **link = &iovad->holes.rb_node, *parent = NULL;
	struct hole_node *new = spare_pop(&iovad->domain);

	iova_visit(update);
	new->hole = hole;
	new->most = hole_room(hole);
	while (*link) {
		iova_visit(descend);
		parent = *link;
		if (hole.lo < to_hole(parent)->hole.lo)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	hole_augment.propagate(parent, NULL);
	rb_insert_augmented(&new->node, &iovad->holes, &hole_augment);
	iovad->domain.lowest = min(iovad->domain.lowest, hole.lo);
}

static void hole_rbtree_erase(struct iova_domain *iovad, struct hole_node *hole)
{
	bool lowest = hole->hole.lo == iovad->domain.lowest;

	rb_erase_augmented(&hole->node, &iovad->holes, &hole_augment);
	iova_visit(update);
	spare_push(&iovad->domain, hole);
	if (lowest)
		hole_rbtree_renew_lowest(iovad);
}

/* The highest hole that begins at or below @pfn, and the next above it. */
static void hole_rbtree_around(const struct iova_domain *iovad,
			       unsigned long pfn, struct hole_node **below,
			       struct hole_node **above)
{
	struct rb_node *node = iovad->holes.rb_node;

	*below = NULL;
	*above = NULL;
	while (node) {
		iova_visit(descend);
		if (to_hole(node)->hole.lo <= pfn) {
			*below = to_hole(node);
			node = node->rb_right;
		} else {
			*above = to_hole(node);
			node = node->rb_left;
		}
	}
}

/*
 * Right, own, left.  Only on the one way down to the limit can a subtree with
 * room have nothing to give.
 */
static struct hole_node *hole_rbtree_search(struct rb_node *node,
					    const struct request *request,
					    unsigned long *pfn_lo)
{
	struct hole_node *hole = to_hole(node), *found;

	if (!hole)
		return NULL;
	iova_visit(search);
	if (!has_room(&hole->most, request))
		return NULL;
	if (hole->hole.lo < request->high) {
		found = hole_rbtree_search(node->rb_right, request, pfn_lo);
		if (found)
			return found;
		if (take_top(hole->hole.lo, hole->hole.end, request, pfn_lo))
			return hole;
	}
	return hole_rbtree_search(node->rb_left, request, pfn_lo);
}

static void hole_rbtree_take_out(struct iova_domain *iovad,
				 struct hole_node *hole, unsigned long lo,
				 unsigned long end)
{
	struct hole above = { end, hole->hole.end };

	if (lo > hole->hole.lo) {
		hole->hole.end = lo;
		hole_rbtree_changed(iovad, hole);
		if (end < above.end)
			hole_rbtree_insert(iovad, above);
	} else if (end < above.end) {
		hole->hole.lo = end;
		hole_rbtree_changed(iovad, hole);
		hole_rbtree_renew_lowest(iovad);
	} else {
		hole_rbtree_erase(iovad, hole);
	}
}

static bool hole_rbtree_tree_take(struct iova_domain *iovad,
				  const struct request *request,
				  unsigned long *pfn_lo)
{
	struct hole_node *hole;

	hole = hole_rbtree_search(iovad->holes.rb_node, request, pfn_lo);
	if (!hole)
		return false;
	hole_rbtree_take_out(iovad, hole, *pfn_lo, *pfn_lo + request->size);
	return true;
}

static void hole_rbtree_tree_take_out(struct iova_domain *iovad,
				      unsigned long lo, unsigned long end)
{
	struct hole_node *hole, *above;

	hole_rbtree_around(iovad, lo, &hole, &above);
	hole_rbtree_take_out(iovad, hole, lo, end);
}

static bool hole_rbtree_tree_give_back(struct iova_domain *iovad,
				       unsigned long lo, unsigned long end)
{
	struct hole_node *below, *above;

	hole_rbtree_around(iovad, lo, &below, &above);
	if ((below && below->hole.end > lo) || (above && above->hole.lo < end))
		return false;
	if (above && above->hole.lo > end)
		above = NULL;
	if (below && below->hole.end == lo) {
		/* Before below grows, or a rotation would know and those above not. */
		if (above) {
			end = above->hole.end;
			hole_rbtree_erase(iovad, above);
		}
		below->hole.end = end;
		hole_rbtree_changed(iovad, below);
	} else if (above) {
		above->hole.lo = lo;
		hole_rbtree_changed(iovad, above);
	} else {
		hole_rbtree_insert(iovad, (struct hole){ lo, end });
	}
	return true;
}

static void hole_rbtree_tree_add_lowest(struct iova_domain *iovad,
					struct hole hole)
{
	hole_rbtree_insert(iovad, hole);
}

static unsigned long hole_rbtree_tree_pop_lowest(struct iova_domain *iovad)
{
	struct hole_node *hole = to_hole(rb_first(&iovad->holes));
	unsigned long end = hole->hole.end;

	hole_rbtree_erase(iovad, hole);
	return end;
}

static void hole_rbtree_tree_around(struct iova_domain *iovad,
				    unsigned long pfn, struct hole *below,
				    unsigned long *above_lo)
{
	struct hole_node *hole, *above;

	hole_rbtree_around(iovad, pfn, &hole, &above);
	*below = hole->hole;
	*above_lo = above ? above->hole.lo : ~0UL;
}

/* ---- init, put, verify and dump: every node ---- */

static unsigned int hole_rbtree_tree_node_size(void)
{
	return sizeof(struct hole_node);
}

static void hole_rbtree_tree_init(struct iova_domain *iovad)
{
	iovad->holes = RB_ROOT;
}

static void hole_rbtree_tree_put(struct iova_domain *iovad)
{
	struct hole_node *hole, *next;

	rbtree_postorder_for_each_entry_safe(hole, next, &iovad->holes, node)
		kmem_cache_free(iovad->domain.cache, hole);
}

static const char *hole_rbtree_tree_verify(struct iova_domain *iovad,
					   struct hole_walk *walk)
{
	const char *wrong = NULL;
	struct rb_node *node;

	for (node = rb_last(&iovad->holes); node && !wrong;
	     node = rb_prev(node)) {
		struct hole_node *hole = to_hole(node);
		struct room most = hole_rbtree_subtree_room(hole);

		walk->nr_nodes++;
		wrong = hole_walk_on(walk, hole->hole);
		if (!wrong && (most.anywhere != hole->most.anywhere ||
			       most.aligned != hole->most.aligned))
			wrong = "what a node keeps of its subtree is wrong";
	}
	return wrong;
}

static void hole_rbtree_tree_dump(struct iova_domain *iovad,
				  struct hole_words *out)
{
	struct rb_node *node;

	for (node = rb_first_postorder(&iovad->holes); node;
	     node = rb_next_postorder(node)) {
		put_hole(out, to_hole(node)->hole);
		put_word(out, rb_color(node) | !!node->rb_left << 1 |
				      !!node->rb_right << 2);
	}
}

HOLE_VARIANT(
	.name		= "hole_rbtree",
	.summary	= "rbtree of the holes only, with what fits below each node",
	.kernel_release	= "-",
);
