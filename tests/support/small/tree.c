/* An allocator for tests. */
#include <linux/iova.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/bitops.h>
#include <linux/cpu.h>

static struct kmem_cache *cache;
static unsigned int nr_users;
static DEFINE_MUTEX(users_lock);

static struct iova *to_iova(struct rb_node *node)
{
	return rb_entry(node, struct iova, node);
}
${functions}
int iova_cache_get(void)
{
	mutex_lock(&users_lock);
	if (!nr_users) {
		cache = kmem_cache_create("iova", sizeof(struct iova), 0, SLAB_HWCACHE_ALIGN, NULL);
		if (!cache)
			return -ENOMEM;
	}
	${get_cache}
	nr_users++;
	mutex_unlock(&users_lock);
	return 0;
}
EXPORT_SYMBOL_GPL(iova_cache_get);

void iova_cache_put(void)
{
	if (WARN_ON(!nr_users))
		return;
	if (!--nr_users)
		kmem_cache_destroy(cache);
}
EXPORT_SYMBOL_GPL(iova_cache_put);

void init_iova_domain(struct iova_domain *iovad, unsigned long granule,
	unsigned long start_pfn${fourth})
{
	unsigned int cpu __maybe_unused, order __maybe_unused;

	BUG_ON(granule > PAGE_SIZE || !is_power_of_2(granule));
	spin_lock_init(&iovad->lock);
	iovad->rbroot = RB_ROOT;
	iovad->granule = granule;
	iovad->start_pfn = start_pfn;
	${init}
}
EXPORT_SYMBOL_GPL(init_iova_domain);

void put_iova_domain(struct iova_domain *iovad)
{
	struct iova *iova, *next;
	unsigned int cpu __maybe_unused, order __maybe_unused;

	${put}
	rbtree_postorder_for_each_entry_safe(iova, next, &iovad->rbroot, node)
		kmem_cache_free(cache, iova);
}
EXPORT_SYMBOL_GPL(put_iova_domain);

static struct iova *private_find_iova(struct iova_domain *iovad, unsigned long pfn)
{
	struct rb_node *node = iovad->rbroot.rb_node;

	assert_spin_locked(&iovad->lock);
	while (node) {
		struct iova *iova = to_iova(node);

		if (pfn < iova->pfn_lo)
			node = node->rb_left;
		else if (pfn > iova->pfn_hi)
			node = node->rb_right;
		else
			return iova;
	}
	return NULL;
}

static void iova_insert_rbtree(struct rb_root *root, struct iova *new)
{
	struct rb_node **link = &root->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = new->pfn_lo < to_iova(parent)->pfn_lo ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert_color(&new->node, root);
}

static bool highest_fit(struct iova_domain *iovad, unsigned long size, unsigned long high,
			unsigned long mask, struct iova *new)
{
	struct rb_node *node = rb_last(&iovad->rbroot);
	unsigned long low;

	for (;;) {
		low = node ? to_iova(node)->pfn_hi + 1 : iovad->start_pfn;
		new->pfn_lo = (high - size) & mask;
		new->pfn_hi = new->pfn_lo + size - 1;
		if (high >= size && new->pfn_lo >= max(low, iovad->start_pfn))
			return true;
		if (!node)
			return false;
		high = min(high, to_iova(node)->pfn_lo);
		node = rb_prev(node);
	}
}

struct iova *alloc_iova(struct iova_domain *iovad, unsigned long size, unsigned long limit_pfn,
			bool size_aligned)
{
	unsigned long mask = size_aligned ? ~0UL << fls_long(size - 1) : ~0UL, flags;
	struct iova *new = kmem_cache_zalloc(cache, GFP_ATOMIC | __GFP_NOWARN);
	bool found;

	if (!new)
		return NULL;
	spin_lock_irqsave(&iovad->lock, flags);
	found = highest_fit(iovad, size, limit_pfn + 1, mask, new);
	if (found)
		iova_insert_rbtree(&iovad->rbroot, new);
	spin_unlock_irqrestore(&iovad->lock, flags);
	if (found)
		return new;
	kmem_cache_free(cache, new);
	return NULL;
}
EXPORT_SYMBOL_GPL(alloc_iova);

${find_iova}
void free_iova(struct iova_domain *iovad, unsigned long pfn)
{
	unsigned long flags;
	struct iova *iova;

	spin_lock_irqsave(&iovad->lock, flags);
	iova = private_find_iova(iovad, pfn);
	if (iova) {
		rb_erase(&iova->node, &iovad->rbroot);
		iovad->nr_freed++;
	}
	spin_unlock_irqrestore(&iovad->lock, flags);
	if (iova)
		kmem_cache_free(cache, iova);
}
EXPORT_SYMBOL_GPL(free_iova);

struct iova *reserve_iova(struct iova_domain *iovad, unsigned long pfn_lo, unsigned long pfn_hi)
{
	struct iova *new = kmem_cache_zalloc(cache, GFP_ATOMIC), *iova = new;
	struct rb_node *node;
	unsigned long flags;

	if (!new)
		return NULL;
	spin_lock_irqsave(&iovad->lock, flags);
	for (node = rb_first(&iovad->rbroot); node; node = rb_next(node)) {
		iova = to_iova(node);
		if (pfn_lo > iova->pfn_hi || pfn_hi < iova->pfn_lo)
			continue;
		iova->pfn_lo = min(iova->pfn_lo, pfn_lo);
		if (pfn_hi <= iova->pfn_hi)
			goto covered;
		pfn_lo = iova->pfn_hi + 1;
	}
	new->pfn_lo = pfn_lo;
	new->pfn_hi = pfn_hi;
	iova_insert_rbtree(&iovad->rbroot, new);
	spin_unlock_irqrestore(&iovad->lock, flags);
	return new;
covered:
	spin_unlock_irqrestore(&iovad->lock, flags);
	kmem_cache_free(cache, new);
	return iova;
}
EXPORT_SYMBOL_GPL(reserve_iova);
MODULE_LICENSE("GPL");
