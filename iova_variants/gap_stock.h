/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * gap_stock - nodes at hand for a change of a gap_btree, and those it has dropped.
 *
 * The caller fills the stock before a change, which then can't fail, and puts it
 * back after it, both without the domain's lock.  Dropped nodes are not used again
 * before that, as if somebody might still read them.
 */
#ifndef GAP_STOCK_H
#define GAP_STOCK_H

#include <linux/string.h>

#include "gap_btree.h"

/* Nodes on lists, linked through their first word. */
struct gap_stock {
	void *spare[NR_GAP_KINDS];
	void *dropped[NR_GAP_KINDS];
	unsigned int nr_spare[NR_GAP_KINDS];
};

struct gap_need {
	unsigned int nr[NR_GAP_KINDS];
};

static inline void gap_push(void **list, void *node)
{
	*(void **)node = *list;
	*list = node;
}

static inline void *gap_pop(void **list)
{
	void *node = *list;

	*list = *(void **)node;
	return node;
}

static inline bool gap_stock_holds(const struct gap_stock *stock,
				   const struct gap_need *need)
{
	return stock->nr_spare[GAP_LEAF] >= need->nr[GAP_LEAF] &&
	       stock->nr_spare[GAP_BRANCH] >= need->nr[GAP_BRANCH];
}

/* False if memory ran out; what was had until then stays in the stock. */
static inline bool gap_stock_fill(struct gap_btree *tree,
				  struct gap_stock *stock,
				  const struct gap_need *need)
{
	enum gap_kind kind;
	void *node;

	for (kind = GAP_LEAF; kind < NR_GAP_KINDS; kind++) {
		while (stock->nr_spare[kind] < need->nr[kind]) {
			node = kmem_cache_alloc(tree->cache[kind], GFP_ATOMIC);
			if (!node)
				return false;
			gap_push(&stock->spare[kind], node);
			stock->nr_spare[kind]++;
		}
	}
	return true;
}

static inline void gap_stock_put(struct gap_btree *tree,
				 struct gap_stock *stock)
{
	enum gap_kind kind;

	for (kind = GAP_LEAF; kind < NR_GAP_KINDS; kind++) {
		while (stock->spare[kind])
			kmem_cache_free(tree->cache[kind],
					gap_pop(&stock->spare[kind]));
		while (stock->dropped[kind])
			kmem_cache_free(tree->cache[kind],
					gap_pop(&stock->dropped[kind]));
	}
}

/* What was dropped is spare: only where nobody reads without the lock. */
static inline void gap_stock_reuse(struct gap_stock *stock)
{
	enum gap_kind kind;

	for (kind = GAP_LEAF; kind < NR_GAP_KINDS; kind++) {
		while (stock->dropped[kind]) {
			gap_push(&stock->spare[kind],
				 gap_pop(&stock->dropped[kind]));
			stock->nr_spare[kind]++;
		}
	}
}

static inline void *gap_new_node(struct gap_stock *stock, unsigned int level,
				 const void *items, unsigned int nr)
{
	void *node = gap_pop(&stock->spare[gap_kind(level)]);
	size_t used = nr * gap_item_size(level);

	stock->nr_spare[gap_kind(level)]--;
	memcpy(node, items, used);
	memset((char *)node + used, 0, gap_node_size(level) - used);
	return node;
}

#endif
