// SPDX-License-Identifier: GPL-2.0-only
/*
 * shim - the user-space kernel API, laid open to test_shim.py.
 *
 * A tree of numbered nodes, driven from Python; after every change check_tree()
 * holds shape, colours and subtree maxima against a walk over everything.
 */
#include <pthread.h>
#include <stdlib.h>

#include <linux/kernel.h>
#include <linux/rbtree_augmented.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

struct item {
	struct rb_node node;
	unsigned long key, weight;
	unsigned long most;		/* by RB_DECLARE_CALLBACKS_MAX */
	unsigned long sum;		/* by RB_DECLARE_CALLBACKS */
};

enum kind { PLAIN, MAX, SUM };

#define entry(ptr)	rb_entry_safe(ptr, struct item, node)
#define own_weight(it)	((it)->weight)

RB_DECLARE_CALLBACKS_MAX(static, max_callbacks, struct item, node,
			 unsigned long, most, own_weight)

static bool compute_sum(struct item *item, bool exit)
{
	struct item *left = entry(item->node.rb_left);
	struct item *right = entry(item->node.rb_right);
	unsigned long sum = item->weight + (left ? left->sum : 0) +
			    (right ? right->sum : 0);

	if (exit && item->sum == sum)
		return true;
	item->sum = sum;
	return false;
}

RB_DECLARE_CALLBACKS(static, sum_callbacks, struct item, node, sum, compute_sum)

static struct rb_root root;
static struct item items[4096];

void tree_reset(void)
{
	root = RB_ROOT;
}

static const struct rb_augment_callbacks *callbacks(enum kind kind)
{
	return kind == MAX ? &max_callbacks : &sum_callbacks;
}

void tree_insert(enum kind kind, unsigned int nr, unsigned long key,
		 unsigned long weight)
{
	struct item *item = &items[nr], *at = NULL;
	struct rb_node **link = &root.rb_node;

	*item = (struct item) {
		.key = key, .weight = weight, .most = weight, .sum = weight,
	};
	while (*link) {
		at = entry(*link);
		if (kind == MAX && at->most < weight)
			at->most = weight;
		if (kind == SUM)
			at->sum += weight;
		link = key < at->key ? &at->node.rb_left : &at->node.rb_right;
	}
	rb_link_node(&item->node, at ? &at->node : NULL, link);
	if (kind == PLAIN)
		rb_insert_color(&item->node, &root);
	else
		rb_insert_augmented(&item->node, &root, callbacks(kind));
}

void tree_erase(enum kind kind, unsigned int nr)
{
	if (kind == PLAIN)
		rb_erase(&items[nr].node, &root);
	else
		rb_erase_augmented(&items[nr].node, &root, callbacks(kind));
	RB_CLEAR_NODE(&items[nr].node);
}

void tree_replace(unsigned int nr, unsigned int new_nr)
{
	items[new_nr] = items[nr];
	rb_replace_node(&items[nr].node, &items[new_nr].node, &root);
	RB_CLEAR_NODE(&items[nr].node);
}

bool tree_is_outside(unsigned int nr)
{
	return RB_EMPTY_NODE(&items[nr].node);
}

/* Keys in an order: 0 up, 1 down, 2 postorder; returns how many. */
unsigned int tree_walk(int order, unsigned long *keys)
{
	struct rb_node *node;
	struct item *pos, *next;
	unsigned int nr = 0;

	if (order == 0)
		for (node = rb_first(&root); node; node = rb_next(node))
			keys[nr++] = entry(node)->key;
	if (order == 1)
		for (node = rb_last(&root); node; node = rb_prev(node))
			keys[nr++] = entry(node)->key;
	if (order == 2)
		rbtree_postorder_for_each_entry_safe(pos, next, &root, node)
			keys[nr++] = pos->key;
	return nr;
}

static unsigned int postorder(struct rb_node *node, unsigned long *keys,
			      unsigned int nr)
{
	if (!node)
		return nr;
	nr = postorder(node->rb_left, keys, nr);
	nr = postorder(node->rb_right, keys, nr);
	keys[nr++] = entry(node)->key;
	return nr;
}

/* The same as order 2, by the textbook. */
unsigned int tree_postorder(unsigned long *keys)
{
	return postorder(root.rb_node, keys, 0);
}

/* Black nodes on every path down from @node, -1 if something is wrong. */
static int check(enum kind kind, struct rb_node *node, struct rb_node *parent,
		 unsigned long *most, unsigned long *sum)
{
	unsigned long left_most = 0, right_most = 0, left_sum = 0, right_sum = 0;
	int left, right;

	*most = *sum = 0;
	if (!node)
		return 0;
	left = check(kind, node->rb_left, node, &left_most, &left_sum);
	right = check(kind, node->rb_right, node, &right_most, &right_sum);
	*most = max(entry(node)->weight, max(left_most, right_most));
	*sum = entry(node)->weight + left_sum + right_sum;
	if (left < 0 || left != right || rb_parent(node) != parent)
		return -1;
	if (rb_is_red(node) && (!parent || rb_is_red(parent)))
		return -1;
	if (kind == MAX && entry(node)->most != *most)
		return -1;
	if (kind == SUM && entry(node)->sum != *sum)
		return -1;
	return left + rb_is_black(node);
}

int tree_check(enum kind kind)
{
	unsigned long most, sum;

	return check(kind, root.rb_node, NULL, &most, &sum);
}

/* Distance in bytes between objects of one cache. */
long object_stride(unsigned int size, unsigned int align, unsigned int flags)
{
	struct kmem_cache *cache = kmem_cache_create("test", size, align, flags,
						     NULL);
	char *one = kmem_cache_alloc(cache, GFP_KERNEL);
	char *two = kmem_cache_alloc(cache, GFP_KERNEL);
	long stride = two - one;

	kmem_cache_free(cache, two);
	kmem_cache_free(cache, one);
	kmem_cache_destroy(cache);
	return stride;
}

/* Bytes accounted for @nr objects, and after they are freed and destroyed. */
void slab_bytes(unsigned int size, unsigned int nr, u64 *bytes)
{
	struct kmem_cache *cache = kmem_cache_create("test", size, 0, 0, NULL);
	void **objects = calloc(nr + 1, sizeof(*objects));
	u64 before = shim_memory.bytes, nr_before = shim_memory.nr_objects;
	unsigned int i;

	for (i = 0; i < nr; i++)
		objects[i] = kmem_cache_alloc(cache, GFP_KERNEL);
	bytes[0] = shim_memory.bytes - before;
	bytes[1] = shim_memory.nr_objects - nr_before;
	for (i = 0; i < nr; i++)
		kmem_cache_free(cache, objects[i]);
	bytes[2] = shim_memory.nr_objects - nr_before;
	bytes[3] = kmem_cache_alloc(cache, GFP_KERNEL) == objects[nr - 1];
	kmem_cache_destroy(cache);
	bytes[4] = shim_memory.bytes - before;
	bytes[5] = shim_memory.nr_objects - nr_before;
	free(objects);
}

/* Do objects that were dirty come back zeroed when that is asked for? */
bool zalloc_clears(void)
{
	struct kmem_cache *cache = kmem_cache_create("test", 32, 0, 0, NULL);
	unsigned char *object = kmem_cache_alloc(cache, GFP_KERNEL);
	bool clear = true;
	int i;

	for (i = 0; i < 32; i++)
		object[i] = 0xaa;
	kmem_cache_free(cache, object);
	object = kmem_cache_zalloc(cache, GFP_KERNEL);
	for (i = 0; i < 32; i++)
		clear &= !object[i];
	kmem_cache_free(cache, object);
	kmem_cache_destroy(cache);
	return clear;
}

u64 kmalloc_bytes(size_t size)
{
	u64 before = shim_memory.bytes, bytes;
	void *block = kmalloc(size, GFP_KERNEL);

	bytes = shim_memory.bytes - before;
	kfree(block);
	kfree(NULL);
	return shim_memory.bytes == before ? bytes : ~0ULL;
}

/* name: 0 fls, 1 fls64, 2 __fls, 3 __ffs, 4 ilog2, 5 roundup, 6 rounddown, 7 is_power_of_2 */
unsigned long bit_op(int name, unsigned long x)
{
	switch (name) {
	case 0: return fls(x);
	case 1: return fls64(x);
	case 2: return __fls(x);
	case 3: return __ffs(x);
	case 4: return ilog2(x);
	case 5: return roundup_pow_of_two(x);
	case 6: return rounddown_pow_of_two(x);
	default: return is_power_of_2(x);
	}
}

static spinlock_t lock;
static unsigned long counter;

static void *count(void *rounds)
{
	unsigned long i, flags;

	for (i = 0; i < (unsigned long)rounds; i++) {
		spin_lock_irqsave(&lock, flags);
		/* Two accesses that the compiler may not join: a lost update shows. */
		WRITE_ONCE(counter, READ_ONCE(counter) + 1);
		spin_unlock_irqrestore(&lock, flags);
	}
	return NULL;
}

/* Count with @nr_threads threads under one lock. */
unsigned long count_together(unsigned int nr_threads, unsigned long rounds)
{
	pthread_t threads[16];
	unsigned int i;

	spin_lock_init(&lock);
	counter = 0;
	for (i = 0; i < nr_threads; i++)
		pthread_create(&threads[i], NULL, count, (void *)rounds);
	for (i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	return counter;
}
