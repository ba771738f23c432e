// SPDX-License-Identifier: GPL-2.0-only
/*
 * conformance - does a file offer the kernel's IOVA API as its callers use it?
 *
 * Calls what <linux/iova.h> declares and nothing else; what it asks for holds for
 * the kernel's own allocator since v6.7, which finds no highest fit and refuses now
 * and then without need.  A case is one call, or what one caller does with several;
 * each gets a domain of its own: granule 4 KiB, start_pfn 1.
 *
 * Included behind a file in user space, and compiled in a module of a kernel;
 * world.h is what differs.
 */
#include "conformance.h"

/* ---- one call each ---- */

static void alloc_from_the_top(struct api *t)
{
	struct iova *first = alloc_iova(t->iovad, 1, 100, true);
	struct iova *second = alloc_iova(t->iovad, 1, 100, true);

	CHECK(first && first->pfn_lo == 100 && first->pfn_hi == 100);
	CHECK(second && second->pfn_lo == 99 && iova_size(second) == 1);
	CHECK(iova_dma_addr(t->iovad, first) == 100UL << 12);
	__free_iova(t->iovad, first);
	first = alloc_iova(t->iovad, 1, 100, true);
	CHECK(first && first->pfn_lo == 100);
}

static void alloc_alignment(struct api *t)
{
	struct iova *iova;
	unsigned long size;

	for (size = 1; size <= 70; size++) {
		iova = alloc_iova(t->iovad, size, 9999, true);
		CHECK(iova && iova_size(iova) == size);
		CHECK(!(iova->pfn_lo & (roundup_pow_of_two(size) - 1)));
		CHECK(api_claim(t, iova->pfn_lo, size, 9999));
	}
}

static void alloc_without_alignment(struct api *t)
{
	struct iova *first = alloc_iova(t->iovad, 3, 100, false);
	struct iova *second = alloc_iova(t->iovad, 5, 100, false);

	CHECK(first && first->pfn_lo == 98 && first->pfn_hi == 100);
	CHECK(second && second->pfn_lo == 93 && second->pfn_hi == 97);
}

static void alloc_limits(struct api *t)
{
	struct iova *iova = alloc_iova(t->iovad, 1, 1, true);

	CHECK(iova && iova->pfn_lo == 1);
	iova = alloc_iova(t->iovad, 1, ~0UL >> 12, true);
	CHECK(iova && iova->pfn_lo == ~0UL >> 12);
	CHECK(!alloc_iova(t->iovad, 8, 7, true));
	CHECK(!alloc_iova(t->iovad, 2, 1, false));
	CHECK(!alloc_iova(t->iovad, 1, 1, true));
	CHECK(!alloc_iova(t->iovad, 1, 0, true));
}

static void alloc_all_there_is(struct api *t)
{
	struct iova *all[64];
	unsigned int i;

	for (i = 0; i < 63; i++) {
		all[i] = alloc_iova(t->iovad, 1, 63, true);
		CHECK(all[i] && api_claim(t, all[i]->pfn_lo, 1, 63));
	}
	CHECK(!alloc_iova(t->iovad, 1, 63, true));
	__free_iova(t->iovad, all[20]);
	CHECK(!alloc_iova(t->iovad, 2, 63, true));
	all[20] = alloc_iova(t->iovad, 1, 63, true);
	CHECK(all[20]);
	for (i = 0; i < 63; i++)
		__free_iova(t->iovad, all[i]);
	CHECK(alloc_iova(t->iovad, 63, 63, false));
}

static void free_by_any_pfn(struct api *t)
{
	static const unsigned long offsets[] = { 0, 3, 7 };
	struct iova *iova;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		iova = alloc_iova(t->iovad, 8, 15, true);
		CHECK(iova && iova->pfn_lo == 8);
		CHECK(!alloc_iova(t->iovad, 8, 15, true));
		free_iova(t->iovad, 8 + offsets[i]);
	}
}

static void free_of_an_unknown_pfn(struct api *t)
{
	struct iova *iova = alloc_iova(t->iovad, 4, 103, true);

	CHECK(iova && iova->pfn_lo == 100);
	free_iova(t->iovad, 99);
	free_iova(t->iovad, 104);
	free_iova(t->iovad, 0);
	free_iova(t->iovad, ~0UL >> 12);
	CHECK(find_iova(t->iovad, 102) == iova);
	free_iova(t->iovad, 101);
	free_iova(t->iovad, 101);
	CHECK(!find_iova(t->iovad, 101));
}

static void find_by_any_pfn(struct api *t)
{
	struct iova *low = alloc_iova(t->iovad, 4, 103, true);
	struct iova *high = alloc_iova(t->iovad, 4, 1 << 21, true);
	unsigned long pfn;

	CHECK(low && high && low->pfn_lo == 100);
	for (pfn = 100; pfn <= 103; pfn++)
		CHECK(find_iova(t->iovad, pfn) == low);
	CHECK(find_iova(t->iovad, high->pfn_hi) == high);
	CHECK(!find_iova(t->iovad, 99) && !find_iova(t->iovad, 104));
	__free_iova(t->iovad, low);
	CHECK(!find_iova(t->iovad, 100) && find_iova(t->iovad, high->pfn_lo));
}

/* After the reserve, which pfns have which range: the last is the answer. */
static const struct {
	unsigned long there[2][2];
	unsigned long request[2];
	unsigned long after[4][2];
} reserves[] = {
	{ { { 0 } }, { 50, 60 }, { { 50, 60 } } },
	{ { { 50, 60 } }, { 50, 60 }, { { 50, 60 } } },
	{ { { 50, 60 } }, { 52, 55 }, { { 50, 60 } } },
	{ { { 50, 60 } }, { 55, 70 }, { { 50, 60 }, { 61, 70 } } },
	{ { { 50, 60 } }, { 40, 55 }, { { 40, 60 } } },
	{ { { 50, 60 } }, { 40, 70 }, { { 40, 60 }, { 61, 70 } } },
	{ { { 50, 60 } }, { 61, 70 }, { { 50, 60 }, { 61, 70 } } },
	{ { { 50, 60 } }, { 40, 49 }, { { 50, 60 }, { 40, 49 } } },
	{ { { 50, 54 }, { 58, 60 } },
	  { 55, 57 },
	  { { 50, 54 }, { 58, 60 }, { 55, 57 } } },
	{ { { 50, 52 }, { 60, 62 } }, { 51, 61 }, { { 50, 52 }, { 53, 62 } } },
	{ { { 50, 52 }, { 60, 62 } },
	  { 40, 70 },
	  { { 40, 52 }, { 53, 62 }, { 63, 70 } } },
	{ { { 0 } }, { 0, 10 }, { { 0, 10 } } },
	{ { { 5, 8 } }, { 0, 10 }, { { 0, 8 }, { 9, 10 } } },
	{ { { 0 } }, { 0, 0 }, { { 0, 0 } } },
	{ { { 0 } }, { 100, ~0UL >> 12 }, { { 100, ~0UL >> 12 } } },
};

static void reserve_overlaps(struct api *t)
{
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(reserves); i++) {
		struct iova *iova = NULL, *found;

		for (k = 0; k < 2 && reserves[i].there[k][1]; k++)
			CHECK(reserve_iova(t->iovad, reserves[i].there[k][0],
					   reserves[i].there[k][1]));
		iova = reserve_iova(t->iovad, reserves[i].request[0],
				    reserves[i].request[1]);
		CHECK(iova);
		for (k = 0; !k || (k < 4 && reserves[i].after[k][1]); k++) {
			t->detail = i;
			found = find_iova(t->iovad, reserves[i].after[k][0]);
			CHECK(found &&
			      found->pfn_lo == reserves[i].after[k][0] &&
			      found->pfn_hi == reserves[i].after[k][1]);
			CHECK(found == find_iova(t->iovad, found->pfn_hi));
		}
		CHECK(iova == found);
		while (k--)
			free_iova(t->iovad, reserves[i].after[k][1]);
		/* All of it is free again. */
		iova = alloc_iova(t->iovad, ~0UL >> 12, ~0UL >> 12, false);
		CHECK(iova);
		__free_iova(t->iovad, iova);
	}
}

static void reserve_keeps_out(struct api *t)
{
	unsigned long nr = 0;
	struct iova *iova;

	CHECK(reserve_iova(t->iovad, 40, 50));
	CHECK(reserve_iova(t->iovad, 45, 55));
	CHECK(api_claim(t, 40, 16, 63));
	while ((iova = alloc_iova(t->iovad, 1, 63, true))) {
		CHECK(api_claim(t, iova->pfn_lo, 1, 63));
		nr++;
	}
	CHECK(nr == 63 - 16);
}

/* Who owns the range frees what it has become. */
static void reserve_over_a_live_range(struct api *t)
{
	struct iova *iova = alloc_iova(t->iovad, 8, 103, true), *reserved;

	CHECK(iova && iova->pfn_lo == 96);
	reserved = reserve_iova(t->iovad, 90, 110);
	CHECK(reserved && reserved->pfn_lo == 104 && reserved->pfn_hi == 110);
	CHECK(iova->pfn_lo == 90 && iova->pfn_hi == 103);
	__free_iova(t->iovad, iova);
	iova = alloc_iova(t->iovad, 1, 110, true);
	CHECK(iova && iova->pfn_lo == 103);
	__free_iova(t->iovad, reserved);
	CHECK(!find_iova(t->iovad, 104));
}

static void fast_sizes(struct api *t)
{
	unsigned long size, pfn, taken;

	for (size = 1; size <= 70; size++) {
		pfn = alloc_iova_fast(t->iovad, size, 9999, true);
		taken = size < 32 ? roundup_pow_of_two(size) : size;
		CHECK(pfn && api_claim(t, pfn, taken, 9999));
		CHECK(!(pfn & (roundup_pow_of_two(size) - 1)));
	}
	CHECK(!alloc_iova_fast(t->iovad, 1, 0, true));
	CHECK(!alloc_iova_fast(t->iovad, 64, 63, true));
}

/* The last one freed comes first, and stays away from who has a lower limit. */
static void fast_cache(struct api *t)
{
	unsigned long low = alloc_iova_fast(t->iovad, 3, 4095, true);
	unsigned long high = alloc_iova_fast(t->iovad, 3, 1 << 22, true);

	CHECK(low && high > 4095);
	free_iova_fast(t->iovad, low, 3);
	free_iova_fast(t->iovad, high, 3);
	CHECK(alloc_iova_fast(t->iovad, 4, 4095, true) == low);
	CHECK(alloc_iova_fast(t->iovad, 3, 1 << 22, true) == high);
	CHECK(api_rcache_range_is(PAGE_SIZE * 32));
}

/* 33 pfns and more go to the tree at once. */
static void fast_large(struct api *t)
{
	unsigned long pfn = alloc_iova_fast(t->iovad, 33, 127, false);

	CHECK(pfn == 64);
	CHECK(!alloc_iova_fast(t->iovad, 33, 127, false));
	free_iova_fast(t->iovad, pfn, 33);
	CHECK(alloc_iova(t->iovad, 64, 127, true));
}

/* CPU and depot keep what they have, until a request flushes them. */
static void fast_flush(struct api *t)
{
	CHECK(api_fill(t, 1023) == 1023);
	api_free_all(t);
	CHECK(!alloc_iova_fast(t->iovad, 512, 1023, false));
	CHECK(alloc_iova_fast(t->iovad, 512, 1023, true) == 512);
	CHECK(alloc_iova(t->iovad, 511, 511, false));
}

static void fast_other_cpu(struct api *t)
{
	CHECK(api_fill(t, 63) == 63);
	api_on_cpu(1, api_free_all, t);
	CHECK(!alloc_iova_fast(t->iovad, 1, 63, false));
	CHECK(alloc_iova_fast(t->iovad, 1, 63, true));
}

/* A CPU that goes leaves nothing behind. */
static void cpu_hotplug(struct api *t)
{
	CHECK(api_fill(t, 63) == 63);
	api_on_cpu(1, api_free_all, t);
	CHECK(!alloc_iova_fast(t->iovad, 1, 63, false));
	CHECK(!api_cpu_down(1));
	t->nr = api_fill(t, 63);
	api_cpu_up(1);
	CHECK(t->nr == 63);
}

/* Magazines of 127: two are the CPU's, the others all CPUs'. */
static void fast_depot(struct api *t)
{
	CHECK(api_fill(t, 1016) == 1016);
	api_free_all(t);
	t->limit = 1016;
	api_on_cpu(1, api_fill_more, t);
	CHECK(t->nr == 1016 - 2 * 127);
}

/* Work frees magazines of a depot that has more of them than there are CPUs. */
static void fast_depot_trimmed(struct api *t)
{
	CHECK(api_fill(t, 1016) == 1016);
	api_free_all(t);
	api_let_work_run(10);
	t->nr = 0;
	while (alloc_iova(t->iovad, 1, 1016, true))
		t->nr++;
	CHECK(t->nr == (8 - 2 - API_NR_CPUS) * 127);
}

static void put_with_live_ranges(struct api *t)
{
	CHECK(reserve_iova(t->iovad, 2000, 3000));
	CHECK(alloc_iova(t->iovad, 5, 1999, true));
	CHECK(api_fill(t, 1016) == 1016);
	api_free_all(t);
	CHECK(alloc_iova_fast(t->iovad, 100, 1 << 22, true));
}

/* The last user goes, and another one comes. */
static void cache_users(struct api *t)
{
	CHECK(!iova_cache_get());
	iova_cache_put();
	iova_cache_put();
	CHECK(!iova_cache_get());
}

#include "callers.h"

static const struct api_case api_cases[] = {
	CASE(alloc_from_the_top, "alloc_iova __free_iova", ""),
	CASE(alloc_alignment, "alloc_iova", ""),
	CASE(alloc_without_alignment, "alloc_iova", ""),
	CASE(alloc_limits, "alloc_iova", ""),
	CASE(alloc_all_there_is, "alloc_iova __free_iova", ""),
	CASE(free_by_any_pfn, "free_iova", ""),
	CASE(free_of_an_unknown_pfn, "free_iova", ""),
	CASE(find_by_any_pfn, "find_iova", ""),
	CASE(reserve_overlaps, "reserve_iova find_iova free_iova", ""),
	CASE(reserve_keeps_out, "reserve_iova", ""),
	CASE(reserve_over_a_live_range, "reserve_iova __free_iova", ""),
	FAST(fast_sizes, "alloc_iova_fast", ""),
	FAST(fast_cache, "alloc_iova_fast free_iova_fast iova_rcache_range",
	     ""),
	FAST(fast_large, "alloc_iova_fast free_iova_fast", ""),
	FAST(fast_flush, "alloc_iova_fast free_iova_fast", ""),
	FAST(fast_other_cpu, "alloc_iova_fast free_iova_fast", ""),
	FAST(fast_depot, "alloc_iova_fast free_iova_fast", ""),
	FAST(fast_depot_trimmed, "free_iova_fast", ""),
	FAST(cpu_hotplug, "iova_domain_init_rcaches", ""),
	FAST(put_with_live_ranges, "put_iova_domain", ""),
	{ "cache_users", "iova_cache_get iova_cache_put", "", API_NO_DOMAIN,
	  cache_users },
	CALLER_CASES
};

/* ---- all of them ---- */

static void api_run_case(const struct api_case *one, struct api *t)
{
	unsigned long nr_left = api_nr_left();

	t->iovad = kzalloc(sizeof(*t->iovad), GFP_KERNEL);
	t->owned = kzalloc(API_NR_PFNS, GFP_KERNEL);
	t->pfns = kcalloc(API_NR_PFNS, sizeof(*t->pfns), GFP_KERNEL);
	CHECK(t->iovad && t->owned && t->pfns);
	if (one->domain != API_NO_DOMAIN)
		init_iova_domain(t->iovad, 4096, 1);
	if (one->domain == API_FAST)
		CHECK(!iova_domain_init_rcaches(t->iovad));
	one->run(t);
	if (one->domain != API_NO_DOMAIN)
		put_iova_domain(t->iovad);
	kfree(t->iovad);
	kfree(t->owned);
	kfree(t->pfns);
	CHECK(api_nr_left() == nr_left);
}

/* The host reads these lines: iova_lab/linux/conformance.py. */
static void api_report(const struct api_case *one)
{
	struct api t = { .iovad = NULL };

	api_print("iova_api: begins %s|%s|%s\n", one->name, one->calls,
		  one->callers ? one->callers : "-");
	api_run_case(one, &t);
	if (t.wrong)
		api_print("iova_api: fails line %u (%lu): %s\n", t.line,
			  t.detail, t.wrong);
	else
		api_print("iova_api: passes\n");
}

/*
 * From case number @first on: the host skips what brought a run down.  Another user
 * holds the cache, as dma-iommu.c does in a kernel.
 */
static int api_run(unsigned int first)
{
	unsigned int i;
	int err = iova_cache_get();

	if (err)
		return err;
	api_start();
	for (i = first; i < ARRAY_SIZE(api_cases); i++)
		api_report(&api_cases[i]);
	api_stop();
	iova_cache_put();
	api_print("iova_api: all done\n");
	return 0;
}
