// SPDX-License-Identifier: GPL-2.0-only
/*
 * records - the struct iova of ranges that their callers hold by it.
 */
#include <linux/slab.h>

#include "records.h"

struct io_one {
	struct iova iova;
	struct list_head entry;
};

static struct io_one *io_one(struct iova *iova)
{
	return container_of(iova, struct io_one, iova);
}

void io_records_init(struct io_records *records)
{
	spin_lock_init(&records->lock);
	INIT_LIST_HEAD(&records->ranges);
	INIT_LIST_HEAD(&records->reserved);
}

static unsigned long io_list_exit(struct list_head *list)
{
	struct io_one *one, *next;
	unsigned long nr = 0;

	list_for_each_entry_safe(one, next, list, entry)
	{
		kfree(one);
		nr++;
	}
	return nr;
}

unsigned long io_records_exit(struct io_records *records)
{
	io_list_exit(&records->reserved);
	return io_list_exit(&records->ranges);
}

struct iova *io_record_new(gfp_t gfp)
{
	struct io_one *one = kzalloc(sizeof(*one), gfp);

	return one ? &one->iova : NULL;
}

void io_record_delete(struct iova *iova)
{
	kfree(io_one(iova));
}

static void io_put_on(struct io_records *records, struct list_head *list,
		      struct iova *iova, unsigned long pfn_lo,
		      unsigned long pfn_hi)
{
	unsigned long flags;

	iova->pfn_lo = pfn_lo;
	iova->pfn_hi = pfn_hi;
	spin_lock_irqsave(&records->lock, flags);
	list_add(&io_one(iova)->entry, list);
	spin_unlock_irqrestore(&records->lock, flags);
}

void io_record_add(struct io_records *records, struct iova *iova,
		   unsigned long pfn_lo, unsigned long pfn_hi)
{
	io_put_on(records, &records->ranges, iova, pfn_lo, pfn_hi);
}

void io_record_keep(struct io_records *records, struct iova *iova,
		    unsigned long pfn_lo, unsigned long pfn_hi)
{
	io_put_on(records, &records->reserved, iova, pfn_lo, pfn_hi);
}

static struct io_one *io_search(struct io_records *records, unsigned long pfn)
{
	struct io_one *one;

	list_for_each_entry(one, &records->ranges,
			    entry) if (one->iova.pfn_lo <= pfn &&
				       pfn <= one->iova.pfn_hi) return one;
	return NULL;
}

struct iova *io_record_find(struct io_records *records, unsigned long pfn)
{
	unsigned long flags;
	struct io_one *one;

	spin_lock_irqsave(&records->lock, flags);
	one = io_search(records, pfn);
	spin_unlock_irqrestore(&records->lock, flags);
	return one ? &one->iova : NULL;
}

struct iova *io_record_take(struct io_records *records, unsigned long pfn)
{
	unsigned long flags;
	struct io_one *one;

	spin_lock_irqsave(&records->lock, flags);
	one = io_search(records, pfn);
	if (one)
		list_del(&one->entry);
	spin_unlock_irqrestore(&records->lock, flags);
	return one ? &one->iova : NULL;
}
