/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - what the text registers for a CPU that goes is kept, and is
 * called by shim_cpu_dies() alone: no op of a stream takes a CPU away.  The text has
 * one state.
 */
#ifndef SHIM_TEXT_CPUHOTPLUG_H
#define SHIM_TEXT_CPUHOTPLUG_H

#include <linux/container_of.h>

struct hlist_node {
	struct hlist_node *next, **pprev;
};

#define hlist_entry_safe(ptr, type, member)	\
	((ptr) ? container_of(ptr, type, member) : NULL)

enum cpuhp_state {
	CPUHP_IOMMU_IOVA_DEAD,
};

static int (*shim_dead)(unsigned int cpu, struct hlist_node *node);
static struct hlist_node *shim_dead_first;

#define cpuhp_setup_state_multi(state, name, startup, teardown)	\
	((void)(startup), shim_dead = (teardown), 0)
#define cpuhp_remove_multi_state(state)			((void)(state))

static inline int shim_dead_add(struct hlist_node *node)
{
	node->next = shim_dead_first;
	node->pprev = &shim_dead_first;
	if (node->next)
		node->next->pprev = &node->next;
	shim_dead_first = node;
	return 0;
}

static inline void shim_dead_remove(struct hlist_node *node)
{
	if (node->next)
		node->next->pprev = node->pprev;
	*node->pprev = node->next;
}

#define cpuhp_state_add_instance_nocalls(state, node)	shim_dead_add(node)
#define cpuhp_state_remove_instance_nocalls(state, node) shim_dead_remove(node)

/* Returns the first error that the text does. */
static inline int shim_cpu_dies(unsigned int cpu)
{
	struct hlist_node *node = shim_dead_first, *next;
	int err = 0;

	for (; node && !err; node = next) {
		next = node->next;
		err = shim_dead(cpu, node);
	}
	return err;
}

#endif
