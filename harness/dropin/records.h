/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * records - a struct iova for each range that was not allocated by the fast API.
 *
 * In a red-black tree by address, the header's rbroot: O(log records).
 *
 * Invariants, under iova_rbtree_lock:
 *   - a record's pfns from start_pfn on are in use, and nobody else's
 *   - the candidate counts a record nr_live times
 *   - a note stands for a request to reserve what ranges without a record use;
 *     it has no pfns, is in a tree of its own, and no lookup finds it
 */
#ifndef DROPIN_RECORDS_H
#define DROPIN_RECORDS_H

#include "holes.h"

static struct kmem_cache *record_cache;

struct record {
	struct iova iova;
	u32 nr_live;
	bool is_note;
};

static struct record *record_new(void)
{
	return kmem_cache_zalloc(record_cache, GFP_ATOMIC | __GFP_NOWARN);
}

static struct record *to_record(struct rb_node *node)
{
	return rb_entry(node, struct record, iova.node);
}

/* The highest record that begins at or below @pfn. */
static struct record *record_below(const struct iova_domain *iovad,
				   unsigned long pfn)
{
	struct rb_node *node = iovad->rbroot.rb_node;
	struct record *below = NULL, *record;

	while (node) {
		record = to_record(node);
		if (record->iova.pfn_lo <= pfn) {
			below = record;
			node = node->rb_right;
		} else {
			node = node->rb_left;
		}
	}
	return below;
}

/* The record that has @pfn. */
static struct record *record_at(const struct iova_domain *iovad,
				unsigned long pfn)
{
	struct record *record = record_below(iovad, pfn);

	return record && record->iova.pfn_hi >= pfn ? record : NULL;
}

static void record_insert(struct rb_root *root, struct record *new)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = new->iova.pfn_lo < to_record(parent)->iova.pfn_lo ?
			       &parent->rb_left :
			       &parent->rb_right;
	}
	rb_link_node(&new->iova.node, parent, link);
	rb_insert_color(&new->iova.node, root);
}

static void record_erase(struct iova_domain *iovad, struct record *record)
{
	rb_erase(&record->iova.node,
		 record->is_note ? &space_of(iovad)->notes : &iovad->rbroot);
}

/*
 * What an erased record has becomes free, in as many parts as the candidate
 * counts: to a hole it makes no difference where they are cut.
 */
static void record_give_back(struct iova_domain *iovad, struct record *record)
{
	unsigned long lo = max(record->iova.pfn_lo, iovad->start_pfn);
	struct candidate_domain *holes = &space_of(iovad)->holes;

	for (; record->nr_live > 1; record->nr_live--)
		candidate.free_sized(holes, lo++, 1);
	if (record->nr_live)
		candidate.free_sized(holes, lo, record->iova.pfn_hi - lo + 1);
	kmem_cache_free(record_cache, record);
}

/* False if no record has @pfn. */
static bool record_free(struct iova_domain *iovad, unsigned long pfn)
{
	struct record *record;
	unsigned long flags;

	spin_lock_irqsave(&iovad->iova_rbtree_lock, flags);
	record = record_at(iovad, pfn);
	if (record)
		record_erase(iovad, record);
	spin_unlock_irqrestore(&iovad->iova_rbtree_lock, flags);

	if (record)
		record_give_back(iovad, record);
	return record;
}

static void records_put(struct rb_root *root)
{
	struct record *record, *next;

	rbtree_postorder_for_each_entry_safe(record, next, root, iova.node)
		kmem_cache_free(record_cache, record);
}

/* ---- reserve ---- */

/*
 * Take all that is free in [@lo, @end), which has no record.  What touches the
 * record above becomes a part of that, if it begins within the request.
 */
static int reserve_gap(struct iova_domain *iovad, unsigned long lo,
		       unsigned long end, unsigned long pfn_hi)
{
	struct hole piece = NO_HOLE;
	struct record *new, *above;
	int taken;

	for (; lo < end; end = piece.lo) {
		new = record_new();
		taken = new ? take_hole(&space_of(iovad)->holes, lo, end,
					&piece) :
			      -ENOMEM;
		if (!taken && lo < iovad->start_pfn)
			piece = (struct hole){ lo, min(end, iovad->start_pfn) };
		else if (taken <= 0)
			goto out;
		above = record_below(iovad, piece.end);
		if (above && above->iova.pfn_lo == piece.end &&
		    piece.end <= pfn_hi) {
			above->iova.pfn_lo = piece.lo;
			above->nr_live += taken;
			kmem_cache_free(record_cache, new);
			continue;
		}
		new->iova.pfn_lo = piece.lo;
		new->iova.pfn_hi = piece.end - 1;
		new->nr_live = taken;
		record_insert(&iovad->rbroot, new);
	}
	return 0;
out:
	if (new)
		kmem_cache_free(record_cache, new);
	return taken;
}

/* From the top down, gap by gap between the records that the request overlaps. */
static int reserve_gaps(struct iova_domain *iovad, unsigned long pfn_lo,
			unsigned long pfn_hi)
{
	unsigned long lo, end = pfn_hi + 1;
	struct record *below;
	int err = 0;

	while (!err && end > pfn_lo) {
		below = record_below(iovad, end - 1);
		lo = below ? max(below->iova.pfn_hi + 1, pfn_lo) : pfn_lo;
		err = reserve_gap(iovad, lo, end, pfn_hi);
		end = below ? below->iova.pfn_lo : pfn_lo;
	}
	return err;
}

/* All of the request is in use by ranges without a record. */
static struct record *note_new(struct iova_domain *iovad, unsigned long pfn_lo,
			       unsigned long pfn_hi)
{
	struct record *note = record_new();

	if (!note)
		return NULL;
	note->iova.pfn_lo = pfn_lo;
	note->iova.pfn_hi = pfn_hi;
	note->is_note = true;
	record_insert(&space_of(iovad)->notes, note);
	return note;
}

/* The record that has @pfn_hi, or else the highest of the request. */
static struct record *record_reserve(struct iova_domain *iovad,
				     unsigned long pfn_lo, unsigned long pfn_hi)
{
	struct record *record;

	if (reserve_gaps(iovad, pfn_lo, pfn_hi))
		return NULL;
	record = record_below(iovad, pfn_hi);
	if (record && record->iova.pfn_hi >= pfn_lo)
		return record;
	return note_new(iovad, pfn_lo, pfn_hi);
}

#endif
