/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * own_rcache - the file's own per-CPU caches in the place of harness/rcache*.c.
 *
 * Defines what rcache.h declares, by alloc_iova_fast() and free_iova_fast(); the
 * linker takes these functions and not the harness's.  The CPU is the one that
 * the op names, and delayed work runs when the stream's timer fires.  The judge
 * is given callers' ranges, not the tree's: what a cache holds counts as free.
 * All but the numbers of requests is counted in the counted build alone.
 */
#ifndef TEXT_OWN_RCACHE_H
#define TEXT_OWN_RCACHE_H

#include "rcache.h"

#ifndef IOVA_COUNTED
static const u64 text_nr_tree_allocs, text_nr_tree_frees;
static const bool text_counts;
#endif

static struct rcache *text_first_rcache;

typedef unsigned long (*text_alloc_fast)(struct iova_domain *iovad,
					 unsigned long size,
					 unsigned long limit_pfn,
					 bool flush_rcache);
/* Until v4.14; it always flushes. */
typedef unsigned long (*text_alloc_fast_flush)(struct iova_domain *iovad,
					       unsigned long size,
					       unsigned long limit_pfn);

static unsigned long text_fast(struct iova_domain *iovad, unsigned long size,
			       unsigned long limit_pfn, bool flush)
{
	void *fast = (void *)alloc_iova_fast;

	if (__builtin_types_compatible_p(__typeof__(&alloc_iova_fast),
					 text_alloc_fast_flush))
		return ((text_alloc_fast_flush)fast)(iovad, size, limit_pfn);
	return ((text_alloc_fast)fast)(iovad, size, limit_pfn, flush);
}

static inline unsigned int text_order(unsigned long size)
{
	return size - 1 < RCACHE_MAX_SIZE ? fls_long(size - 1) :
					    RCACHE_NR_ORDERS;
}

static inline u64 text_size(const struct iova_magazine *magazine)
{
	return magazine ? magazine->size : 0;
}

static u64 text_held(const struct iova_domain *iovad, unsigned int order)
{
	const struct iova_rcache *own = &iovad->rcaches[order];
	u64 nr = own->depot_size * IOVA_MAG_SIZE;
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		const struct iova_cpu_rcache *cache = per_cpu_ptr(
			own->cpu_rcaches, cpu);

		nr += text_size(cache->loaded) + text_size(cache->prev);
	}
	return nr;
}

static u64 text_held_pfns(const struct iova_domain *iovad)
{
	unsigned int order;
	u64 nr_pfns = 0;

	for (order = 0; order < RCACHE_NR_ORDERS; order++)
		nr_pfns += text_held(iovad, order) << order;
	return nr_pfns;
}

static u64 text_magazine_bytes(const struct iova_domain *iovad)
{
	unsigned int order, cpu;
	u64 nr = 0;

	for (order = 0; order < RCACHE_NR_ORDERS; order++) {
		const struct iova_rcache *own = &iovad->rcaches[order];

		nr += own->depot_size;
		for_each_possible_cpu(cpu) {
			const struct iova_cpu_rcache *cache = per_cpu_ptr(
				own->cpu_rcaches, cpu);

			nr += !!cache->loaded + !!cache->prev;
		}
	}
	return nr * kmalloc_size_roundup(sizeof(struct iova_magazine));
}

/* A ticket lock is its own count; only the counted build is sure to have one. */
#if defined(IOVA_COUNTED) && defined(TEXT_HAS_space_of)
#define text_nr_locks(iovad)	\
	(to_hole_domain(&space_of(iovad)->holes)->lock.next)
#elif defined(IOVA_COUNTED) && defined(TEXT_HAS_iova_rbtree_lock)
#define text_nr_locks(iovad)	((iovad)->iova_rbtree_lock.next)
#else
#define text_nr_locks(iovad)	((void)(iovad), 0U)
#endif

/* What an op did to the tree, and to what is held. */
struct text_effect {
	u64 nr_tree_allocs, nr_tree_frees, held_pfns, magazine_bytes;
	u64 nr_refused; /* requests for memory */
	u32 nr_locks;
};

static inline struct text_effect text_effect_begin(const struct rcache *rcache)
{
	if (!text_counts)
		return (struct text_effect){ 0 };
	text_begin();
	return (struct text_effect){
		text_nr_tree_allocs,
		text_nr_tree_frees,
		text_held_pfns(rcache->iovad),
		text_magazine_bytes(rcache->iovad),
		shim_memory.nr_refused,
		text_nr_locks(rcache->iovad),
	};
}

static inline struct text_effect text_effect_end(const struct rcache *rcache,
						 struct text_effect begin)
{
	struct rcache_stats *stats = rcache_stats_of(rcache->run);
	struct text_effect effect = { 0 };

	effect.nr_tree_allocs = text_nr_tree_allocs - begin.nr_tree_allocs;
	effect.nr_tree_frees = text_nr_tree_frees - begin.nr_tree_frees;
	if (!text_counts)
		return effect;
	stats->nr_tree_allocs += effect.nr_tree_allocs;
	stats->nr_tree_frees += effect.nr_tree_frees;
	stats->held_pfns += text_held_pfns(rcache->iovad) - begin.held_pfns;
	stats->peak_held_pfns = max(stats->peak_held_pfns, stats->held_pfns);
	stats->magazine_bytes += text_magazine_bytes(rcache->iovad) -
				 begin.magazine_bytes;
	stats->peak_magazine_bytes = max(stats->peak_magazine_bytes,
					 stats->magazine_bytes);
	effect.nr_refused = shim_memory.nr_refused - begin.nr_refused;
	effect.nr_locks = text_nr_locks(rcache->iovad) - begin.nr_locks;
	return effect;
}

/* Which of its locks is which, for the builds that time them. */
static void text_name_locks(struct iova_domain *iovad)
{
#ifdef IOVA_THREADED
	unsigned int order, cpu;

	for (order = 0; order < RCACHE_NR_ORDERS; order++) {
		struct iova_rcache *own = &iovad->rcaches[order];

		own->lock.class = LOCK_DEPOT;
		for_each_possible_cpu(cpu)
			per_cpu_ptr(own->cpu_rcaches, cpu)->lock.class =
				LOCK_CPU_CACHE;
	}
#endif
}

static void text_tell(const struct rcache *rcache, unsigned long size,
		      unsigned long limit_pfn, bool size_aligned,
		      unsigned long pfn)
{
	struct rcache_run *run = rcache->run;

	if (run->told)
		run->told(run->context, rcache->iovad, size, limit_pfn,
			  size_aligned, pfn);
}

/* Those that the domain begins with. */
static void text_count_magazines(const struct rcache *rcache)
{
	struct rcache_stats *stats = rcache_stats_of(rcache->run);

	stats->magazine_bytes += text_magazine_bytes(rcache->iovad);
	stats->peak_magazine_bytes = stats->magazine_bytes;
}

int rcache_init(struct rcache *rcache, struct iova_domain *iovad,
		struct rcache_run *run)
{
	memset(rcache, 0, sizeof(*rcache));
	rcache->iovad = iovad;
	rcache->run = run;
	if (!text_first_rcache)
		text_first_rcache = rcache;
#ifdef TEXT_HAS_iova_domain_init_rcaches
	int err;

	text_set_nr_cpus(run->config.nr_cpus, run->config.nr_possible);
	err = iova_domain_init_rcaches(iovad);
	if (err)
		return err;
	text_name_locks(iovad);
	text_count_magazines(rcache);
	return 0;
#else
	/* Until v5.17 they come with the domain, for the CPUs of that moment. */
	struct iova_domain old = *iovad;

	text_set_nr_cpus(1, 1);
	put_iova_domain(iovad);
#ifdef IOVA_THREADED
	this_cpu->init_class = LOCK_VARIANT;
#endif
	memset(iovad, 0, sizeof(*iovad));
	text_init_for(iovad, old.granule, old.start_pfn, run->config.nr_cpus,
		      run->config.nr_possible);
	text_name_locks(iovad);
	text_count_magazines(rcache);
	return 0;
#endif
}

void rcache_exit(struct rcache *rcache)
{
	text_first_rcache = NULL; /* put_domain() does the rest */
}

unsigned long rcache_alloc(struct rcache *rcache, unsigned int cpu,
			   unsigned long size, unsigned long limit_pfn)
{
	struct rcache_stats *stats = rcache_stats_of(rcache->run);
	struct text_effect effect = text_effect_begin(rcache);
	unsigned int order = text_order(size);
	unsigned long pfn;

	shim_cpu = cpu;
	/* Until v5.16 callers round up; since then the function does. */
	if (size < RCACHE_MAX_SIZE)
		size = roundup_pow_of_two(size);
	pfn = text_fast(rcache->iovad, size, limit_pfn,
			rcache->run->config.flush);
	stats->nr_allocs[order]++;
	effect = text_effect_end(rcache, effect);
	/* Each attempt that has memory takes the tree's lock once. */
	if (effect.nr_tree_allocs > 1) {
		stats->nr_flushes++;
		stats->nr_flush_locks += effect.nr_locks + effect.nr_refused -
					 effect.nr_tree_allocs;
	}
	if (text_counts && order < RCACHE_NR_ORDERS && !effect.nr_tree_allocs)
		stats->nr_hits[order]++;
	pfn = pfn ? pfn : IOVA_REFUSED; /* 0 is no address here */
	text_tell(rcache, size, limit_pfn, true, pfn);
	return pfn;
}

void rcache_free(struct rcache *rcache, unsigned int cpu, unsigned long pfn,
		 unsigned long size)
{
	struct rcache_stats *stats = rcache_stats_of(rcache->run);
	struct text_effect effect = text_effect_begin(rcache);

	shim_cpu = cpu;
	text_tell(rcache, 0, 0, false, pfn);
	free_iova_fast(rcache->iovad, pfn, size);
	effect = text_effect_end(rcache, effect);
	stats->nr_frees[text_order(size)]++;
	stats->nr_overflows += effect.nr_tree_frees / IOVA_MAG_SIZE;
}

unsigned long rcache_alloc_past(struct rcache *rcache, unsigned long size,
				unsigned long limit_pfn, bool size_aligned)
{
	struct text_effect effect = text_effect_begin(rcache);
	struct iova *iova;
	unsigned long pfn;

	iova = alloc_iova(rcache->iovad, size, limit_pfn, size_aligned);
	pfn = iova ? iova->pfn_lo : IOVA_REFUSED;
	text_effect_end(rcache, effect);
	rcache_stats_of(rcache->run)->nr_allocs[RCACHE_NR_ORDERS]++;
	text_tell(rcache, size, limit_pfn, size_aligned, pfn);
	return pfn;
}

void rcache_free_past(struct rcache *rcache, unsigned long pfn,
		      unsigned long size)
{
	struct text_effect effect = text_effect_begin(rcache);

	text_tell(rcache, 0, 0, false, pfn);
	free_iova(rcache->iovad, pfn);
	text_effect_end(rcache, effect);
	rcache_stats_of(rcache->run)->nr_frees[RCACHE_NR_ORDERS]++;
}

/* The harness asks for each domain in turn; work is not kept by domain. */
void rcache_tick(struct rcache *rcache)
{
	struct text_effect effect = text_effect_begin(rcache);

	if (rcache != text_first_rcache)
		return;
	shim_run_work();
	effect = text_effect_end(rcache, effect);
	rcache_stats_of(rcache->run)->nr_trims += effect.nr_tree_frees /
						  IOVA_MAG_SIZE;
}

void rcache_flush(struct rcache *rcache)
{
	unsigned int cpu;

	text_begin();
	for_each_online_cpu(cpu)
		free_cpu_cached_iovas(cpu, rcache->iovad);
#ifdef TEXT_HAS_free_global_cached_iovas
	free_global_cached_iovas(rcache->iovad);
#endif
}

u64 rcache_count(const struct rcache *rcache, u64 *nr_held)
{
	unsigned int order;

	for (order = 0; order < RCACHE_NR_ORDERS; order++)
		nr_held[order] += text_held(rcache->iovad, order);
	if (!text_counts)
		rcache_stats_of(rcache->run)->held_pfns += text_held_pfns(
			rcache->iovad);
	return text_magazine_bytes(rcache->iovad);
}

#endif
