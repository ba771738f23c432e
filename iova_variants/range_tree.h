/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * range_tree - the live ranges of a domain in a red-black tree by pfn_lo.
 *
 * What every rbtree variant does alike, so that its own file holds only what
 * makes it different: where a search starts, and what is remembered.  The
 * caller holds the domain's lock.  find and insert are O(log n), reserve, verify
 * and dump are linear.
 *
 * A tree that keeps more per range than its bounds is one of range_augmented.h,
 * which defines RANGE_MEMBERS and the three hooks below; in a plain tree they
 * are what they were without it, to the instruction.
 *
 * Invariant: ranges are ordered and never overlap.
 */
#ifndef RANGE_TREE_H
#define RANGE_TREE_H

#include <linux/kernel.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>

#include "iova_variant.h"

#ifdef RANGE_MEMBERS
#define RANGE_AUGMENTED
#else
#define RANGE_MEMBERS
#endif

/* One live range: if plain, 40 bytes, 64 in the slab, as in the kernel. */
struct iova {
	struct rb_node node;
	unsigned long pfn_hi;
	unsigned long pfn_lo;
	RANGE_MEMBERS
};

static inline struct iova *to_iova(const struct rb_node *node)
{
	return rb_entry(node, struct iova, node);
}

/* Clears the offset within the power of two that an aligned request gets. */
static inline unsigned long iova_align_mask(unsigned long size,
					    bool size_aligned)
{
	return size_aligned ? ~0UL << fls_long(size - 1) : ~0UL;
}

#ifdef RANGE_AUGMENTED
/* @new is linked: see to what is kept, then rebalance. */
static void range_tree_balance(struct rb_root *root, struct iova *new);
static void range_tree_erase(struct rb_root *root, struct iova *iova);
/* @iova begins lower than it did. */
static void range_tree_stretched(struct rb_root *root, struct iova *iova);
#else
static inline void range_tree_balance(struct rb_root *root, struct iova *new)
{
	rb_insert_color(&new->node, root);
}

static inline void range_tree_erase(struct rb_root *root, struct iova *iova)
{
	rb_erase(&iova->node, root);
}

static inline void range_tree_stretched(struct rb_root *root, struct iova *iova)
{
}
#endif

/*
 * Insert below @start, which must be the root, or the node that will follow
 * @new: then the way down is from that node, and short.
 */
static inline void range_tree_insert(struct rb_root *root, struct iova *new,
				     struct rb_node *start)
{
	struct rb_node **link = start ? &start : &root->rb_node;
	struct rb_node *parent = NULL;

	while (*link) {
		iova_visit(descend);
		parent = *link;
		if (new->pfn_lo < to_iova(parent)->pfn_lo)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	range_tree_balance(root, new);
}

static inline struct iova *range_tree_find(const struct rb_root *root,
					   unsigned long pfn)
{
	struct rb_node *node = root->rb_node;

	while (node) {
		struct iova *iova = to_iova(node);

		iova_visit(descend);
		if (pfn < iova->pfn_lo)
			node = node->rb_left;
		else if (pfn > iova->pfn_hi)
			node = node->rb_right;
		else
			return iova;
	}
	return NULL;
}

/* The lowest node that is not wholly below the exclusive bound @high. */
static inline struct rb_node *range_tree_at_high(const struct rb_root *root,
						 unsigned long high)
{
	struct rb_node *node = root->rb_node, *found = NULL;

	while (node) {
		iova_visit(search);
		if (to_iova(node)->pfn_hi >= high) {
			found = node;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/* The lowest node that is wholly above the exclusive bound @high. */
static inline struct rb_node *range_tree_above(const struct rb_root *root,
					       unsigned long high)
{
	struct rb_node *node = root->rb_node, *found = NULL;

	while (node) {
		iova_visit(search);
		if (to_iova(node)->pfn_lo >= high) {
			found = node;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/*
 * Take [@pfn_lo, @pfn_hi] out of use.  Every node that it meets is stretched
 * down to the request, and the request goes on above that node; what is left
 * becomes @new.  True if @new went into the tree.
 */
static inline bool range_tree_reserve(struct rb_root *root,
				      unsigned long pfn_lo,
				      unsigned long pfn_hi, struct iova *new)
{
	struct rb_node *node;

	for (node = rb_first(root); node; node = rb_next(node)) {
		struct iova *iova = to_iova(node);

		iova_visit(search);
		if (pfn_lo > iova->pfn_hi || pfn_hi < iova->pfn_lo)
			continue;
		iova->pfn_lo = min(iova->pfn_lo, pfn_lo);
		range_tree_stretched(root, iova);
		if (pfn_hi <= iova->pfn_hi)
			return false;
		pfn_lo = iova->pfn_hi + 1;
	}
	new->pfn_lo = pfn_lo;
	new->pfn_hi = pfn_hi;
	range_tree_insert(root, new, NULL);
	return true;
}

/* Free every node except @anchor, which lives in the domain. */
static inline void range_tree_destroy(struct rb_root *root,
				      struct kmem_cache *cache,
				      const struct iova *anchor)
{
	struct iova *iova, *next;

	rbtree_postorder_for_each_entry_safe(iova, next, root, node)
		if (iova != anchor)
			kmem_cache_free(cache, iova);
	*root = RB_ROOT;
}

static inline const char *range_tree_verify_node(const struct rb_node *node,
						 unsigned int nr_black,
						 unsigned int want_black)
{
	const struct rb_node *parent = rb_parent(node);

	nr_black += rb_is_black(node);
	if (parent && parent->rb_left != node && parent->rb_right != node)
		return "rbtree: a node is no child of its parent";
	if (node->rb_left && rb_parent(node->rb_left) != node)
		return "rbtree: a left child does not know its parent";
	if (node->rb_right && rb_parent(node->rb_right) != node)
		return "rbtree: a right child does not know its parent";
	if (rb_is_red(node) && parent && rb_is_red(parent))
		return "rbtree: a red node has a red parent";
	if ((!node->rb_left || !node->rb_right) && nr_black != want_black)
		return "rbtree: paths differ in black nodes";
	return NULL;
}

static inline unsigned int range_tree_blacks_above(const struct rb_node *node)
{
	unsigned int nr = 0;

	for (; node; node = rb_parent(node))
		nr += rb_is_black(node);
	return nr;
}

/* NULL, or what is wrong: shape of the tree, order and overlap of ranges. */
static inline const char *range_tree_verify(const struct rb_root *root)
{
	struct rb_node *node = rb_first(root), *next;
	unsigned int want = range_tree_blacks_above(node);
	const char *wrong;

	if (root->rb_node && rb_parent(root->rb_node))
		return "rbtree: the root has a parent";
	for (; node; node = next) {
		wrong = range_tree_verify_node(
			node, range_tree_blacks_above(rb_parent(node)), want);
		if (wrong)
			return wrong;
		if (to_iova(node)->pfn_lo > to_iova(node)->pfn_hi)
			return "a range ends before it starts";
		next = rb_next(node);
		if (next && to_iova(next)->pfn_lo <= to_iova(node)->pfn_hi)
			return "two ranges overlap or are out of order";
	}
	return NULL;
}

/* Is @want (or NULL, where that is legal) a node of this tree? */
static inline bool range_tree_holds(const struct rb_root *root,
				    const struct rb_node *want)
{
	struct rb_node *node;

	for (node = rb_first(root); node; node = rb_next(node))
		if (node == want)
			return true;
	return false;
}

/* Words for dump(): counted even where there is no room for them. */
struct iova_words {
	u64 *words;
	size_t nr_room;
	size_t nr;
};

static inline void iova_put_word(struct iova_words *out, u64 word)
{
	if (out->nr < out->nr_room)
		out->words[out->nr] = word;
	out->nr++;
}

/* A cached node is told by its range; all ones stand for none. */
static inline void iova_put_cached(struct iova_words *out,
				   const struct rb_node *node)
{
	iova_put_word(out, node ? to_iova(node)->pfn_lo : ~0UL);
	iova_put_word(out, node ? to_iova(node)->pfn_hi : ~0UL);
}

/* Per node, in postorder: range, colour, and which children it has. */
static inline void range_tree_dump(const struct rb_root *root,
				   struct iova_words *out)
{
	struct rb_node *node;

	for (node = rb_first_postorder(root); node;
	     node = rb_next_postorder(node)) {
		iova_put_word(out, to_iova(node)->pfn_lo);
		iova_put_word(out, to_iova(node)->pfn_hi);
		iova_put_word(out, rb_color(node) | !!node->rb_left << 1 |
					   !!node->rb_right << 2);
	}
}

#endif
