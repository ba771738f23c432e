/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * range_anchored - the state of v4.15 and later: an anchor, two cached nodes.
 *
 * A request starts at one of the cached nodes, by the kind of its limit.  Which
 * of them an insertion becomes is decided by where the range lies.
 *
 *	4 GiB				    anchor
 *	  |				       |
 *	..|..[r]..[r]..[r]....[r]..[r]........[~0]
 *	 |	     ^		    ^
 *	 cached32_node		    cached_node
 *
 * The including file's struct iova_domain begins with a struct range_anchored.
 * Of the hooks of range_variant.h, remember() is here; and verify_state(), unless
 * the tree is augmented and so has more to verify.
 *
 * Invariants, under the domain's lock:
 *   - the anchor is the last node, above every limit
 *   - both cached nodes are in the tree
 */
#ifndef RANGE_ANCHORED_H
#define RANGE_ANCHORED_H

#include "range_variant.h"

struct range_anchored {
	struct range_domain domain;
	struct rb_node *cached_node;
	struct rb_node *cached32_node;
};

static inline struct range_anchored *to_anchored(struct iova_domain *iovad)
{
	return (struct range_anchored *)iovad;
}

static inline void range_anchored_init(struct range_anchored *anchored)
{
	anchored->cached_node = range_anchor(&anchored->domain);
	anchored->cached32_node = anchored->cached_node;
}

/*
 * The kernel's __cached_rbnode_insert_update(): by where the range lies, not by
 * what was asked for.
 */
static void IOVA_HOOK(remember)(struct iova_domain *iovad, struct iova *new,
				unsigned long high)
{
	struct range_anchored *anchored = to_anchored(iovad);

	if (new->pfn_hi < anchored->domain.dma_32bit_pfn)
		anchored->cached32_node = &new->node;
	else
		anchored->cached_node = &new->node;
}

/* NULL, or which cached node is not in the tree. */
static inline const char *
range_anchored_verify(const struct range_anchored *anchored)
{
	const struct rb_root *ranges = &anchored->domain.ranges;

	if (!range_tree_holds(ranges, anchored->cached_node))
		return "cached_node is not in the tree";
	if (!range_tree_holds(ranges, anchored->cached32_node))
		return "cached32_node is not in the tree";
	return NULL;
}

#ifndef RANGE_AUGMENTED
static const char *IOVA_HOOK(verify_state)(struct iova_domain *iovad)
{
	struct range_anchored *anchored = to_anchored(iovad);

	if (rb_last(&anchored->domain.ranges) != &anchored->domain.anchor.node)
		return "the anchor is not the last node";
	return range_anchored_verify(anchored);
}
#endif

static inline void range_anchored_dump(const struct range_anchored *anchored,
				       struct iova_words *out)
{
	iova_put_cached(out, anchored->cached_node);
	iova_put_cached(out, anchored->cached32_node);
}

#endif
