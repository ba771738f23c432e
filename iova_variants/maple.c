// SPDX-License-Identifier: GPL-2.0-only
/*
 * maple - live ranges in a gap-tracking B-tree; asks it for size + align - 1.
 *
 * Rik van Riel, June 2026, v3 and later: iova on the kernel's maple tree.  Here
 * it stands on a B-tree of our own (gap_btree.h), 16-way and with a gap maximum
 * beside every child.  A request takes the highest gap of at least
 * size + align - 1 pfns below its limit, and goes to the aligned top of that.
 *
 * Cost in live ranges n: O(log n) nodes, for every limit and for refusals too;
 * a visit is one node looked at, on each look.
 *
 * A gap that fits only because it happens to be aligned is not seen.  So an
 * aligned hole of exactly the size is never used again for size >= 2; steady
 * replacement of equal aligned blocks takes 1.5 times their space, and in a full
 * space requests fail that others serve.
 *
 * max32 is as in the augmented tree before it: a failed request with a 32-bit
 * limit, whatever that was, refuses later ones of its size or more until
 * something below 4 GiB is freed.
 *
 * reserve() merges the request and all ranges that it overlaps into one range,
 * which one free() then removes.
 *
 * Memory: a change replaces the nodes that it adds items to or takes items from,
 * so free() needs memory as alloc() does: one leaf, and more for the one change in
 * about eight that splits or joins nodes.  The first is taken before the lock.  If
 * more are needed, the lock is dropped to get them, and the search starts again if
 * somebody changed the tree meanwhile.  Without memory nothing is changed: alloc()
 * and reserve() refuse, and from free(), which can't refuse, the range stays
 * live: nobody gets its space until it is freed again or the domain goes.  Not
 * counted: the struct iova that the kernel's API hands out for a range; here
 * a range lives in its leaf only.
 *
 * Invariants, all under lock: those of gap_btree, and max32_alloc_size is
 * dma_32bit_pfn, or the size of a 32-bit request that failed since the last free
 * below dma_32bit_pfn.
 */
#include <linux/spinlock.h>

#include "gap_btree_edit.h"

struct iova_domain {
	spinlock_t lock;
	struct gap_btree ranges;
	unsigned long dma_32bit_pfn;
	unsigned long max32_alloc_size;
};

static const struct gap_need one_leaf = { .nr = { [GAP_LEAF] = 1 } };

static int maple_init_domain(struct iova_domain *iovad, unsigned long granule,
			     unsigned long start_pfn)
{
	spin_lock_init(&iovad->lock);
	iovad->dma_32bit_pfn = 1UL << (32 - ilog2(granule));
	iovad->max32_alloc_size = iovad->dma_32bit_pfn;
	return gap_btree_init(&iovad->ranges, start_pfn);
}

static void maple_put_domain(struct iova_domain *iovad)
{
	gap_btree_destroy(&iovad->ranges);
}

/* 0: the stock will do, and the path still holds.  May drop the lock. */
static int maple_stock(struct iova_domain *iovad, struct gap_stock *stock,
		       const struct gap_need *need, unsigned long *flags)
{
	unsigned long nr_changes = iovad->ranges.nr_changes;
	bool filled;

	if (likely(gap_stock_holds(stock, need)))
		return 0;

	spin_unlock_irqrestore(&iovad->lock, *flags);
	filled = gap_stock_fill(&iovad->ranges, stock, need);
	spin_lock_irqsave(&iovad->lock, *flags);
	if (!filled)
		return -ENOMEM;
	return nr_changes == iovad->ranges.nr_changes ? 0 : -EAGAIN;
}

/*
 *	|  below  |......... gap .........|  path's range  |
 *	          [ new ] aligned down from min(high, range), size + align - 1
 *	                  is in the gap, so it can't end up below it
 */
static int maple_search(struct iova_domain *iovad, struct gap_path *path,
			unsigned long size, unsigned long high,
			bool size_aligned, unsigned long *pfn_lo)
{
	unsigned long align = size_aligned ? roundup_pow_of_two(size) : 1;
	bool is_32bit = high <= iovad->dma_32bit_pfn;

	if (is_32bit && size >= iovad->max32_alloc_size)
		return -ENOSPC;
	if (!gap_btree_search(&iovad->ranges, path, high, size + align - 1)) {
		if (is_32bit)
			iovad->max32_alloc_size = size;
		return -ENOSPC;
	}
	high = min(high, gap_path_range(path)->pfn_lo);
	*pfn_lo = (high - size) & ~(align - 1);
	return 0;
}

static unsigned long maple_alloc(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn, bool size_aligned)
{
	struct gap_stock stock = {};
	unsigned long flags, pfn_lo;
	struct gap_path path;
	struct gap_need need;
	int err;

	if (!gap_stock_fill(&iovad->ranges, &stock, &one_leaf))
		return IOVA_REFUSED;

	spin_lock_irqsave(&iovad->lock, flags);
	do {
		err = maple_search(iovad, &path, size, limit_pfn + 1,
				   size_aligned, &pfn_lo);
		if (err)
			break;
		need = gap_btree_need(&iovad->ranges, &path, 1);
		err = maple_stock(iovad, &stock, &need, &flags);
	} while (err == -EAGAIN);
	if (!err)
		gap_btree_insert(&iovad->ranges, &path, pfn_lo,
				 pfn_lo + size - 1, &stock);
	spin_unlock_irqrestore(&iovad->lock, flags);

	gap_stock_put(&iovad->ranges, &stock);
	return err ? IOVA_REFUSED : pfn_lo;
}

static bool maple_lookup(struct iova_domain *iovad, struct gap_path *path,
			 unsigned long pfn)
{
	gap_btree_descend(&iovad->ranges, path, pfn, false);
	return gap_path_range(path)->pfn_lo <= pfn;
}

static void maple_free(struct iova_domain *iovad, unsigned long pfn)
{
	struct gap_stock stock = {};
	struct gap_path path;
	struct gap_need need;
	unsigned long flags;
	int err;

	if (!gap_stock_fill(&iovad->ranges, &stock, &one_leaf))
		return;

	spin_lock_irqsave(&iovad->lock, flags);
	do {
		err = maple_lookup(iovad, &path, pfn) ? 0 : -ENOENT;
		if (err)
			break;
		need = gap_btree_need(&iovad->ranges, &path, -1);
		err = maple_stock(iovad, &stock, &need, &flags);
	} while (err == -EAGAIN);
	if (!err) {
		if (gap_path_range(&path)->pfn_lo < iovad->dma_32bit_pfn)
			iovad->max32_alloc_size = iovad->dma_32bit_pfn;
		gap_btree_erase(&iovad->ranges, &path, &stock);
	}
	spin_unlock_irqrestore(&iovad->lock, flags);

	gap_stock_put(&iovad->ranges, &stock);
}

/* Widen the request to all ranges that it meets; returns how many. */
static unsigned long maple_widen(struct iova_domain *iovad,
				 struct gap_path *path, unsigned long *pfn_lo,
				 unsigned long *pfn_hi)
{
	unsigned long nr = 0, from = *pfn_lo, to = *pfn_hi;
	const struct gap_range *range;

	for (;;) {
		gap_btree_descend(&iovad->ranges, path, from, true);
		range = gap_path_range(path);
		if (range->pfn_lo > to)
			return nr;
		nr++;
		*pfn_lo = min(*pfn_lo, range->pfn_lo);
		if (range->pfn_hi >= to) {
			*pfn_hi = range->pfn_hi;
			return nr;
		}
		from = range->pfn_hi + 1;
	}
}

/*
 * All @nr ranges in [@pfn_lo, @pfn_hi] but the highest go, and that one is
 * stretched.  An erase drops at least as many nodes as it takes, so what is
 * enough for the first is enough for all.
 */
static void maple_merge(struct iova_domain *iovad, unsigned long nr,
			unsigned long pfn_lo, unsigned long pfn_hi,
			struct gap_stock *stock)
{
	struct gap_path path;

	while (--nr) {
		gap_btree_descend(&iovad->ranges, &path, pfn_lo, false);
		gap_btree_erase(&iovad->ranges, &path, stock);
		gap_stock_reuse(stock);
	}
	gap_btree_descend(&iovad->ranges, &path, pfn_lo, false);
	gap_btree_stretch(&iovad->ranges, &path, pfn_lo, pfn_hi);
}

/* Nodes that it takes to merge @nr ranges with the request. */
static struct gap_need maple_reserve_need(struct iova_domain *iovad,
					  struct gap_path *path,
					  unsigned long nr)
{
	if (!nr)
		return gap_btree_need(&iovad->ranges, path, 1);
	if (nr == 1)
		return (struct gap_need){};
	return gap_btree_most(&iovad->ranges);
}

/*
 * One range takes the place of all that the request meets, and of the request.
 * Nothing may change before there is memory.
 */
static int maple_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
			 unsigned long pfn_hi)
{
	struct gap_stock stock = {};
	unsigned long flags, nr, lo, hi;
	struct gap_path path;
	struct gap_need need;
	int err;

	if (!gap_stock_fill(&iovad->ranges, &stock, &one_leaf))
		return -ENOMEM;

	spin_lock_irqsave(&iovad->lock, flags);
	do {
		lo = pfn_lo;
		hi = pfn_hi;
		nr = maple_widen(iovad, &path, &lo, &hi);
		need = maple_reserve_need(iovad, &path, nr);
		err = maple_stock(iovad, &stock, &need, &flags);
	} while (err == -EAGAIN);
	if (!err && nr)
		maple_merge(iovad, nr, lo, hi, &stock);
	else if (!err)
		gap_btree_insert(&iovad->ranges, &path, pfn_lo, pfn_hi, &stock);
	spin_unlock_irqrestore(&iovad->lock, flags);

	gap_stock_put(&iovad->ranges, &stock);
	return err;
}

static bool maple_find(struct iova_domain *iovad, unsigned long pfn,
		       unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	struct gap_path path;
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&iovad->lock, flags);
	found = maple_lookup(iovad, &path, pfn);
	if (found) {
		*pfn_lo = gap_path_range(&path)->pfn_lo;
		*pfn_hi = gap_path_range(&path)->pfn_hi;
	}
	spin_unlock_irqrestore(&iovad->lock, flags);
	return found;
}

static const char *maple_verify(struct iova_domain *iovad)
{
	return gap_btree_verify(&iovad->ranges);
}

static size_t maple_dump(struct iova_domain *iovad, u64 *words, size_t nr_words)
{
	size_t nr = 0;

	gap_put_word(words, nr_words, &nr, iovad->max32_alloc_size);
	gap_put_word(words, nr_words, &nr, iovad->ranges.top);
	gap_btree_dump(iovad->ranges.root, iovad->ranges.top, words, nr_words,
		       &nr);
	return nr;
}

IOVA_VARIANT(
	.name		= "maple",
	.summary	= "gap-tracking B-tree, highest gap of size + align - 1, max32",
	.kernel_release	= "Jun 2026, under review",
	.flags		= IOVA_V_FREE_NEEDS_MEM | IOVA_V_MERGES,
	.domain_size	= sizeof(struct iova_domain),
	.init_domain	= maple_init_domain,
	.put_domain	= maple_put_domain,
	.alloc		= maple_alloc,
	.free		= maple_free,
	.reserve	= maple_reserve,
	.find		= maple_find,
	.verify		= maple_verify,
	.dump		= maple_dump,
);
