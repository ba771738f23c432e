/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: STUB - no CPU comes or goes: what would be called then is registered with
 * success, and never called.
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

#define cpuhp_setup_state_multi(state, name, startup, teardown)	\
	({ (void)(teardown); 0; })
#define cpuhp_remove_multi_state(state)			((void)(state))
#define cpuhp_state_add_instance_nocalls(state, node)	\
	({ (void)(node); 0; })
#define cpuhp_state_remove_instance_nocalls(state, node) ((void)(node))

#endif
