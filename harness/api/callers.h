/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * callers - what the drivers of v7.3 do with the API, and all of it at random.
 *
 * Written from what each file calls, and in which order; the sizes and places are
 * the drivers' where these matter.
 */
#ifndef CALLERS_H
#define CALLERS_H

/* Windows of a PCI host bridge, an MSI region, and a mask that grows. */
static void dma_iommu(struct api *t)
{
	unsigned long dac = ~0UL >> 16, pfn, high;

	CHECK(reserve_iova(t->iovad, 0, 0xfff));
	CHECK(reserve_iova(t->iovad, 0x1000, 0x1fff));
	CHECK(reserve_iova(t->iovad, 1UL << 28, ~0UL >> 12));
	CHECK(reserve_iova(t->iovad, 0xfee00, 0xfeeff));
	pfn = alloc_iova_fast(t->iovad, 16, 0xfffff, false);
	CHECK(pfn == 0xffff0);
	CHECK(!alloc_iova_fast(t->iovad, 1UL << 20, 0xfffff, false));
	high = alloc_iova_fast(t->iovad, 1UL << 20, dac, true);
	CHECK(high && high + (1UL << 20) <= 1UL << 28);
	free_iova_fast(t->iovad, pfn, 16);
	free_iova_fast(t->iovad, high, 1UL << 20);
	CHECK(alloc_iova_fast(t->iovad, 16, dac, true) == 0xffff0);
	CHECK(alloc_iova_fast(t->iovad, 1UL << 20, dac, true) == high);
}

/* 128 KiB and more than the rcache takes, as an NVMe disk has them. */
static void dma_iommu_link(struct api *t)
{
	unsigned long pfns[64], i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < 64; i++) {
			pfns[i] = alloc_iova_fast(t->iovad, 33 + i, 16000,
						  true);
			CHECK(pfns[i]);
			CHECK(api_claim(t, pfns[i], 33 + i, 16000));
		}
		for (i = 0; i < 64; i++) {
			api_disclaim(t, pfns[i], 33 + i);
			free_iova_fast(t->iovad, pfns[i], 33 + i);
		}
	}
	CHECK(alloc_iova(t->iovad, 16000, 16000, false));
}

/* A second domain beside the first, whose start is the first one's end. */
static void vdpa_user(struct api *t)
{
	struct iova_domain *other = kzalloc(sizeof(*other), GFP_KERNEL);
	unsigned long stream, consistent = 0;

	CHECK(other);
	init_iova_domain(other, 4096, 1024);
	if (!iova_domain_init_rcaches(other)) {
		consistent = alloc_iova_fast(other, 4, 4095, true);
		free_iova_fast(other, consistent, 4);
		if (alloc_iova_fast(other, 3, 4095, true) != consistent)
			consistent = 0;
	}
	put_iova_domain(other);
	kfree(other);
	stream = alloc_iova_fast(t->iovad, 1, 1023, true);
	CHECK(stream == 1023 && consistent == 4092);
	free_iova_fast(t->iovad, stream, 1);
}

/* start_pfn 0; what was reserved is freed first. */
static void tegra_vde(struct api *t)
{
	unsigned long last = 0xffffffffUL >> 12;
	struct iova *traps, *page, *iova;

	traps = reserve_iova(t->iovad, 0x60000000 >> 12, 0x70000000 >> 12);
	page = reserve_iova(t->iovad, last, last + 1);
	CHECK(traps && page && iova_size(page) == 2);
	iova = alloc_iova(t->iovad, 16, last, true);
	CHECK(iova && iova->pfn_hi < last);
	__free_iova(t->iovad, iova);
	__free_iova(t->iovad, page);
	__free_iova(t->iovad, traps);
	iova = alloc_iova(t->iovad, last + 2, last + 1, true);
	CHECK(!iova);
	iova = alloc_iova(t->iovad, last, last, false);
	CHECK(iova && iova->pfn_lo == 1);
}

/* The size is the driver's, the range is found again by its address. */
static void tegra_drm(struct api *t)
{
	struct iova *first = alloc_iova(t->iovad, 12, 1023, true);
	struct iova *second = alloc_iova(t->iovad, 12, 1023, true);
	dma_addr_t dma;

	CHECK(first && second && first->pfn_lo == 1008);
	CHECK(second->pfn_lo == 992);
	dma = iova_dma_addr(t->iovad, first);
	free_iova(t->iovad, iova_pfn(t->iovad, dma));
	CHECK(!find_iova(t->iovad, 1008));
	CHECK(find_iova(t->iovad, 1003) == second);
}

/* Address 0 is a good one. */
static void host1x(struct api *t)
{
	struct iova_domain *zero = kzalloc(sizeof(*zero), GFP_KERNEL);
	unsigned int i, nr = 0;

	CHECK(zero);
	init_iova_domain(zero, 4096, 0);
	for (i = 0; i < 16; i++)
		nr += alloc_iova(zero, 1, 15, true) != NULL;
	if (!find_iova(zero, 0))
		nr = 0;
	free_iova(zero, 0);
	if (find_iova(zero, 0) || !alloc_iova(zero, 1, 0, true))
		nr = 0;
	put_iova_domain(zero);
	kfree(zero);
	CHECK(nr == 16);
}

/* Not aligned; found by the first pfn, and freed by what was found. */
static void ipu3(struct api *t)
{
	unsigned long limit = 8191, i;
	struct iova *iova;

	for (i = 1; i < 100; i++) {
		iova = alloc_iova(t->iovad, i, limit, 0);
		CHECK(iova && api_claim(t, iova->pfn_lo, i, limit));
		t->pfns[i] = iova->pfn_lo;
	}
	for (i = 1; i < 100; i++) {
		iova = find_iova(t->iovad, t->pfns[i]);
		CHECK(iova && iova_size(iova) == i);
		__free_iova(t->iovad, iova);
	}
	CHECK(alloc_iova(t->iovad, limit, limit, 0));
}

/* The domain is there before its user is, and goes after. */
static void ipu6(struct api *t)
{
	struct iova_domain *own = kzalloc(sizeof(*own), GFP_KERNEL);
	struct iova *trash, *found;
	int err;

	CHECK(own);
	init_iova_domain(own, 4096, 1);
	err = iova_cache_get();
	trash = alloc_iova(own, 2048, 0xfffff, 0);
	found = find_iova(own, 0xfffff);
	if (found)
		__free_iova(own, found);
	iova_cache_put();
	put_iova_domain(own);
	kfree(own);
	CHECK(!err && trash && found == trash);
}

/* A region is reserved as others allocate, and freed as what is found there. */
static void ipu7(struct api *t)
{
	unsigned long lo = 0x1000, hi = 0x1fff;
	struct iova *code = reserve_iova(t->iovad, lo, hi), *iova;

	CHECK(code && code->pfn_lo == lo && code->pfn_hi == hi);
	iova = alloc_iova(t->iovad, 0x800, hi, 0);
	CHECK(iova && iova->pfn_hi == lo - 1);
	CHECK(find_iova(t->iovad, lo) == code);
	__free_iova(t->iovad, code);
	__free_iova(t->iovad, iova);
	iova = alloc_iova(t->iovad, 0x800, hi, 0);
	CHECK(iova && iova->pfn_hi == hi);
}

/* Buffers of some MiB, aligned or not, freed by their address. */
static void amdxdna(struct api *t)
{
	struct iova *heap = alloc_iova(t->iovad, 8192, 16383, true);
	struct iova *buffer = alloc_iova(t->iovad, 300, 16383, false);
	dma_addr_t dma;

	CHECK(heap && buffer && heap->pfn_lo == 8192);
	CHECK(buffer->pfn_hi == 8191);
	CHECK(!alloc_iova(t->iovad, 8192, 16383, true));
	dma = iova_dma_addr(t->iovad, heap);
	free_iova(t->iovad, iova_pfn(t->iovad, dma));
	heap = alloc_iova(t->iovad, 8000, 16383, true);
	CHECK(heap && heap->pfn_lo == 8192);
	CHECK(find_iova(t->iovad, 8191) == buffer);
}

/* ---- all of it at random ---- */

#define NR_SLOTS	256

struct slot {
	unsigned long pfn, size;
	enum { NONE, SLOW, FAST_ONE, RESERVED } kind;
};

static bool slot_take(struct api *t, struct slot *slot, u32 *state)
{
	unsigned long size = 1 + api_random(state, 40), limit = 4095;
	bool aligned = api_random(state, 2);
	struct iova *iova = NULL;

	slot->kind = 1 + api_random(state, 3);
	/* Below the size, a cached range above the limit would do: v6.7 - v7.3. */
	if (!api_random(state, 4))
		limit = 64 + api_random(state, 4032);
	if (slot->kind == FAST_ONE) {
		slot->pfn = alloc_iova_fast(t->iovad, size, limit, aligned);
		if (size < 32)
			size = roundup_pow_of_two(size);
	} else if (slot->kind == SLOW) {
		iova = alloc_iova(t->iovad, size, limit, aligned);
	} else {
		/* Each slot has its place above what is allocated. */
		limit = 4096 + (slot->size % NR_SLOTS + 1) * 40 - 1;
		iova = reserve_iova(t->iovad, limit - size + 1, limit);
		if (!iova)
			return false;
	}
	if (slot->kind != FAST_ONE)
		slot->pfn = iova ? iova->pfn_lo : 0;
	if (!slot->pfn) {
		slot->kind = NONE;
		return true;
	}
	slot->size = size;
	t->nr++;
	return api_claim(t, slot->pfn, size, limit) &&
	       (!iova || iova_size(iova) == size);
}

static bool slot_free(struct api *t, struct slot *slot, u32 *state)
{
	unsigned long any = slot->pfn + api_random(state, slot->size);
	struct iova *iova;

	api_disclaim(t, slot->pfn, slot->size);
	if (slot->kind == FAST_ONE) {
		free_iova_fast(t->iovad, slot->pfn, slot->size);
	} else if (api_random(state, 2)) {
		free_iova(t->iovad, any);
	} else {
		iova = find_iova(t->iovad, any);
		if (!iova || iova->pfn_lo != slot->pfn)
			return false;
		__free_iova(t->iovad, iova);
	}
	slot->kind = NONE;
	return true;
}

static void random_calls(struct api *t)
{
	struct slot *slots = kcalloc(NR_SLOTS, sizeof(*slots), GFP_KERNEL);
	u32 state = 1, i, step;
	bool right = slots;

	for (step = 0; right && step < 20000; step++) {
		i = api_random(&state, NR_SLOTS);
		t->detail = step;
		if (slots[i].kind == NONE) {
			slots[i].size = i;
			right = slot_take(t, &slots[i], &state);
		} else {
			right = slot_free(t, &slots[i], &state);
		}
	}
	for (i = 0; right && i < NR_SLOTS; i++)
		if (slots[i].kind != NONE)
			right = slot_free(t, &slots[i], &state);
	kfree(slots);
	CHECK(right && t->nr > 5000);
	/* A flush, and all of the space is one hole again. */
	CHECK(!alloc_iova_fast(t->iovad, 8192, 4095, true));
	CHECK(alloc_iova(t->iovad, 4095, 4095, false));
}

/* Each CPU by itself, in one space; t->wrong is the first one's. */
static void one_cpu(void *data)
{
	struct api *t = data;
	unsigned long pfn, size;
	struct iova *iova;
	u32 state = 7, i;

	for (i = 0; i < 20000; i++) {
		size = 1 + api_random(&state, 33);
		pfn = alloc_iova_fast(t->iovad, size, 4095, true);
		iova = alloc_iova(t->iovad, size, 4095, true);
		CHECK(pfn && iova);
		CHECK(api_claim(t, pfn, size, 4095));
		CHECK(api_claim(t, iova->pfn_lo, size, 4095));
		CHECK(find_iova(t->iovad, iova->pfn_hi) == iova);
		api_disclaim(t, pfn, size);
		api_disclaim(t, iova->pfn_lo, size);
		__free_iova(t->iovad, iova);
		free_iova_fast(t->iovad, pfn, size);
	}
}

static void all_cpus(struct api *t)
{
	api_on_all_cpus(one_cpu, t);
}

/* ---- what no caller does ---- */

static void fast_range_is_found(struct api *t)
{
	unsigned long pfn = alloc_iova_fast(t->iovad, 4, 4095, true);
	struct iova *iova = find_iova(t->iovad, pfn + 1);

	CHECK(iova && iova->pfn_lo == pfn && iova_size(iova) == 4);
}

static void fast_range_freed_by_pfn(struct api *t)
{
	unsigned long pfn = alloc_iova_fast(t->iovad, 64, 127, true);

	CHECK(pfn == 64);
	free_iova(t->iovad, pfn + 1);
	CHECK(alloc_iova(t->iovad, 64, 127, true));
}

static void fast_range_freed_as_less(struct api *t)
{
	unsigned long pfn = alloc_iova_fast(t->iovad, 64, 127, true);

	CHECK(pfn == 64);
	free_iova_fast(t->iovad, pfn, 33);
	CHECK(alloc_iova(t->iovad, 64, 127, true));
}

static void fast_range_reserved_over(struct api *t)
{
	unsigned long pfn = alloc_iova_fast(t->iovad, 64, 127, true);

	CHECK(pfn == 64);
	CHECK(reserve_iova(t->iovad, 60, 130));
	free_iova_fast(t->iovad, pfn, 64);
	CHECK(alloc_iova(t->iovad, 64 + 4, 127, false));
}

static void slow_range_freed_fast(struct api *t)
{
	struct iova *iova = alloc_iova(t->iovad, 4, 127, true);

	CHECK(iova && iova->pfn_lo == 124);
	free_iova_fast(t->iovad, 124, 4);
	CHECK(alloc_iova_fast(t->iovad, 4, 127, true) == 124);
	free_iova_fast(t->iovad, 124, 4);
	CHECK(alloc_iova_fast(t->iovad, 64, 127, true) == 64);
	iova = find_iova(t->iovad, 124);
	CHECK(!iova || iova_size(iova) == 64);
}

#define AMDXDNA		"drivers/accel/amdxdna/amdxdna_iommu.c"
#define DMA_IOMMU	"drivers/iommu/dma-iommu.c"
#define VDPA		"drivers/vdpa/vdpa_user/iova_domain.c"
#define TEGRA_VDE	"drivers/media/platform/nvidia/tegra-vde/iommu.c"
#define TEGRA_DRM	"drivers/gpu/drm/tegra/drm.c"
#define HOST1X	\
	"drivers/gpu/host1x/dev.c drivers/gpu/host1x/job.c " \
	"drivers/gpu/host1x/cdma.c"
#define IPU3		"drivers/staging/media/ipu3/ipu3-dmamap.c"
#define IPU6	\
	"drivers/media/pci/intel/ipu6/ipu6-mmu.c " \
	"drivers/media/pci/intel/ipu6/ipu6-dma.c"
#define IPU7	\
	"drivers/staging/media/ipu7/ipu7-mmu.c " \
	"drivers/staging/media/ipu7/ipu7-dma.c"

#define CALLER_CASES							\
	FAST(dma_iommu, "reserve_iova alloc_iova_fast free_iova_fast",	\
	     DMA_IOMMU),						\
	FAST(dma_iommu_link, "alloc_iova_fast free_iova_fast", DMA_IOMMU), \
	FAST(vdpa_user, "init_iova_domain alloc_iova_fast", VDPA),	\
	CASE(tegra_vde, "reserve_iova __free_iova alloc_iova", TEGRA_VDE), \
	CASE(tegra_drm, "alloc_iova free_iova", TEGRA_DRM),		\
	CASE(host1x, "init_iova_domain alloc_iova free_iova", HOST1X),	\
	CASE(amdxdna, "alloc_iova free_iova", AMDXDNA),			\
	CASE(ipu3, "alloc_iova find_iova __free_iova", IPU3),		\
	CASE(ipu6, "iova_cache_get iova_cache_put put_iova_domain", IPU6), \
	CASE(ipu7, "reserve_iova find_iova __free_iova", IPU7),		\
	FAST(random_calls, "all", ""),					\
	FAST(all_cpus, "all", ""),					\
	FAST(fast_range_is_found, "find_iova", NULL),			\
	FAST(fast_range_freed_by_pfn, "free_iova", NULL),		\
	FAST(fast_range_freed_as_less, "free_iova_fast", NULL),		\
	FAST(fast_range_reserved_over, "reserve_iova", NULL),		\
	FAST(slow_range_freed_fast, "free_iova_fast", NULL),

#endif
