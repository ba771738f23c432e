// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads_survey - what must hold at the end, in whatever order ops ran.
 *
 * Each range that a caller still owns is found, and no two of them overlap.
 */
#include <stdlib.h>

#include "threads_state.h"

static int verify(struct run *run, const char *when)
{
	const char *wrong;
	u64 i;

	for (i = 0; i < run->domains.nr; i++) {
		wrong = iova_variant.verify(domains_at(&run->domains, i));
		if (wrong)
			return fail(run, ~0ULL, "%s, %s: %s", iova_variant.name,
				    when, wrong);
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	if (x->dom != y->dom)
		return x->dom < y->dom ? -1 : 1;
	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

/* Sorted by address: is each there, and does none reach into the next? */
static int check_owned(struct run *run, const struct slot *owned, u64 nr)
{
	unsigned long lo, hi;
	u64 i;

	for (i = 0; i < nr; i++) {
		const struct slot *slot = &owned[i];
		u64 pfn_hi = slot->pfn + slot->size - 1;

		if (!iova_variant.find(domains_at(&run->domains, slot->dom),
				       slot->pfn, &lo, &hi) ||
		    lo > slot->pfn || hi < pfn_hi)
			return fail(
				run, ~0ULL,
				"%s: a caller owns 0x%llx, and find() does not know it",
				iova_variant.name,
				(unsigned long long)slot->pfn);
		if (i + 1 < nr && slot[1].dom == slot->dom &&
		    slot[1].pfn <= pfn_hi)
			return fail(run, ~0ULL, "%s: two callers own 0x%llx",
				    iova_variant.name,
				    (unsigned long long)slot[1].pfn);
	}
	return 0;
}

/*
 * The last op on a slot, other than a FIND, decides.  Reserved ranges are no
 * caller's, and may overlap each other.
 */
static u64 find_owned(struct run *run)
{
	struct slot *slot;
	u64 i, nr = 0;

	for (i = run->stream->nr_ops; i-- > 0;) {
		const struct replay_op *op = &run->stream->ops[i];

		slot = &run->slots[op->slot];
		if (slot->seen || op->op == REPLAY_FIND)
			continue;
		slot->seen = true;
		slot->owned = op->op == REPLAY_ALLOC &&
			      slot->pfn != IOVA_REFUSED;
		slot->size = op->size;
		slot->dom = op->dom;
	}
	for (i = 0; i < run->stream->nr_slots; i++)
		if (run->slots[i].owned)
			run->slots[nr++] = run->slots[i];
	return nr;
}

int threads_survey(struct run *run)
{
	struct slot *owned = run->slots;
	u64 i, nr = find_owned(run);
	int err;

	run->result->nr_live = nr;
	if (is_fake())
		return 0;
	qsort(owned, nr, sizeof(*owned), by_address);
	err = verify(run, "after the last op");
	if (!err && !run->merges)
		err = check_owned(run, owned, nr);
	for (i = 0; !err && run->rcaches && i < run->domains.nr; i++)
		rcache_flush(&run->rcaches[i]);
	if (!err && run->rcaches)
		err = verify(run, "after the last flush");
	return err || run->merges ? err : check_owned(run, owned, nr);
}
