/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tree - the tree's own lib/maple_tree.c in user space.
 *
 * Included in front of a text that keeps its ranges in a maple tree, over the
 * headers in include/.  Its nodes are of one slab cache, which all domains share
 * and which comes and goes with them; in the kernel it is made at boot.
 */
#ifndef TEXT_MAPLE_TREE_H
#define TEXT_MAPLE_TREE_H

#include <linux/lockdep.h>
#include <linux/maple_tree.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

static void text_free_node(struct rcu_head *head);

/* Since v6.18 a node goes back by kfree(), which finds its cache in the kernel. */
#define kfree(node)		kmem_cache_free(maple_node_cache, node)
#define kfree_rcu(node, field)	call_rcu(&(node)->field, text_free_node)
#include "lib/maple_tree.c"
#undef kfree
#undef kfree_rcu

static inline void text_free_node(struct rcu_head *head)
{
	kmem_cache_free(maple_node_cache,
			container_of(head, struct maple_node, rcu));
}

static unsigned int text_nr_trees;

static int text_tree_get(void)
{
	if (!text_nr_trees)
		maple_tree_init();
	if (!maple_node_cache)
		return -ENOMEM;
	text_nr_trees++;
	return 0;
}

static void text_tree_put(void)
{
	if (--text_nr_trees)
		return;
	rcu_barrier();
	shim_drop_sheaf(maple_node_cache, shim_swap_spare(NULL));
	kmem_cache_destroy(maple_node_cache);
	maple_node_cache = NULL;
}

/* The cache has gone with all that was in it. */
static void text_tree_forget(void)
{
	text_nr_trees = 0;
	maple_node_cache = NULL;
	shim_rcu.nr = 0;
	shim_swap_spare(NULL);
}

#endif
