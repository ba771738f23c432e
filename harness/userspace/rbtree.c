// SPDX-License-Identifier: GPL-2.0-only
/*
 * rbtree - the red-black tree behind <linux/rbtree.h> in user space.
 *
 * Insertion and deletion after Cormen, Leiserson, Rivest, Stein, "Introduction
 * to Algorithms", chapter 13, with NULL for the leaves: a removed black node
 * is tracked as (node, parent), because node may be NULL.
 *
 * Invariants:
 *   - in order by position; the tree never compares keys
 *   - a red node has black children, and the root is black
 *   - every path from a node down to NULL has the same number of black nodes
 */
#include <linux/rbtree_augmented.h>

/* Every algorithm is written once; plain trees get empty callbacks inlined. */
static void no_propagate(struct rb_node *node, struct rb_node *stop)
{
	(void)node, (void)stop;
}

static void no_copy(struct rb_node *old, struct rb_node *new)
{
	(void)old, (void)new;
}

static const struct rb_augment_callbacks no_augment = {
	.propagate = no_propagate,
	.copy = no_copy,
	.rotate = no_copy,
};

static inline bool black(const struct rb_node *node)
{
	return !node || rb_is_black(node);
}

static inline void paint(struct rb_node *node, unsigned long color)
{
	node->__rb_parent_color = (node->__rb_parent_color & ~1UL) | color;
}

static inline void set_parent(struct rb_node *node, struct rb_node *parent)
{
	node->__rb_parent_color = (unsigned long)parent | rb_color(node);
}

/* Whatever pointed at @old, in @parent or the root, points at @new. */
static inline void relink(struct rb_root *root, struct rb_node *parent,
			  struct rb_node *old, struct rb_node *new)
{
	if (!parent)
		root->rb_node = new;
	else if (parent->rb_left == old)
		parent->rb_left = new;
	else
		parent->rb_right = new;
}

/*
 *     top            up
 *    /   \          /  \
 *   a    up   ->  top   c      (and its mirror)
 *       /  \     /   \
 *      b    c   a     b
 */
static __always_inline void rotate(struct rb_root *root, struct rb_node *top,
				   struct rb_node *up,
				   const struct rb_augment_callbacks *augment)
{
	struct rb_node *parent = rb_parent(top);
	struct rb_node *middle;

	if (top->rb_right == up) {
		middle = up->rb_left;
		top->rb_right = middle;
		up->rb_left = top;
	} else {
		middle = up->rb_right;
		top->rb_left = middle;
		up->rb_right = top;
	}
	if (middle)
		set_parent(middle, top);
	set_parent(up, parent);
	set_parent(top, up);
	relink(root, parent, top, up);
	augment->rotate(top, up);
}

static __always_inline void
insert_fixup(struct rb_node *node, struct rb_root *root,
	     const struct rb_augment_callbacks *augment)
{
	struct rb_node *parent, *grand, *uncle;

	while ((parent = rb_parent(node)) && rb_is_red(parent)) {
		grand = rb_parent(parent); /* a red node is not the root */
		uncle = grand->rb_left == parent ? grand->rb_right :
						   grand->rb_left;
		if (!black(uncle)) {
			paint(parent, RB_BLACK);
			paint(uncle, RB_BLACK);
			paint(grand, RB_RED);
			node = grand;
			continue;
		}
		/* An inner grandchild first becomes an outer one. */
		if ((grand->rb_left == parent) != (parent->rb_left == node)) {
			rotate(root, parent, node, augment);
			parent = node;
		}
		paint(parent, RB_BLACK);
		paint(grand, RB_RED);
		rotate(root, grand, parent, augment);
		break;
	}
	paint(root->rb_node, RB_BLACK);
}

/* The paths through @node (or NULL) below @parent lack one black node. */
static __always_inline void
erase_fixup(struct rb_node *node, struct rb_node *parent, struct rb_root *root,
	    const struct rb_augment_callbacks *augment)
{
	struct rb_node *sibling, *near, *far;
	bool left;

	while (parent && black(node)) {
		left = parent->rb_left == node;
		sibling = left ? parent->rb_right : parent->rb_left;
		if (rb_is_red(sibling)) {
			paint(sibling, RB_BLACK);
			paint(parent, RB_RED);
			rotate(root, parent, sibling, augment);
			sibling = left ? parent->rb_right : parent->rb_left;
		}
		near = left ? sibling->rb_left : sibling->rb_right;
		far = left ? sibling->rb_right : sibling->rb_left;
		if (black(near) && black(far)) {
			paint(sibling, RB_RED);
			node = parent;
			parent = rb_parent(node);
			continue;
		}
		if (black(far)) {
			paint(near, RB_BLACK);
			paint(sibling, RB_RED);
			rotate(root, sibling, near, augment);
			far = sibling;
			sibling = near;
		}
		paint(sibling, rb_color(parent));
		paint(parent, RB_BLACK);
		paint(far, RB_BLACK);
		rotate(root, parent, sibling, augment);
		return;
	}
	if (node)
		paint(node, RB_BLACK);
}

static __always_inline void erase(struct rb_node *node, struct rb_root *root,
				  const struct rb_augment_callbacks *augment)
{
	struct rb_node *parent = rb_parent(node);
	struct rb_node *child, *next;
	bool lost_black;

	if (!node->rb_left || !node->rb_right) {
		child = node->rb_left ? node->rb_left : node->rb_right;
		lost_black = rb_is_black(node);
		relink(root, parent, node, child);
		if (child)
			set_parent(child, parent);
		augment->propagate(parent, NULL);
	} else {
		/* The successor leaves its own place and takes this one. */
		next = node->rb_right;
		while (next->rb_left)
			next = next->rb_left;
		child = next->rb_right;
		lost_black = rb_is_black(next);
		if (next == node->rb_right) {
			parent = next;
		} else {
			parent = rb_parent(next);
			parent->rb_left = child;
			if (child)
				set_parent(child, parent);
			next->rb_right = node->rb_right;
			set_parent(next->rb_right, next);
		}
		next->rb_left = node->rb_left;
		set_parent(next->rb_left, next);
		relink(root, rb_parent(node), node, next);
		next->__rb_parent_color = node->__rb_parent_color;
		augment->copy(node, next);
		if (parent != next)
			augment->propagate(parent, next);
		augment->propagate(next, NULL);
	}
	if (lost_black)
		erase_fixup(child, parent, root, augment);
}

void rb_insert_color(struct rb_node *node, struct rb_root *root)
{
	insert_fixup(node, root, &no_augment);
}

void rb_erase(struct rb_node *node, struct rb_root *root)
{
	erase(node, root, &no_augment);
}

void rb_insert_augmented(struct rb_node *node, struct rb_root *root,
			 const struct rb_augment_callbacks *augment)
{
	insert_fixup(node, root, augment);
}

void rb_erase_augmented(struct rb_node *node, struct rb_root *root,
			const struct rb_augment_callbacks *augment)
{
	erase(node, root, augment);
}

void rb_replace_node(struct rb_node *victim, struct rb_node *new,
		     struct rb_root *root)
{
	*new = *victim;
	if (new->rb_left)
		set_parent(new->rb_left, new);
	if (new->rb_right)
		set_parent(new->rb_right, new);
	relink(root, rb_parent(victim), victim, new);
}

static struct rb_node *leftmost(struct rb_node *node)
{
	while (node && node->rb_left)
		node = node->rb_left;
	return node;
}

static struct rb_node *rightmost(struct rb_node *node)
{
	while (node && node->rb_right)
		node = node->rb_right;
	return node;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	return leftmost(root->rb_node);
}

struct rb_node *rb_last(const struct rb_root *root)
{
	return rightmost(root->rb_node);
}

struct rb_node *rb_next(const struct rb_node *node)
{
	const struct rb_node *parent;

	if (node->rb_right)
		return leftmost(node->rb_right);
	while ((parent = rb_parent(node)) && parent->rb_right == node)
		node = parent;
	return (struct rb_node *)parent;
}

struct rb_node *rb_prev(const struct rb_node *node)
{
	const struct rb_node *parent;

	if (node->rb_left)
		return rightmost(node->rb_left);
	while ((parent = rb_parent(node)) && parent->rb_left == node)
		node = parent;
	return (struct rb_node *)parent;
}

/* In postorder the first node below @node is its deepest leftmost leaf. */
static struct rb_node *first_leaf(struct rb_node *node)
{
	while (node && (node->rb_left || node->rb_right))
		node = node->rb_left ? node->rb_left : node->rb_right;
	return node;
}

struct rb_node *rb_first_postorder(const struct rb_root *root)
{
	return first_leaf(root->rb_node);
}

struct rb_node *rb_next_postorder(const struct rb_node *node)
{
	struct rb_node *parent = rb_parent(node);

	if (parent && parent->rb_left == node && parent->rb_right)
		return first_leaf(parent->rb_right);
	return parent;
}
