/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * count - counts the nodes that the kernel's text visits, without touching it.
 *
 * Two things are seen of the text: each step along the tree, rb_prev() and its
 * kind, and each look at a node, container_of() and rb_entry(), which is the same.
 * Both are macros here.  What a look is for depends on the function that makes it,
 * so the counted build is compiled with -finstrument-functions, and a stack of the
 * functions under way is kept:
 *
 *	a lookup or an insertion	each look is one node passed: descend
 *	a look through a link		likewise: *link is where one is inserted
 *	of an augmented tree		each value recomputed is one node: update
 *	bookkeeping, see quiet below	nothing, nor in what it calls
 *	any other, with a step, or
 *	that calls one with a step	each step is one node: search
 *	any other, without a step	each look is one node: search
 *
 * Of a maple tree the functions by which lib/maple_tree.c itself reaches into a
 * node are seen:
 *
 *	a search for a gap		each ma_slots() is one node: search
 *	any other			each ma_slots() is one node: descend
 *					each ma_gaps() is one node: update
 *
 * So a linear search counts as the lab's variants count theirs, and a search that
 * descends, or a patch that adds a function, is counted as well.
 */
#ifndef TEXT_COUNT_H
#define TEXT_COUNT_H

#ifdef IOVA_COUNTED

#define TEXT_MOST_FRAMES	64
#define UNCOUNTED		__attribute__((__no_instrument_function__))

/* How often alloc_iova() was called, and a range left the tree. */
static u64 text_nr_tree_allocs, text_nr_tree_frees;
static const bool text_counts = true;

enum text_role {
	TEXT_SEARCHES,
	TEXT_ALLOCATES, /* likewise, and is counted itself */
	TEXT_FREES,
	TEXT_DESCENDS,
	TEXT_FINDS_GAP, /* in a maple tree, with all that it calls */
	TEXT_UPDATES, /* recomputes what is kept in one node */
	TEXT_QUIET, /* looks at nodes that it has at hand */
	TEXT_PASSES, /* to_iova(): the look is its caller's */
	TEXT_SLOTS, /* ma_slots() */
	TEXT_GAPS, /* ma_gaps() */
};

struct text_frame {
	enum text_role role;
	bool steps;
	u64 nr_looks;
};

static struct text_frame text_frames[TEXT_MOST_FRAMES];
static unsigned int text_depth;

/* Which functions the text has depends on its era; see variant.c. */
static UNCOUNTED enum text_role text_role(const void *function);

static inline UNCOUNTED struct text_frame *text_frame(void)
{
	unsigned int depth = min(text_depth, TEXT_MOST_FRAMES - 1U);

	while (depth && text_frames[depth].role == TEXT_PASSES)
		depth--;
	return &text_frames[depth];
}

/* An op begins; the one before may have been left by a long jump. */
static inline UNCOUNTED void text_begin(void)
{
	text_depth = 0;
	text_frames[0] = (struct text_frame){ .role = TEXT_SEARCHES };
}

static UNCOUNTED void text_look(bool through_link)
{
	struct text_frame *frame = text_frame();

	if (frame->role == TEXT_DESCENDS ||
	    (through_link && frame->role < TEXT_DESCENDS))
		iova_visit(descend);
	else if (frame->role < TEXT_DESCENDS && !frame->steps &&
		 ++frame->nr_looks > iova_visits_left)
		iova_visits_spent();
}

static UNCOUNTED void text_step(bool arrives)
{
	struct text_frame *frame = text_frame();

	frame->steps = true;
	if (frame->role < TEXT_UPDATES && arrives)
		iova_visit(search);
}

static inline UNCOUNTED void text_look_at_maple(enum text_role look,
						enum text_role caller)
{
	if (caller == TEXT_FINDS_GAP) {
		if (look == TEXT_SLOTS)
			iova_visit(search);
	} else if (caller < TEXT_UPDATES) {
		if (look == TEXT_SLOTS)
			iova_visit(descend);
		else
			iova_visit(update);
	}
}

UNCOUNTED void __cyg_profile_func_enter(void *function, void *caller);
UNCOUNTED void __cyg_profile_func_exit(void *function, void *caller);

void __cyg_profile_func_enter(void *function, void *caller)
{
	enum text_role role = text_role(function), outer = text_frame()->role;

	if (role == TEXT_UPDATES)
		iova_visit(update);
	else if (role == TEXT_SLOTS || role == TEXT_GAPS)
		text_look_at_maple(role, outer);
	else if (role == TEXT_SEARCHES || role == TEXT_FINDS_GAP)
		role = outer >= TEXT_UPDATES   ? TEXT_QUIET :
		       outer == TEXT_FINDS_GAP ? outer :
						 role;
	text_nr_tree_allocs += role == TEXT_ALLOCATES;
	text_nr_tree_frees += role == TEXT_FREES;
	if (++text_depth < TEXT_MOST_FRAMES)
		text_frames[text_depth] = (struct text_frame){ .role = role };
}

void __cyg_profile_func_exit(void *function, void *caller)
{
	struct text_frame *frame = &text_frames[text_depth];

	if (!text_depth || text_depth-- >= TEXT_MOST_FRAMES)
		return;
	/* Where a function starts is a step of its caller's as well. */
	if (frame->steps && frame->role < TEXT_UPDATES)
		text_frames[text_depth].steps = true;
	if (frame->steps)
		return;
	for (; frame->nr_looks; frame->nr_looks--)
		iova_visit(search);
}

#define text_is_node(type, member)	\
	__builtin_types_compatible_p(__typeof__(((type *)NULL)->member), \
				     struct rb_node)
#undef container_of
#define container_of(ptr, type, member) ({				\
	__typeof__(ptr) text_ptr = (ptr);				\
	if (text_is_node(type, member))					\
		text_look(#ptr[0] == '*');				\
	(type *)((char *)text_ptr - offsetof(type, member)); })
#undef rb_entry
#define rb_entry(ptr, type, member)	container_of(ptr, type, member)

/* Backwards, a search looks at the node that it steps from: there is the gap. */
#define rb_prev(node)	({ text_step(true); rb_prev(node); })
#define rb_last(root)	({ text_step(true); rb_last(root); })
/* Forwards, at the node that it comes to. */
#define rb_first(root)	text_arrive(rb_first(root))
#define rb_next(node)	text_arrive(rb_next(node))
#define text_arrive(step) ({			\
	struct rb_node *text_node = (step);	\
	text_step(text_node != NULL);		\
	text_node; })

#else

#define text_begin()	do { } while (0)

#endif
#endif
