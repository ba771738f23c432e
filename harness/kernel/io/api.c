// SPDX-License-Identifier: GPL-2.0-only
/*
 * api - the kernel's IOVA API, by the unit of the module or by the kernel's own code.
 *
 * A call goes: caller, ftrace, livepatch, a function of this file, and then the
 * unit's hook or, past its entry, the kernel's function.  What is counted of it is
 * that last call alone, with interrupts off: no interrupt's instructions are in it.
 *
 * A domain of ours is marked in the anchor of the kernel's struct iova_domain, which
 * nobody but the functions replaced here looks at.  So to find the unit's domain
 * takes a load and a compare; a hash or a shadow variable would take a lock or a
 * walk, for every call.
 */
#include <linux/iova.h>
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/slab.h>

#include "account.h"
#include "api.h"
#include "crowd.h"
#include "records.h"
#include "stock.h"
#include "unit.h"

/* No pfn_hi of an anchor: the kernel's is the highest pfn of all. */
#define IO_OURS		0x10a0000000000000UL

const struct io_unit *io_unit;
struct iova_domain *io_first;
unsigned long io_first_limit;

/**
 * struct io_handed - what the lab keeps of a domain that was handed over
 * @domain: the unit's
 * @records: of ranges that are not the fast API's
 * @nr_fast: per CPU, ranges allocated by the fast API less those freed by it
 * @dom: its number, in the order in which domains were initialised
 */
struct io_handed {
	struct io_domain *domain;
	struct io_records records;
	long __percpu *nr_fast;
	u16 dom;
};

static struct io_handed *io_handed(const struct iova_domain *iovad)
{
	if (iovad->anchor.pfn_hi != IO_OURS)
		return NULL;
	return (struct io_handed *)iovad->anchor.pfn_lo;
}

/* ---- the fast API ---- */

unsigned long io_alloc_iova_fast(struct iova_domain *iovad, unsigned long size,
				 unsigned long limit_pfn, bool flush)
{
	struct io_handed *handed = io_handed(iovad);
	unsigned long flags, pfn;
	u64 begin, end, nr_before;

	if (!handed && io_unit)
		return io_stock.alloc_fast(iovad, size, limit_pfn, flush);
	local_irq_save(flags);
	nr_before = this_cpu_read(io_tree.nr_allocs);
	if (handed) {
		begin = io_now();
		pfn = io_unit->alloc_fast(handed->domain, size, limit_pfn,
					  flush);
		end = io_now();
		if (pfn == IO_REFUSED)
			pfn = 0;
		else
			this_cpu_inc(*handed->nr_fast);
	} else {
		begin = io_now();
		pfn = io_stock.alloc_fast(iovad, size, limit_pfn, flush);
		end = io_now();
	}
	if (iovad == io_first)
		io_first_limit = limit_pfn;
	io_account(IO_ALLOC_FAST, size, end - begin, !pfn);
	io_record(IO_ROW_ALLOC_FAST, handed ? handed->dom : 0, pfn, size,
		  limit_pfn,
		  this_cpu_read(io_tree.nr_allocs) != nr_before ?
			  IO_ROW_WENT_ON :
			  0);
	local_irq_restore(flags);
	return pfn;
}

void io_free_iova_fast(struct iova_domain *iovad, unsigned long pfn,
		       unsigned long size)
{
	struct io_handed *handed = io_handed(iovad);
	unsigned long flags;
	u64 begin, end;

	if (!handed && io_unit) {
		io_stock.free_fast(iovad, pfn, size);
		return;
	}
	local_irq_save(flags);
	/* First: what the tree then frees is a consequence. */
	io_record(IO_ROW_FREE_FAST, handed ? handed->dom : 0, pfn, size, 0, 0);
	if (handed) {
		begin = io_now();
		io_unit->free_fast(handed->domain, pfn, size);
		end = io_now();
		this_cpu_dec(*handed->nr_fast);
	} else {
		begin = io_now();
		io_stock.free_fast(iovad, pfn, size);
		end = io_now();
	}
	io_account(IO_FREE_FAST, size, end - begin, false);
	local_irq_restore(flags);
}

/* ---- past the caches: struct iova in the caller's hand ---- */

struct iova *io_alloc_iova(struct iova_domain *iovad, unsigned long size,
			   unsigned long limit_pfn, bool size_aligned)
{
	struct io_handed *handed = io_handed(iovad);
	struct iova *iova;
	unsigned long flags, pfn;
	u64 begin;

	if (!handed)
		return io_stock.alloc(iovad, size, limit_pfn, size_aligned);
	iova = io_record_new(GFP_ATOMIC);
	if (!iova)
		return NULL;
	local_irq_save(flags);
	begin = io_now();
	pfn = io_unit->alloc(handed->domain, size, limit_pfn, size_aligned);
	io_account(IO_ALLOC, size, io_now() - begin, pfn == IO_REFUSED);
	local_irq_restore(flags);
	if (pfn == IO_REFUSED) {
		io_record_delete(iova);
		return NULL;
	}
	io_record_add(&handed->records, iova, pfn, pfn + size - 1);
	return iova;
}

/* @iova is out of the records. */
static void io_free_range(struct io_handed *handed, struct iova *iova)
{
	unsigned long flags;
	u64 begin;

	local_irq_save(flags);
	begin = io_now();
	io_unit->free(handed->domain, iova->pfn_lo, iova_size(iova));
	io_account(IO_FREE, iova_size(iova), io_now() - begin, false);
	local_irq_restore(flags);
	io_record_delete(iova);
}

void io_free_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct io_handed *handed = io_handed(iovad);
	struct iova *iova;

	if (!handed) {
		io_stock.free(iovad, pfn);
		return;
	}
	iova = io_record_take(&handed->records, pfn);
	if (iova)
		io_free_range(handed, iova);
}

void io_free_iova_struct(struct iova_domain *iovad, struct iova *iova)
{
	struct io_handed *handed = io_handed(iovad);

	if (!handed) {
		io_stock.free_struct(iovad, iova);
		return;
	}
	if (io_record_take(&handed->records, iova->pfn_lo) == iova)
		io_free_range(handed, iova);
}

struct iova *io_find_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct io_handed *handed = io_handed(iovad);

	if (!handed)
		return io_stock.find(iovad, pfn);
	return io_record_find(&handed->records, pfn);
}

/* Stays until the domain goes: its record is freed with the domain. */
struct iova *io_reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo,
			     unsigned long pfn_hi)
{
	struct io_handed *handed = io_handed(iovad);
	struct iova *iova;
	unsigned long flags;
	u64 begin;
	int err;

	if (!handed)
		return io_stock.reserve(iovad, pfn_lo, pfn_hi);
	iova = io_record_new(GFP_ATOMIC);
	if (!iova)
		return NULL;
	local_irq_save(flags);
	begin = io_now();
	err = io_unit->reserve(handed->domain, pfn_lo, pfn_hi);
	io_account(IO_RESERVE, pfn_hi - pfn_lo + 1, io_now() - begin, err);
	if (!err)
		io_record(IO_ROW_RESERVE, handed->dom, pfn_lo,
			  pfn_hi - pfn_lo + 1, 0, 0);
	local_irq_restore(flags);
	if (err) {
		io_record_delete(iova);
		return NULL;
	}
	io_record_keep(&handed->records, iova, pfn_lo, pfn_hi);
	return iova;
}

/* ---- domains ---- */

/* NULL where there is no memory, and for stock. */
static struct io_handed *io_hand_over(unsigned long granule,
				      unsigned long start_pfn, u16 dom)
{
	struct io_handed *handed;

	if (!io_unit)
		return NULL;
	handed = kzalloc(sizeof(*handed), GFP_KERNEL);
	if (!handed)
		return NULL;
	handed->dom = dom;
	io_records_init(&handed->records);
	handed->nr_fast = alloc_percpu(long);
	if (handed->nr_fast)
		handed->domain = io_unit->new(granule, start_pfn, dom);
	if (handed->domain)
		return handed;
	pr_warn("iova_io: no memory: a domain stays the kernel's\n");
	free_percpu(handed->nr_fast);
	kfree(handed);
	return NULL;
}

void io_init_iova_domain(struct iova_domain *iovad, unsigned long granule,
			 unsigned long start_pfn)
{
	struct io_header *header = io_header();
	struct io_handed *handed;

	io_stock.init(iovad, granule, start_pfn);
	handed = io_hand_over(granule, start_pfn, header->nr_domains);
	if (handed) {
		iovad->anchor.pfn_lo = (unsigned long)handed;
		iovad->anchor.pfn_hi = IO_OURS;
	}
	if (!header->nr_domains++) {
		header->granule = granule;
		header->start_pfn = start_pfn;
		io_first = iovad;
	}
}

int io_iova_domain_init_rcaches(struct iova_domain *iovad)
{
	struct io_handed *handed = io_handed(iovad);

	if (!handed)
		return io_stock.init_rcaches(iovad);
	return io_unit->use_caches(handed->domain);
}

static long io_nr_fast(const struct io_handed *handed)
{
	unsigned int cpu;
	long nr = 0;

	for_each_possible_cpu(cpu)
		nr += *per_cpu_ptr(handed->nr_fast, cpu);
	return nr;
}

void io_put_iova_domain(struct iova_domain *iovad)
{
	struct io_handed *handed = io_handed(iovad);
	struct io_header *header = io_header();
	long nr_fast;
	u64 nr_left;

	if (iovad == io_first)
		io_first = NULL;
	if (!handed) {
		io_stock.put(iovad);
		return;
	}
	nr_left = io_unit->delete(handed->domain) -
		  io_records_exit(&handed->records);
	if (nr_left)
		pr_notice("iova_io: domain %u ends with %lld live ranges\n",
			  handed->dom, (s64)nr_left);
	nr_fast = io_nr_fast(handed);
	if (nr_fast)
		pr_notice(
			"iova_io: domain %u: %ld more ranges of the fast API were allocated than freed\n",
			handed->dom, nr_fast);
	header->nr_left += nr_left;
	header->nr_put++;
	free_percpu(handed->nr_fast);
	kfree(handed);
	/* As the kernel made it, an empty tree: what it would give back. */
	iovad->anchor.pfn_lo = iovad->anchor.pfn_hi = ~0UL;
	io_stock.put(iovad);
}

/* ---- past the caches, for others who hold ranges ---- */

void *io_crowd_take(struct iova_domain *iovad, bool high)
{
	struct io_handed *handed = io_handed(iovad);
	unsigned long pfn,
		limit_pfn = high ? io_first_limit : iovad->dma_32bit_pfn - 1;

	if (!handed)
		return io_stock.alloc(iovad, 1, limit_pfn, true);
	pfn = io_unit->alloc(handed->domain, 1, limit_pfn, true);
	return pfn == IO_REFUSED ? NULL : (void *)pfn;
}

void io_crowd_give(struct iova_domain *iovad, void *held)
{
	struct io_handed *handed = io_handed(iovad);

	if (handed)
		io_unit->free(handed->domain, (unsigned long)held, 1);
	else
		io_stock.free_struct(iovad, held);
}
