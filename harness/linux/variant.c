// SPDX-License-Identifier: GPL-2.0-only
/*
 * variant - the kernel's own drivers/iommu/iova.c behind the lab's ops table.
 *
 * The text is included, as it is, by this unit, so its static functions can be
 * named.  It comes from a user's tree; iova_lab/linux writes, per tree, the file
 * that includes this one, and in it what differs between eras:
 *
 *	TEXT_NAME, TEXT_RELEASE		what the lab calls it, and its release
 *	TEXT_VERSION			the release as LINUX_VERSION_CODE has it
 *	TEXT_HAS_<name>			a function or a member that it has
 *	TEXT_HAS_rbtree			lib/rbtree.c comes from the tree as well
 *	TEXT_MAPLE			the domain's maple tree, if it has one
 *	TEXT_AUGMENTED			roles of the callbacks of an augmented tree
 *	TEXT_OWN_RCACHE			the harness's rcache is the text's own
 *
 * Costs one call per op on top of the text's own.  Ranges, locks and memory are
 * the text's; the domain is its struct iova_domain.  Nothing is claimed for it, but
 * what a maple tree forces on its text is declared.
 */
#include <linux/kernel.h>
#include <linux/rbtree_augmented.h>

#include "iova_variant.h"

#if defined(TEXT_HAS_rbtree) || defined(TEXT_MAPLE)
/* Another object file in the kernel: a call to it stays a call. */
#if defined(__has_attribute) && __has_attribute(__noipa__)
#define TEXT_CALLED	__attribute__((__noipa__))
#else
#define TEXT_CALLED	__attribute__((__noinline__))
#endif
#undef EXPORT_SYMBOL
#define EXPORT_SYMBOL(name)	extern __typeof__(name) name TEXT_CALLED
#endif
#ifdef TEXT_HAS_rbtree
#include "lib/rbtree.c"
#endif

#include "count.h"

#if defined(TEXT_MAPLE) && !defined(__KERNEL__)
#include "maple/tree.h"
#else
#define text_tree_get()		0
#define text_tree_put()		do { } while (0)
#define text_tree_forget()	do { } while (0)
#endif

#ifndef __KERNEL__
#undef EXPORT_SYMBOL
#define EXPORT_SYMBOL(name)	extern __typeof__(name) name
#endif

#include "drivers/iommu/iova.c"

#ifdef IOVA_COUNTED
static const char *text_verify(struct iova_domain *iovad);
static size_t text_dump(struct iova_domain *iovad, u64 *words, size_t nr_words);

static enum text_role text_role(const void *function)
{
	static const struct {
		const void *function;
		enum text_role role;
	} roles[] = {
		{ alloc_iova, TEXT_ALLOCATES },
#ifdef TEXT_HAS_to_iova
		{ to_iova, TEXT_PASSES },
#endif
#ifdef TEXT_HAS_private_find_iova
		{ private_find_iova, TEXT_DESCENDS },
#else
		{ find_iova, TEXT_DESCENDS },
#endif
#ifdef TEXT_HAS_iova_insert_rbtree
		{ iova_insert_rbtree, TEXT_DESCENDS },
#endif
#ifdef TEXT_HAS_remove_iova
		{ remove_iova, TEXT_FREES },
#endif
#ifdef TEXT_HAS_private_free_iova
		{ private_free_iova, TEXT_FREES },
#endif
#ifdef TEXT_HAS_tree_alloc
		{ tree_alloc, TEXT_ALLOCATES },
#endif
#ifdef TEXT_HAS_tree_free
		{ tree_free, TEXT_FREES },
#endif
#ifdef TEXT_HAS___cached_rbnode_delete_update
		{ __cached_rbnode_delete_update, TEXT_QUIET },
#endif
#ifdef TEXT_AUGMENTED
		TEXT_AUGMENTED
#endif
#ifdef TEXT_HAS___is_range_overlap
		{ __is_range_overlap, TEXT_QUIET },
#endif
#ifdef TEXT_MAPLE
		{ ma_slots, TEXT_SLOTS },
		{ ma_gaps, TEXT_GAPS },
		{ mas_empty_area, TEXT_FINDS_GAP },
		{ mas_empty_area_rev, TEXT_FINDS_GAP },
#endif
		{ text_verify, TEXT_QUIET },
		{ text_dump, TEXT_QUIET },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roles); i++)
		if (roles[i].function == function)
			return roles[i].role;
	return TEXT_SEARCHES;
}
#endif

/* ---- domains ---- */

static unsigned int text_nr_domains;

#ifdef __KERNEL__
#define text_forget_abandoned()		do { } while (0)
#define text_set_nr_cpus(nr, possible)	((void)(nr), (void)(possible))
#else
/*
 * After an op that did not return, the harness destroys the caches and never
 * touches its domains again: for the text these are still there.
 */
static void text_forget_abandoned(void)
{
	if (shim_memory.nr_caches)
		return;
	shim_work = NULL;
	shim_dead_first = NULL;
	text_tree_forget();
	for (; text_nr_domains; text_nr_domains--)
		iova_cache_put();
}

static void text_set_nr_cpus(unsigned int nr, unsigned int nr_possible)
{
	shim_nr_cpus = nr;
	shim_nr_possible = nr_possible;
}
#endif

typedef void (*text_init)(struct iova_domain *iovad, unsigned long granule,
			  unsigned long start_pfn);
/* Until v4.14, with the last pfn below 4 GiB. */
typedef void (*text_init_32bit)(struct iova_domain *iovad,
				unsigned long granule, unsigned long start_pfn,
				unsigned long pfn_32bit);

static void text_init_for(struct iova_domain *iovad, unsigned long granule,
			  unsigned long start_pfn, unsigned int nr_cpus,
			  unsigned int nr_possible)
{
	void *init = (void *)init_iova_domain;

	text_set_nr_cpus(nr_cpus, nr_possible);
	if (__builtin_types_compatible_p(__typeof__(&init_iova_domain),
					 text_init_32bit))
		((text_init_32bit)init)(iovad, granule, start_pfn,
					(u32)~0 >> ilog2(granule));
	else
		((text_init)init)(iovad, granule, start_pfn);
}

static int text_init_domain(struct iova_domain *iovad, unsigned long granule,
			    unsigned long start_pfn)
{
	int err;

	text_forget_abandoned();
	err = text_tree_get();
	if (err)
		return err;
	err = iova_cache_get();
	if (err) {
		text_tree_put();
		return err;
	}
	text_nr_domains++;
	text_init_for(iovad, granule, start_pfn, 1, 1);
	return 0;
}

static void text_put_domain(struct iova_domain *iovad)
{
	put_iova_domain(iovad);
	text_nr_domains--;
	iova_cache_put();
	text_tree_put();
}

/* ---- ops ---- */

static unsigned long text_alloc(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn, bool size_aligned)
{
	struct iova *iova;

	text_begin();
	iova = alloc_iova(iovad, size, limit_pfn, size_aligned);
	return likely(iova) ? iova->pfn_lo : IOVA_REFUSED;
}

static void text_free(struct iova_domain *iovad, unsigned long pfn)
{
	text_begin();
	free_iova(iovad, pfn);
}

static int text_reserve(struct iova_domain *iovad, unsigned long pfn_lo,
			unsigned long pfn_hi)
{
	text_begin();
	return reserve_iova(iovad, pfn_lo, pfn_hi) ? 0 : -ENOMEM;
}

static bool text_find(struct iova_domain *iovad, unsigned long pfn,
		      unsigned long *pfn_lo, unsigned long *pfn_hi)
{
	struct iova *iova;

	text_begin();
	iova = find_iova(iovad, pfn);
	if (iova) {
		*pfn_lo = iova->pfn_lo;
		*pfn_hi = iova->pfn_hi;
	}
	return iova;
}

#ifdef TEXT_OWN_RCACHE
#include "own_rcache.h"
#endif

/* ---- what the lab looks at, uncounted ---- */

struct text_words {
	u64 *words;
	size_t nr_room;
	size_t nr;
};

static void text_put_word(struct text_words *out, u64 word)
{
	if (out->nr < out->nr_room)
		out->words[out->nr] = word;
	out->nr++;
}

#ifdef TEXT_MAPLE
#include "maple/looks.h"
#else

static inline struct iova *text_iova(const struct rb_node *node)
{
	return (struct iova *)((char *)node - offsetof(struct iova, node));
}

static unsigned int text_blacks(const struct rb_node *node)
{
	unsigned int nr = 0;

	for (; node; node = rb_parent(node))
		nr += rb_is_black(node);
	return nr;
}

static const char *text_verify_tree(const struct rb_root *root)
{
	struct rb_node *node = (rb_first)(root), *next;
	unsigned int blacks = text_blacks(node);

	for (; node; node = next) {
		next = (rb_next)(node);
		if (text_iova(node)->pfn_lo > text_iova(node)->pfn_hi)
			return "a range ends before it starts";
		if (next && text_iova(next)->pfn_lo <= text_iova(node)->pfn_hi)
			return "two ranges overlap or are out of order";
		if (rb_is_red(node) && rb_is_red(rb_parent(node)))
			return "rbtree: a red node has a red parent";
		if ((!node->rb_left || !node->rb_right) &&
		    text_blacks(node) != blacks)
			return "rbtree: paths differ in black nodes";
	}
	return NULL;
}

static inline bool text_holds(const struct rb_root *root,
			      const struct rb_node *want)
{
	struct rb_node *node;

	for (node = (rb_first)(root); node; node = (rb_next)(node))
		if (node == want)
			return true;
	return !want;
}

static const char *text_verify(struct iova_domain *iovad)
{
	const struct rb_root *root = &iovad->rbroot;
	const char *wrong = text_verify_tree(root);

#ifdef TEXT_HAS_space_of
	if (!wrong)
		wrong = candidate.verify(&space_of(iovad)->holes);
#endif
#ifdef TEXT_HAS_cached_node
	if (!wrong && !text_holds(root, iovad->cached_node))
		wrong = "cached_node is not in the tree";
#endif
#ifdef TEXT_HAS_cached32_node
	if (!wrong && !text_holds(root, iovad->cached32_node))
		wrong = "cached32_node is not in the tree";
#endif
	return wrong;
}

/* A node is told by its range; all ones stand for none. */
static inline void text_put_node(struct text_words *out,
				 const struct rb_node *node)
{
	text_put_word(out, node ? text_iova(node)->pfn_lo : ~0UL);
	text_put_word(out, node ? text_iova(node)->pfn_hi : ~0UL);
}

/* As range_tree_dump() and the retellings have it: word by word the same. */
static size_t text_dump(struct iova_domain *iovad, u64 *words, size_t nr_words)
{
	struct text_words out = { words, nr_words, 0 };
	struct rb_node *node;

	for (node = rb_first_postorder(&iovad->rbroot); node;
	     node = rb_next_postorder(node)) {
		text_put_node(&out, node);
		text_put_word(&out, rb_color(node) | !!node->rb_left << 1 |
					    !!node->rb_right << 2);
	}
#ifdef TEXT_HAS_cached_node
	text_put_node(&out, iovad->cached_node);
#endif
#ifdef TEXT_HAS_cached32_node
	text_put_node(&out, iovad->cached32_node);
#endif
#ifdef TEXT_HAS_max32_alloc_size
	text_put_word(&out, iovad->max32_alloc_size);
#endif
#ifdef TEXT_HAS_space_of
	if (nr_words <= out.nr)
		words = NULL;
	out.nr += candidate.dump(&space_of(iovad)->holes,
				 words ? words + out.nr : NULL,
				 words ? nr_words - out.nr : 0);
#endif
	return out.nr;
}

#endif

/* It can't hold ranges that overlap, and what is freed is a store of nothing. */
#ifdef TEXT_MAPLE
#define TEXT_FLAGS	(IOVA_V_MERGES | IOVA_V_FREE_NEEDS_MEM)
#else
#define TEXT_FLAGS	0
#endif

IOVA_VARIANT(
	.name		= TEXT_NAME,
	.summary	= "the kernel's own drivers/iommu/iova.c",
	.kernel_release	= TEXT_RELEASE,
	.flags		= TEXT_FLAGS,
	.domain_size	= sizeof(struct iova_domain),
	.init_domain	= text_init_domain,
	.put_domain	= text_put_domain,
	.alloc		= text_alloc,
	.free		= text_free,
	.reserve	= text_reserve,
	.find		= text_find,
	.verify		= text_verify,
	.dump		= text_dump,
);
