/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * range_augmented - a range_variant whose ranges know the gap below them.
 *
 * A range keeps NR_GAP_SIZES measures of that gap, and for each the most over
 * its subtree, so that a search can leave subtrees out.  What is measured is up
 * to the including file: it defines NR_GAP_SIZES before it includes this, and
 * one hook more, gap_measure(), after.
 *
 *      ..|  below  |..... gap .....|  range  |..
 *                  gap_lo          high
 *
 * Insert and erase update O(log n) other nodes, reserve as many per range that
 * it stretches.
 *
 * Invariants, under the domain's lock:
 *   - the anchor is in the tree, so there is a range above every one that goes
 *   - own is what gap_measure() returns for the gap down to the next lower range,
 *     or to pfn 0; most is the maximum, per measure, of own over the subtree
 */
#ifndef RANGE_AUGMENTED_H
#define RANGE_AUGMENTED_H

struct gap_sizes {
	unsigned long size[NR_GAP_SIZES];
};

#define RANGE_MEMBERS			\
	struct gap_sizes own;		\
	struct gap_sizes most;

#include "range_variant.h"

/* Measure the gap [@gap_lo, @high), which may be empty. */
static struct gap_sizes IOVA_HOOK(gap_measure)(const struct iova_domain *iovad,
					       unsigned long gap_lo,
					       unsigned long high);

static inline void gap_sizes_raise(struct gap_sizes *most,
				   const struct rb_node *child)
{
	int i;

	for (i = 0; child && i < NR_GAP_SIZES; i++)
		most->size[i] = max(most->size[i],
				    to_iova(child)->most.size[i]);
}

static inline bool gap_sizes_equal(const struct gap_sizes *a,
				   const struct gap_sizes *b)
{
	int i;

	for (i = 0; i < NR_GAP_SIZES; i++)
		if (a->size[i] != b->size[i])
			return false;
	return true;
}

/* @iova's own and its children's, which are right. */
static inline struct gap_sizes range_subtree_most(const struct iova *iova)
{
	struct gap_sizes most = iova->own;

	gap_sizes_raise(&most, iova->node.rb_left);
	gap_sizes_raise(&most, iova->node.rb_right);
	return most;
}

/* For rb_augment_callbacks: with @exit, true if nothing changed. */
static inline bool range_update_most(struct iova *iova, bool exit)
{
	struct gap_sizes most = range_subtree_most(iova);

	iova_visit(update);
	if (exit && gap_sizes_equal(&most, &iova->most))
		return true;
	iova->most = most;
	return false;
}

RB_DECLARE_CALLBACKS(static, range_augment, struct iova, node, most,
		     range_update_most);

static inline struct gap_sizes range_measure(struct rb_root *root,
					     const struct iova *iova,
					     unsigned long gap_lo)
{
	struct range_domain *domain = container_of(root, struct range_domain,
						   ranges);

	return IOVA_HOOK(gap_measure)((struct iova_domain *)domain, gap_lo,
				      iova->pfn_lo);
}

static inline unsigned long range_gap_lo(const struct iova *iova)
{
	struct rb_node *below = rb_prev(&iova->node);

	return below ? to_iova(below)->pfn_hi + 1 : 0;
}

/* The gap below @iova has changed and begins at @gap_lo now. */
static inline void range_set_gap(struct rb_root *root, struct iova *iova,
				 unsigned long gap_lo)
{
	iova->own = range_measure(root, iova, gap_lo);
	range_augment.propagate(&iova->node, NULL);
}

/*
 * @new cuts the gap of the range above it, which is an ancestor: one without a
 * right child is followed by the lowest ancestor that it is left of.  An update
 * from @new upwards may end below there, because nothing changed any more.
 */
static void range_tree_balance(struct rb_root *root, struct iova *new)
{
	struct rb_node *above = rb_next(&new->node);

	new->own = range_measure(root, new, range_gap_lo(new));
	new->most = new->own;
	range_augment.propagate(rb_parent(&new->node), above);
	if (above)
		range_set_gap(root, to_iova(above), new->pfn_hi + 1);
	rb_insert_augmented(&new->node, root, &range_augment);
}

static void range_tree_erase(struct rb_root *root, struct iova *iova)
{
	struct rb_node *above = rb_next(&iova->node);
	unsigned long gap_lo = range_gap_lo(iova);

	rb_erase_augmented(&iova->node, root, &range_augment);
	range_set_gap(root, to_iova(above), gap_lo);
}

static void range_tree_stretched(struct rb_root *root, struct iova *iova)
{
	range_set_gap(root, iova, range_gap_lo(iova));
}

/**
 * struct gap_request - what a search hands down from node to node
 * @size: pfns asked for
 * @high: the limit, exclusive
 * @low_pfn: lowest pfn allowed
 * @mask: clears the offset within the alignment
 * @most: index of the measure to prune by
 * @least: a gap with less than this of it can't be the answer
 */
struct gap_request {
	unsigned long size;
	unsigned long high;
	unsigned long low_pfn;
	unsigned long mask;
	int most;
	unsigned long least;
};

/* May a gap in @iova's subtree be the answer? */
static inline bool range_may_fit(const struct iova *iova,
				 const struct gap_request *request)
{
	return iova->most.size[request->most] >= request->least;
}

/* Does the aligned top of the gap below @iova, cut at the limit, lie in it? */
static inline bool range_take_top(struct iova *iova, unsigned long gap_lo,
				  const struct gap_request *request,
				  struct iova_gap *gap)
{
	unsigned long high = min(request->high, iova->pfn_lo);

	if (high < request->size)
		return false;
	gap->above = &iova->node;
	gap->pfn_lo = (high - request->size) & request->mask;
	return gap->pfn_lo >= max(gap_lo, request->low_pfn);
}

/* NULL, or what is wrong with what is kept: measured anew, in one pass. */
static inline const char *range_augmented_verify(struct range_domain *domain)
{
	struct gap_sizes own, most;
	struct rb_node *node;

	if (rb_last(&domain->ranges) != &domain->anchor.node)
		return "the anchor is not the last node";
	for (node = rb_first_postorder(&domain->ranges); node;
	     node = rb_next_postorder(node)) {
		struct iova *iova = to_iova(node);

		own = range_measure(&domain->ranges, iova, range_gap_lo(iova));
		if (!gap_sizes_equal(&own, &iova->own))
			return "what a node keeps of its gap is wrong";
		most = range_subtree_most(iova);
		if (!gap_sizes_equal(&most, &iova->most))
			return "what a node keeps of its subtree is wrong";
	}
	return NULL;
}

/* Per node, in the order of range_tree_dump(): own, most. */
static inline void range_augmented_dump(struct range_domain *domain,
					struct iova_words *out)
{
	struct rb_node *node;
	int i;

	for (node = rb_first_postorder(&domain->ranges); node;
	     node = rb_next_postorder(node)) {
		for (i = 0; i < NR_GAP_SIZES; i++) {
			iova_put_word(out, to_iova(node)->own.size[i]);
			iova_put_word(out, to_iova(node)->most.size[i]);
		}
	}
}

#endif
