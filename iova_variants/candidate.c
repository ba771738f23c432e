// SPDX-License-Identifier: GPL-2.0-only
/*
 * candidate - the holes only, in a B+-tree that knows what fits below it.
 *
 * The lab's own.  What holes are kept where, and what is given up for it, is in
 * hole_variant.h.  Here: nodes of 512 bytes, highest hole first.  A branch keeps
 * the lowest pfn and the room of each child, so a search goes straight to the
 * highest hole with room: down to the one hole that the limit cuts, and if that
 * has no room, up to the first child behind that has, and down again.
 *
 * Cost in holes h, which are at most live ranges + 1: O(log h) nodes an op, for
 * every limit, size and alignment, refusals too.  A packed domain has two or
 * three holes, however many ranges live in it.
 *
 * Memory: 512 / 12 = 43 bytes per live range, see NODE_COVERS.
 *
 * Invariants, all under lock, beside those of hole_variant:
 *   - all leaves are on level 0; every node but the root is at least half full
 *   - a child's lowest pfn and its room are exact
 */
#define NODE_COVERS	12U

#include "hole_variant.h"

#define LEAF_HOLES	31U	/* 512 bytes in both cases */
#define BRANCH_CHILDREN	15U
#define TREE_LEVELS	12U	/* half full, that is 15 * 7^11 holes */

/*
 * Why one node is good for 12 live ranges: m holes are in m / 15 leaves at most,
 * under a seventh as many branches on each level, and a root.  Together that is
 * at most m / 15 * 7 / 6 + 1 < m / 12 + 1.
 */

struct child {
	struct node *node;
	unsigned long lo;
	struct room room;
};

struct node {
	unsigned int nr;
	union {
		struct hole hole[LEAF_HOLES];
		struct child child[BRANCH_CHILDREN];
	};
};

/* From the root, on level top, down: a node, and one of its items, per level. */
struct path {
	/* After descend(): where the hole in front begins, ~0 if none is. */
	unsigned long above_lo;
	/* Below this level, what is kept of a node may be more than right. */
	unsigned int split;
	struct {
		struct node *node;
		unsigned int slot;
	} at[TREE_LEVELS];
};

struct iova_domain {
	struct hole_domain domain;
	unsigned int top;	/* level of the root; a leaf is on level 0 */
	struct node *root;	/* never NULL */
};

/* ---- nodes: the items of leaves and branches are moved alike ---- */

static unsigned int node_most(unsigned int level)
{
	return level ? BRANCH_CHILDREN : LEAF_HOLES;
}

static void *node_item(struct node *node, unsigned int level, unsigned int slot)
{
	return level ? (void *)&node->child[slot] : (void *)&node->hole[slot];
}

/* @nr items from one place to another, which may overlap. */
static void move_items(struct node *to, unsigned int to_slot, struct node *from,
		       unsigned int slot, unsigned int nr, unsigned int level)
{
	memmove(node_item(to, level, to_slot), node_item(from, level, slot),
		nr * (level ? sizeof(struct child) : sizeof(struct hole)));
}

static void open_slot(struct node *node, unsigned int slot, unsigned int level)
{
	move_items(node, slot + 1, node, slot, node->nr - slot, level);
	node->nr++;
}

static void close_slot(struct node *node, unsigned int slot, unsigned int level)
{
	node->nr--;
	move_items(node, slot, node, slot + 1, node->nr - slot, level);
}

static unsigned long node_lowest(const struct node *node, unsigned int level)
{
	return level ? node->child[node->nr - 1].lo :
		       node->hole[node->nr - 1].lo;
}

static const struct room unbounded = { ~0UL, ~0UL };

/*
 * The most room of a node's items.  @bound is known to be no less, so the rest
 * need not be looked at when that is reached.
 */
static struct room node_room(const struct node *node, unsigned int level,
			     struct room bound)
{
	struct room most = { 0, 0 }, room;
	unsigned long lo, end;
	unsigned int i;

	for (i = 0; i < node->nr; i++) {
		if (level) {
			room = node->child[i].room;
		} else {
			lo = node->hole[i].lo;
			end = node->hole[i].end;
			room.anywhere = end - lo;
			room.aligned = most.aligned < end - lo ?
				       aligned_room(lo, end) : 0;
		}
		most.anywhere = max(most.anywhere, room.anywhere);
		most.aligned = max(most.aligned, room.aligned);
		if (most.anywhere >= bound.anywhere &&
		    most.aligned >= bound.aligned)
			break;
	}
	return most;
}

/* @child's node, on @level, has changed. */
static void child_renew(struct child *child, unsigned int level)
{
	iova_visit(update);
	child->lo = node_lowest(child->node, level);
	child->room = node_room(child->node, level, unbounded);
}

/* ---- changing the tree ---- */

/* A new root above the old one, of which it knows nothing yet. */
static void grow_root(struct iova_domain *iovad, struct path *path)
{
	struct node *root = spare_pop(&iovad->domain);

	iova_visit(update);
	root->nr = 1;
	root->child[0] = (struct child) { iovad->root, 0, unbounded };
	iovad->root = root;
	iovad->top++;
	path->at[iovad->top].node = root;
	path->at[iovad->top].slot = 0;
}

/*
 * The lower half of the path's full node on @level goes into a new one.  What
 * the parent keeps of the half that the path goes to is left to settle().
 */
static void split(struct iova_domain *iovad, struct path *path,
		  unsigned int level)
{
	unsigned int most = node_most(level), keep = (most + 1) / 2;
	struct node *node = path->at[level].node, *right;
	struct child *child;

	path->split = level + 1;
	if (level == iovad->top)
		grow_root(iovad, path);
	else if (path->at[level + 1].node->nr == BRANCH_CHILDREN)
		split(iovad, path, level + 1);

	right = spare_pop(&iovad->domain);
	move_items(right, 0, node, keep, most - keep, level);
	right->nr = most - keep;
	node->nr = keep;
	child = &path->at[level + 1].node->child[path->at[level + 1].slot];
	open_slot(path->at[level + 1].node, path->at[level + 1].slot, level + 1);
	child[1].node = right;
	if (path->at[level].slot < keep) {
		child_renew(&child[1], level);
		return;
	}
	child_renew(&child[0], level);
	path->at[level].slot -= keep;
	path->at[level].node = right;
	path->at[level + 1].slot++;
}

static struct hole *path_hole(const struct path *path)
{
	return &path->at[0].node->hole[path->at[0].slot];
}

/* A hole in front of the path's. */
static void insert(struct iova_domain *iovad, struct path *path,
		   struct hole hole)
{
	if (unlikely(path->at[0].node->nr == LEAF_HOLES))
		split(iovad, path, 0);
	open_slot(path->at[0].node, path->at[0].slot, 0);
	*path_hole(path) = hole;
}

/* Share the items of two neighbours on @level: all into the left, or half each. */
static bool join(struct node *left, struct node *right, unsigned int level)
{
	unsigned int nr = left->nr + right->nr, keep = nr;

	if (nr >= node_most(level))
		keep = (nr + 1) / 2;
	if (left->nr < keep) {
		move_items(left, left->nr, right, 0, keep - left->nr, level);
		move_items(right, 0, right, keep - left->nr, nr - keep, level);
	} else {
		move_items(right, left->nr - keep, right, 0, right->nr, level);
		move_items(right, 0, left, keep, left->nr - keep, level);
	}
	left->nr = keep;
	right->nr = nr - keep;
	return keep == nr;
}

/* The path's node on @level is too empty: join it with a neighbour. */
static void refill(struct iova_domain *iovad, struct path *path,
		   unsigned int level)
{
	struct node *parent = path->at[level + 1].node;
	unsigned int slot = path->at[level + 1].slot;
	struct child *left = &parent->child[slot ? slot - 1 : 0];
	struct node *right = left[1].node;

	if (join(left->node, right, level)) {
		close_slot(parent, left + 1 - parent->child, level + 1);
		iova_visit(update);
		spare_push(&iovad->domain, right);
	} else {
		child_renew(&left[1], level);
	}
	child_renew(left, level);
}

/* False if what a parent keeps of the path's node on @level stays as it was. */
static bool renew(struct path *path, unsigned int level, struct room grown)
{
	struct child *child = &path->at[level + 1].node->
			      child[path->at[level + 1].slot];
	unsigned long lo = node_lowest(child->node, level);
	struct room room = {
		max(grown.anywhere, child->room.anywhere),
		max(grown.aligned, child->room.aligned),
	};

	iova_visit(update);
	room = node_room(child->node, level, room);
	if (lo == child->lo && room.anywhere == child->room.anywhere &&
	    room.aligned == child->room.aligned)
		return false;
	child->lo = lo;
	child->room = room;
	return true;
}

/*
 * The path's leaf has changed; no hole got more room than it had, or than
 * @grown, if that is one.  The path is lost.
 */
static void settle(struct iova_domain *iovad, struct path *path,
		   struct hole grown)
{
	struct room room = { 0, 0 };
	struct node *root;
	unsigned int level;

	if (unlikely(iovad->top && grown.lo < grown.end))
		room = hole_room(grown);
	for (level = 0; level < iovad->top; level++) {
		if (path->at[level].node->nr < node_most(level) / 2)
			refill(iovad, path, level);
		else if (!renew(path, level, room) && level >= path->split)
			return;
	}
	root = iovad->root;
	if (iovad->top && root->nr == 1) {
		iovad->root = root->child[0].node;
		iovad->top--;
		iova_visit(update);
		spare_push(&iovad->domain, root);
		root = iovad->root;
	}
	iovad->domain.lowest = root->nr ? node_lowest(root, iovad->top) : ~0UL;
}

/* ---- looking ---- */

/* The first hole that begins at or below @pfn: they go down. */
static unsigned int leaf_slot(const struct node *leaf, unsigned long pfn)
{
	unsigned int slot = 0, behind = leaf->nr, middle;

	while (slot < behind) {
		middle = (slot + behind) / 2;
		if (leaf->hole[middle].lo > pfn)
			slot = middle + 1;
		else
			behind = middle;
	}
	return slot;
}

/* The first child that has such a hole; the last, if none has. */
static unsigned int branch_slot(const struct node *branch, unsigned long pfn)
{
	unsigned int slot = 0, last = branch->nr - 1;

	while (slot < last && branch->child[slot].lo > pfn)
		slot++;
	return slot;
}

/* To the highest hole that begins at or below @pfn, or behind the last. */
static void descend(const struct iova_domain *iovad, struct path *path,
		    unsigned long pfn)
{
	struct node *node = iovad->root;
	unsigned int level, slot;

	path->split = 0;
	path->above_lo = ~0UL;
	for (level = iovad->top; level; level--) {
		iova_visit(descend);
		slot = branch_slot(node, pfn);
		if (slot)
			path->above_lo = node->child[slot - 1].lo;
		path->at[level].node = node;
		path->at[level].slot = slot;
		node = node->child[slot].node;
	}
	iova_visit(descend);
	slot = leaf_slot(node, pfn);
	if (slot)
		path->above_lo = node->hole[slot - 1].lo;
	path->at[0].node = node;
	path->at[0].slot = slot;
}

/* To the hole in front of the path's, which there is. */
static void step_up(struct path *path)
{
	unsigned int level = 0;
	struct node *node;

	while (!path->at[level].slot)
		level++;
	path->at[level].slot--;
	while (level--) {
		iova_visit(descend);
		node = path->at[level + 1].node->
		       child[path->at[level + 1].slot].node;
		path->at[level].node = node;
		path->at[level].slot = node->nr - 1;
	}
}

/* From @slot on, the first hole that the request fits. */
static inline unsigned int fitting_hole(const struct node *leaf,
					unsigned int slot,
					const struct request *request,
					unsigned long *pfn_lo)
{
	while (slot < leaf->nr &&
	       !take_top(leaf->hole[slot].lo, leaf->hole[slot].end, request,
			 pfn_lo))
		slot++;
	return slot;
}

/* From @slot on, the first child with room. */
static unsigned int roomy_child(const struct node *branch, unsigned int slot,
				const struct request *request)
{
	while (slot < branch->nr &&
	       !has_room(&branch->child[slot].room, request))
		slot++;
	return slot;
}

/* From the path's child on @level, which has room and ends below the limit. */
static void search_down(struct path *path, unsigned int level,
			const struct request *request, unsigned long *pfn_lo)
{
	struct node *node;

	while (level--) {
		iova_visit(search);
		node = path->at[level + 1].node->
		       child[path->at[level + 1].slot].node;
		path->at[level].node = node;
		path->at[level].slot = level ?
				       roomy_child(node, 0, request) :
				       fitting_hole(node, 0, request, pfn_lo);
	}
}

/*
 * The highest fit, if the lowest hole begins below the limit.
 *
 * First to the hole that the limit cuts, if any: it alone may have less room
 * than is kept of it.  All behind that is wholly below the limit: there, the
 * first child with room, as deep down as there is one, has the answer.
 */
static bool search(const struct iova_domain *iovad, struct path *path,
		   const struct request *request, unsigned long *pfn_lo)
{
	unsigned int level, slot, behind, behind_slot = 0;
	struct node *node = iovad->root;

	path->split = 0;
	behind = 0;	/* level of that child's parent; no leaf: none */
	for (level = iovad->top; level; level--) {
		iova_visit(search);
		slot = branch_slot(node, request->limit - 1);
		path->at[level].node = node;
		path->at[level].slot = slot;
		slot = roomy_child(node, slot + 1, request);
		if (slot < node->nr) {
			behind = level;
			behind_slot = slot;
		}
		slot = path->at[level].slot;
		if (!has_room(&node->child[slot].room, request))
			break;
		node = node->child[slot].node;
	}
	if (!level) {
		iova_visit(search);
		slot = leaf_slot(node, request->limit - 1);
		path->at[0].node = node;
		path->at[0].slot = fitting_hole(node, slot, request, pfn_lo);
		if (path->at[0].slot < node->nr)
			return true;
	}
	if (!behind)
		return false;
	path->at[behind].slot = behind_slot;
	search_down(path, behind, request, pfn_lo);
	return true;
}

/* ---- taking and giving back ---- */

/*
 * Take [@lo, @end) out of the path's hole.
 *
 *	| what is left below |   taken   | what is left above |
 *	hole->lo             lo          end          hole->end
 */
static void take_out(struct iova_domain *iovad, struct path *path,
		     unsigned long lo, unsigned long end)
{
	struct hole *hole = path_hole(path);
	struct hole above = { end, hole->end };

	if (lo > hole->lo) {
		hole->end = lo;
		if (end < above.end)
			insert(iovad, path, above);
	} else if (end < above.end) {
		hole->lo = end;
	} else {
		close_slot(path->at[0].node, path->at[0].slot, 0);
	}
	/* A leaf that was split meanwhile knows nothing of what came after. */
	settle(iovad, path, above);
}

static noinline bool take_from_branches(struct iova_domain *iovad,
					const struct request *request,
					unsigned long *pfn_lo)
{
	struct path path;

	if (!search(iovad, &path, request, pfn_lo))
		return false;
	take_out(iovad, &path, *pfn_lo, *pfn_lo + request->size);
	return true;
}

static noinline void take_out_of_root(struct iova_domain *iovad,
				      unsigned int slot, unsigned long lo,
				      unsigned long end)
{
	struct path path = { .at = { { iovad->root, slot } } };

	take_out(iovad, &path, lo, end);
}

/* While the root is a leaf, there is nobody above who has to know. */
static bool tree_take(struct iova_domain *iovad, const struct request *request,
		      unsigned long *pfn_lo)
{
	struct node *root = iovad->root;
	unsigned int slot;
	unsigned long end;

	if (iovad->top)
		return take_from_branches(iovad, request, pfn_lo);
	iova_visit(search);
	slot = fitting_hole(root, leaf_slot(root, request->limit - 1), request,
			    pfn_lo);
	if (slot == root->nr)
		return false;
	end = *pfn_lo + request->size;
	if (*pfn_lo > root->hole[slot].lo && end == root->hole[slot].end)
		root->hole[slot].end = *pfn_lo;
	else
		take_out_of_root(iovad, slot, *pfn_lo, end);
	return true;
}

static void tree_take_out(struct iova_domain *iovad, unsigned long lo,
			  unsigned long end)
{
	struct path path;

	descend(iovad, &path, lo);
	take_out(iovad, &path, lo, end);
}

/* [@lo, @end) lies between the path's hole and the one in front, and joins both. */
static void join_both(struct iova_domain *iovad, struct path *path)
{
	struct hole *below = path_hole(path), grown;
	struct path above = *path;

	step_up(&above);
	below->end = path_hole(&above)->end;
	grown = *below;
	if (above.at[0].node != path->at[0].node)
		settle(iovad, path, grown);
	close_slot(above.at[0].node, above.at[0].slot, 0);
	settle(iovad, &above, grown);
}

static bool tree_give_back(struct iova_domain *iovad, unsigned long lo,
			   unsigned long end)
{
	struct hole *below = NULL;
	struct path path;

	descend(iovad, &path, lo);
	if (path.at[0].slot < path.at[0].node->nr)
		below = path_hole(&path);
	if (path.above_lo < end || (below && below->end > lo))
		return false;

	if (below && below->end == lo && path.above_lo == end) {
		join_both(iovad, &path);
		return true;
	}
	if (below && below->end == lo) {
		below->end = end;
	} else if (path.above_lo == end) {
		step_up(&path);
		path_hole(&path)->lo = lo;
	} else {
		insert(iovad, &path, (struct hole) { lo, end });
	}
	settle(iovad, &path, *path_hole(&path));
	return true;
}

static void tree_add_lowest(struct iova_domain *iovad, struct hole hole)
{
	struct path path;

	descend(iovad, &path, hole.lo);
	insert(iovad, &path, hole);
	settle(iovad, &path, hole);
}

static unsigned long tree_pop_lowest(struct iova_domain *iovad)
{
	unsigned long end;
	struct path path;

	descend(iovad, &path, iovad->domain.lowest);
	end = path_hole(&path)->end;
	close_slot(path.at[0].node, path.at[0].slot, 0);
	settle(iovad, &path, NO_HOLE);
	return end;
}

static void tree_around(struct iova_domain *iovad, unsigned long pfn,
			struct hole *below, unsigned long *above_lo)
{
	struct path path;

	descend(iovad, &path, pfn);
	*below = *path_hole(&path);
	*above_lo = path.above_lo;
}

/* ---- init, put, verify and dump: every node ---- */

static unsigned int tree_node_size(void)
{
	return sizeof(struct node);
}

static void tree_init(struct iova_domain *iovad)
{
	iovad->root = spare_pop(&iovad->domain);
	iovad->root->nr = 0;
}

static void put_nodes(struct iova_domain *iovad, struct node *node,
		      unsigned int level)
{
	unsigned int i;

	for (i = 0; level && i < node->nr; i++)
		put_nodes(iovad, node->child[i].node, level - 1);
	kmem_cache_free(iovad->domain.cache, node);
}

static void tree_put(struct iova_domain *iovad)
{
	put_nodes(iovad, iovad->root, iovad->top);
}

static const char *verify_node(const struct iova_domain *iovad,
			       struct hole_walk *walk, const struct node *node,
			       unsigned int level)
{
	const char *wrong = NULL;
	unsigned int i;

	walk->nr_nodes++;
	if (node->nr > node_most(level))
		return "a node is more than full";
	if (node != iovad->root && node->nr < node_most(level) / 2)
		return "a node is less than half full";
	if (level && node->nr < 2)
		return "the root has less than two children";
	for (i = 0; !wrong && i < node->nr; i++) {
		const struct child *child = &node->child[i];
		struct room room;

		if (!level) {
			wrong = hole_walk_on(walk, node->hole[i]);
			continue;
		}
		wrong = verify_node(iovad, walk, child->node, level - 1);
		room = node_room(child->node, level - 1, unbounded);
		if (!wrong && (child->lo != walk->end ||
			       child->room.anywhere != room.anywhere ||
			       child->room.aligned != room.aligned))
			wrong = "a branch errs about a child";
	}
	return wrong;
}

static const char *tree_verify(struct iova_domain *iovad,
			       struct hole_walk *walk)
{
	return verify_node(iovad, walk, iovad->root, iovad->top);
}

static void dump_node(struct hole_words *out, const struct node *node,
		      unsigned int level)
{
	unsigned int i;

	put_word(out, node->nr);
	for (i = 0; i < node->nr; i++) {
		if (level)
			dump_node(out, node->child[i].node, level - 1);
		else
			put_hole(out, node->hole[i]);
	}
}

static void tree_dump(struct iova_domain *iovad, struct hole_words *out)
{
	put_word(out, iovad->top);
	dump_node(out, iovad->root, iovad->top);
}

HOLE_VARIANT(
	.name		= "candidate",
	.summary	= "B+-tree of the holes only, with what fits below each node",
	.kernel_release	= "-",
);
