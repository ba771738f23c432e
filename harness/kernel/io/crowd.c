// SPDX-License-Identifier: GPL-2.0-only
/*
 * crowd - ranges that others hold in the first domain that was initialised.
 *
 * Any range has the same effect on an allocator's search, whoever holds it: so these
 * stand for the other users of a domain, or for a driver that maps much and for long.
 */
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "crowd.h"

#define IO_CROWD_MAX	(1U << 20)	/* pages of 4 GiB */
#define IO_PER_BREATH	256		/* between two calls of cond_resched() */

static struct iova_domain *io_crowded;
static void **io_held;
static unsigned int io_nr_held;

static void io_make_holes(void)
{
	unsigned int i;

	for (i = 0; i < io_nr_held; i += 2) {
		io_crowd_give(io_crowded, io_held[i]);
		io_held[i] = NULL;
		if (!(i % IO_PER_BREATH))
			cond_resched();
	}
}

int io_crowd_fill(struct iova_domain *iovad, unsigned int nr, bool holes,
		  bool high)
{
	void *held;

	if (io_held || !iovad)
		return -EBUSY;
	if (!nr || nr > IO_CROWD_MAX)
		nr = IO_CROWD_MAX;
	io_held = vzalloc(array_size(nr, sizeof(*io_held)));
	if (!io_held)
		return -ENOMEM;
	io_crowded = iovad;
	for (io_nr_held = 0; io_nr_held < nr; io_nr_held++) {
		held = io_crowd_take(iovad, high);
		if (!held)
			break;
		io_held[io_nr_held] = held;
		if (!(io_nr_held % IO_PER_BREATH))
			cond_resched();
	}
	if (holes)
		io_make_holes();
	pr_notice("iova_io: %u pages %s are held by others%s\n", io_nr_held,
		  high ? "below the device's limit" : "below 4 GiB",
		  holes ? ", every second one was given back" : "");
	return 0;
}

void io_crowd_release(void)
{
	unsigned int i;

	for (i = 0; i < io_nr_held; i++) {
		if (io_held[i])
			io_crowd_give(io_crowded, io_held[i]);
		if (!(i % IO_PER_BREATH))
			cond_resched();
	}
	vfree(io_held);
	io_held = NULL;
	io_nr_held = 0;
}
