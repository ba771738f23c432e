/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shim: SUBSTITUTE - delayed work waits on a list until the harness's timer fires
 * next, every 100 ms of the stream's clock, whatever its delay is; it runs in the
 * one thread that there is.  Since v6.7 the per-CPU caches have such work.
 */
#ifndef SHIM_TEXT_WORKQUEUE_H
#define SHIM_TEXT_WORKQUEUE_H

#include <linux/container_of.h>

struct work_struct {
	void (*func)(struct work_struct *work);
};

struct delayed_work {
	struct work_struct work;
	struct delayed_work *next;
	bool pending;
};

static struct delayed_work *shim_work;

#define INIT_WORK(item, function)	((item)->func = (function))
#define INIT_DELAYED_WORK(item, function)	\
	((item)->pending = false, INIT_WORK(&(item)->work, function))
#define to_delayed_work(item)	container_of(item, struct delayed_work, work)

/* No timer fires while several threads run, so none of them lists any. */
static inline bool schedule_delayed_work(struct delayed_work *item,
					 unsigned long delay)
{
#ifdef IOVA_THREADED
	return !__atomic_exchange_n(&item->pending, true, __ATOMIC_RELAXED);
#else
	if (item->pending)
		return false;
	item->pending = true;
	item->next = shim_work;
	shim_work = item;
	return true;
#endif
}

static inline bool cancel_delayed_work_sync(struct delayed_work *item)
{
	struct delayed_work **link = &shim_work;

	while (*link && *link != item)
		link = &(*link)->next;
	if (*link)
		*link = item->next;
	return item->pending;
}

/* All that waits now; what it schedules waits for the next time. */
static inline void shim_run_work(void)
{
	struct delayed_work *item = shim_work, *next;

	shim_work = NULL;
	for (; item; item = next) {
		next = item->next;
		item->pending = false;
		item->work.func(&item->work);
	}
}

#endif
