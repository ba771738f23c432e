/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: EQUIVALENT - augmented red-black trees under the kernel's names.
 * Different in cost: the kernel inlines propagate and copy into the caller of
 * rb_erase_augmented(); here all three callbacks are calls through a pointer
 * (about 1 ns each).
 */
#ifndef SHIM_LINUX_RBTREE_AUGMENTED_H
#define SHIM_LINUX_RBTREE_AUGMENTED_H

#include <linux/rbtree.h>

#define RB_RED		0
#define RB_BLACK	1
#define rb_color(node)		((node)->__rb_parent_color & 1)
#define rb_is_red(node)		(!rb_color(node))
#define rb_is_black(node)	rb_color(node)

/**
 * struct rb_augment_callbacks - how a tree keeps a value per subtree
 * @propagate: recompute from @node upwards, up to but not including @stop
 * @copy: @new takes the place of @old, and its value
 * @rotate: @new was a child of @old and is now its parent: it takes the value
 *	of @old, and that of @old is recomputed
 */
struct rb_augment_callbacks {
	void (*propagate)(struct rb_node *node, struct rb_node *stop);
	void (*copy)(struct rb_node *old, struct rb_node *new);
	void (*rotate)(struct rb_node *old, struct rb_node *new);
};

/* The caller has already brought the values above @node up to date. */
void rb_insert_augmented(struct rb_node *node, struct rb_root *root,
			 const struct rb_augment_callbacks *augment);
void rb_erase_augmented(struct rb_node *node, struct rb_root *root,
			const struct rb_augment_callbacks *augment);

/*
 * Define the three callbacks and the table @name.  @compute(entry, exit)
 * recomputes @augmented of one entry from its children; with @exit, it returns
 * true when nothing changed, and propagation stops there.  As in the kernel, no
 * semicolon follows.
 */
#define RB_DECLARE_CALLBACKS(linkage, name, type, field, augmented, compute) \
static inline void name##_propagate(struct rb_node *node,		\
				    struct rb_node *stop)		\
{									\
	for (; node != stop; node = rb_parent(node))			\
		if (compute(rb_entry(node, type, field), true))		\
			return;						\
}									\
static inline void name##_copy(struct rb_node *old, struct rb_node *new) \
{									\
	rb_entry(new, type, field)->augmented =				\
		rb_entry(old, type, field)->augmented;			\
}									\
static void name##_rotate(struct rb_node *old, struct rb_node *new)	\
{									\
	name##_copy(old, new);						\
	compute(rb_entry(old, type, field), false);			\
}									\
linkage const struct rb_augment_callbacks name = {			\
	.propagate = name##_propagate,					\
	.copy = name##_copy,						\
	.rotate = name##_rotate,					\
};

/* The same for a maximum over the subtree of @own(entry), of type @vtype. */
#define RB_DECLARE_CALLBACKS_MAX(linkage, name, type, field, vtype, augmented, \
				 own)			\
static inline bool name##_compute_max(type *entry, bool exit)		\
{									\
	vtype most = own(entry);					\
	type *child;							\
									\
	child = rb_entry_safe(entry->field.rb_left, type, field);	\
	if (child && child->augmented > most)				\
		most = child->augmented;				\
	child = rb_entry_safe(entry->field.rb_right, type, field);	\
	if (child && child->augmented > most)				\
		most = child->augmented;				\
	if (exit && entry->augmented == most)				\
		return true;						\
	entry->augmented = most;					\
	return false;							\
}									\
RB_DECLARE_CALLBACKS(linkage, name, type, field, augmented,		\
		     name##_compute_max)

#endif
