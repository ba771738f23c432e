/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crowd - ranges that others hold in the first domain that was initialised.
 */
#ifndef IO_CROWD_H
#define IO_CROWD_H

#include <linux/iova.h>

/*
 * One pfn below 4 GiB, or below the limit that the domain's device last had if
 * @high, past the caches; NULL if there is none.
 */
void *io_crowd_take(struct iova_domain *iovad, bool high);
void io_crowd_give(struct iova_domain *iovad, void *held);

/*
 * Takes @nr pages of @iovad, or all that there are with 0; with @holes every second
 * one is given back again; @high as io_crowd_take() has it.  0 or a negative errno.
 */
int io_crowd_fill(struct iova_domain *iovad, unsigned int nr, bool holes,
		  bool high);
/* Gives all back. */
void io_crowd_release(void);

#endif
