/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * iova_variant.h - the contract between an IOVA allocator and the lab.
 *
 * A variant is one C file that includes this header, fills in one
 * struct iova_variant_ops with IOVA_VARIANT(), and is otherwise kernel code:
 * it uses <linux/...> headers only, and never asks which world it runs in.
 * The lab finds it by listing the folder; there is no list to edit.
 *
 * Locking.  alloc(), free() or free_sized(), reserve() and find() may be called
 * from any CPU at once, and where nothing may sleep: a variant does its own
 * locking, and takes and gives back memory outside its lock.  All other hooks are
 * called by one CPU while no other uses the domain.
 *
 * A variant has one of two profiles.
 *
 * It keeps ranges: it has a record of every live range, as the kernel has.
 * free() takes any address of the range, find() returns the bounds of one range,
 * and a range that was reserved can be freed.
 *
 * Or it is given the size (IOVA_V_FREE_NEEDS_SIZE): it keeps what is free only.
 * free_sized() takes the size that was asked for, as every dma_unmap knows it;
 * find() returns the bounds of everything in use around an address, and what was
 * reserved stays so.
 *
 * To begin one, `iova-lab new NAME` writes a variant of the first profile that
 * passes all checks: one list, or, with --flavour rbtree, the tree that
 * range_variant.h keeps.  hole_variant.h is a skeleton of the second profile.
 */
#ifndef IOVA_VARIANT_H
#define IOVA_VARIANT_H

#include <linux/types.h>

#define IOVA_VARIANT_ABI	1

/* What alloc() answers when it refuses.  0 stays a legal pfn. */
#define IOVA_REFUSED		(~0UL)

/*
 * Claims.  Complete and exact are claims, not promises of the contract: most
 * of the lineage has neither.  Tests hold a variant to what it claims.
 *
 * Neither implies the other.  Exact speaks of what is granted: whatever is
 * granted is the highest fit, so it is within limit and start as well; one that
 * refuses needlessly can be exact.  Complete speaks of refusals: whatever is
 * refused has no fit; one that takes a lower fit than the highest can be
 * complete.  Both together leave nothing to the variant.
 */
#define IOVA_V_COMPLETE		(1U << 0) /* never refuses while a fit exists */
#define IOVA_V_EXACT		(1U << 1) /* grants the highest fit only */
#define IOVA_V_FAKE		(1U << 2) /* no bookkeeping; floor of the harness */
#define IOVA_V_FREE_NEEDS_MEM	(1U << 3) /* free() may have to allocate */
/* Declared breaches: the answer may lie above the request's limit ... */
#define IOVA_V_ABOVE_LIMIT	(1U << 4)
/* ... or below start_pfn ... */
#define IOVA_V_BELOW_START	(1U << 5)
/* The second profile: free_sized() takes the place of free(). */
#define IOVA_V_FREE_NEEDS_SIZE	(1U << 6)
/*
 * [0, start_pfn - 1] is a live range from init_domain() on, if start_pfn is not
 * 0: find() returns it, free() frees it, and reserve() goes on above it.
 */
#define IOVA_V_LOW_RANGE	(1U << 7)
/* ... or be aligned to less than asked for, if it has 2^32 pfns or more ... */
#define IOVA_V_UNALIGNED	(1U << 8)
/* ... or never come: alloc() may loop for ever, with its lock held. */
#define IOVA_V_ENDLESS		(1U << 9)
/* reserve() merges the request and all ranges that it overlaps into one range */
#define IOVA_V_MERGES		(1U << 10)

/* The variant's own, defined in its C file; the harness sees only bytes. */
struct iova_domain;

/**
 * struct iova_variant_ops - what a variant offers
 * @abi_version: IOVA_VARIANT_ABI; set by IOVA_VARIANT()
 * @ops_size: sizeof(struct iova_variant_ops); set by IOVA_VARIANT()
 * @name: Required.  Stem of the C file
 * @summary: Required.  One line: structure and idea
 * @kernel_release: Required.  The releases it stands for, or "-"
 * @flags: IOVA_V_* claims; 0 for none
 * @domain_size: Required.  Bytes of struct iova_domain
 * @init_domain: Required.  Make zeroed memory an empty domain; 0 or a negative
 *	errno
 * @put_domain: Required.  Give back everything, live ranges included
 * @alloc: Required.  Take @size pfns that end at or below @limit_pfn; lowest pfn
 *	or IOVA_REFUSED.  If @size_aligned, the lowest pfn is a multiple of
 *	the next power of two >= @size.
 * @free: Required of a variant that keeps ranges, else NULL.  The live range that
 *	contains @pfn goes; if none does, nothing happens
 * @reserve: Required.  Make [@pfn_lo, @pfn_hi] unavailable, growing what it
 *	overlaps; 0 or a negative errno.  A variant that is given the size takes
 *	what is free there, for good: nothing grows, and it can't be freed.
 *	With IOVA_V_MERGES one range covers it and all that it overlaps
 * @find: Required.  True, and the bounds of the live range that contains @pfn.  A
 *	variant that is given the size: true if @pfn is not free, and the bounds
 *	of all that is in use around it; nothing below start_pfn is
 * @verify: Required.  NULL, or what is wrong with the structure; may be slow
 * @dump: Required.  Write up to @nr_words words that determine all future
 *	behaviour (structure, live ranges, caches); return how many there are
 * @place: Optional.  Insert the range at @pfn_lo exactly as an @alloc of the
 *	same request would, without searching.  Called only while free space
 *	below @limit_pfn is one gap whose top the range takes, so that every
 *	top-down search would have found that address: a variant with a linear
 *	search offers it so that ageing costs O(log n) an op.
 * @free_sized: Required of a variant that is given the size, else NULL.  The range
 *	goes that @alloc gave at @pfn for @size pfns; if any of it is free
 *	already, nothing happens
 *
 * @verify and @dump are not called in a kernel: variants that exist there only
 * leave them NULL.
 *
 * All sizes and addresses are in pfns of the domain's granule; @limit_pfn,
 * @pfn_lo and @pfn_hi are inclusive.  Addresses fit in 64 bits when shifted by
 * the granule, so @limit_pfn + 1 never wraps; a variant calls this exclusive
 * bound high.  Overlap, bounds and alignment are promises; a breach that the
 * original had too is declared by a flag, tested, and shown in reports.
 */
struct iova_variant_ops {
	u32 abi_version;
	u32 ops_size;
	const char *name;
	const char *summary;
	const char *kernel_release;
	u32 flags;
	u32 domain_size;

	int (*init_domain)(struct iova_domain *iovad, unsigned long granule,
			   unsigned long start_pfn);
	void (*put_domain)(struct iova_domain *iovad);
	unsigned long (*alloc)(struct iova_domain *iovad, unsigned long size,
			       unsigned long limit_pfn, bool size_aligned);
	void (*free)(struct iova_domain *iovad, unsigned long pfn);
	int (*reserve)(struct iova_domain *iovad, unsigned long pfn_lo,
		       unsigned long pfn_hi);
	bool (*find)(struct iova_domain *iovad, unsigned long pfn,
		     unsigned long *pfn_lo, unsigned long *pfn_hi);
	const char *(*verify)(struct iova_domain *iovad);
	size_t (*dump)(struct iova_domain *iovad, u64 *words, size_t nr_words);
	int (*place)(struct iova_domain *iovad, unsigned long pfn_lo,
		     unsigned long size, unsigned long limit_pfn);
	void (*free_sized)(struct iova_domain *iovad, unsigned long pfn,
			   unsigned long size);
};

/*
 * What an op visited; free in the timed build.
 *   iova_visit(search)	one gap was looked at, or one node on the way to it
 *   iova_visit(descend)	one node was passed on the way down to insert or look up
 *   iova_visit(update)	what is kept in one other node was recomputed
 */
struct iova_visits {
	u64 search;
	u64 descend;
	u64 update;
};

#ifdef IOVA_COUNTED
extern struct iova_visits iova_visits;
/* How many more the op under way may make; then the harness takes over. */
extern u64 iova_visits_left;
void iova_visits_spent(void) __attribute__((__noreturn__));
#define iova_visit(kind) do {			\
	iova_visits.kind++;			\
	if (!iova_visits_left--)		\
		iova_visits_spent();		\
} while (0)
#else
#define iova_visit(kind)	do { } while (0)
#endif

/*
 * A skeleton header (range_variant.h, hole_variant.h) does what its variants do
 * alike, and calls hooks for the rest: functions that the variant defines, and
 * whose names begin with its own, so that a profile tells them apart.  A variant
 * foo defines IOVA_HOOK(name) as foo_##name before it includes the skeleton.
 * Without that, hooks have their bare names.
 */
#ifndef IOVA_HOOK
#define IOVA_HOOK(name)		name
#endif

/* The registration: every variant file ends in one of these. */
extern const struct iova_variant_ops iova_variant;

#define IOVA_VARIANT(...)						\
	const struct iova_variant_ops iova_variant = {			\
		.abi_version = IOVA_VARIANT_ABI,			\
		.ops_size = sizeof(struct iova_variant_ops),		\
		__VA_ARGS__						\
	}

#endif
