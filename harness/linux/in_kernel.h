/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * in_kernel - what a text in a module of a booted kernel gets beside the names that
 * iova_lab/linux/in_kernel.py gives it: nothing is exported, and what it does when
 * a CPU goes is registered under a state of its own.
 */
#ifndef TEXT_IN_KERNEL_H
#define TEXT_IN_KERNEL_H

#include <linux/cpuhotplug.h>
#include <linux/export.h>
#include <linux/module.h>

#undef EXPORT_SYMBOL
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL(name)	extern typeof(name) name
#define EXPORT_SYMBOL_GPL(name)	EXPORT_SYMBOL(name)

static enum cpuhp_state text_dead_state __maybe_unused;

static inline int
text_setup_dead(const char *name,
		int (*dead)(unsigned int cpu, struct hlist_node *node))
{
	int state = (cpuhp_setup_state_multi)(CPUHP_BP_PREPARE_DYN, name, NULL,
					      dead);

	if (state < 0)
		return state;
	text_dead_state = state;
	return 0;
}

/* The one that the text names is the kernel's own allocator's. */
#define cpuhp_setup_state_multi(state, name, up, down)	\
	text_setup_dead(name, down)
#define cpuhp_remove_multi_state(state)	\
	cpuhp_remove_multi_state(text_dead_state)
#define cpuhp_state_add_instance_nocalls(state, node)	\
	cpuhp_state_add_instance_nocalls(text_dead_state, node)
#define cpuhp_state_remove_instance_nocalls(state, node)	\
	cpuhp_state_remove_instance_nocalls(text_dead_state, node)

#endif
