"""A small allocator behind the kernel's API, as each era of the kernel declares that API.

Written for the tests: no text of the kernel.  It walks down from the last range to the highest fit,
so it is exact and complete.  What differs between eras is what a file of that era uses.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from iova_variants import building

#: C of the allocators.
_SMALL = Path(__file__).with_name("small")
#: Names that the kernel exports of its red-black tree.
_EXPORTED = (
    *("rb_first", "rb_last", "rb_next", "rb_prev", "rb_insert_color", "rb_erase"),
    *("rb_first_postorder", "rb_next_postorder", "rb_replace_node"),
    *("rb_insert_augmented", "rb_erase_augmented"),
)


@dataclass(frozen=True)
class Era:
    """What an era adds to header, functions, init, put and the cache of ranges.

    ``links``: nodes are looked at by container_of(), and insertion follows the links themselves.
    """

    members: str = ""
    functions: str = ""
    init: str = ""
    put: str = ""
    get_cache: str = ""
    includes: str = ""
    fourth: str = ""
    links: bool = False


_OWN_CACHES = """
#define IOVA_MAG_SIZE 8

struct iova_magazine { unsigned long size; unsigned long pfns[IOVA_MAG_SIZE]; };
struct iova_cpu_rcache { spinlock_t lock; struct iova_magazine *loaded, *prev; };

static struct iova_magazine *magazine_of(struct iova_domain *iovad, unsigned int cpu, int order)
{
	return per_cpu_ptr(iovad->rcaches[order].cpu_rcaches, cpu)->loaded;
}

void free_cpu_cached_iovas(unsigned int cpu, struct iova_domain *iovad)
{
	int order;

	for (order = 0; order < 6; order++) {
		struct iova_magazine *magazine = magazine_of(iovad, cpu, order);

		while (magazine->size)
			free_iova(iovad, magazine->pfns[--magazine->size]);
	}
}

unsigned long alloc_iova_fast(struct iova_domain *iovad, unsigned long size,
				unsigned long limit_pfn)
{
	unsigned int order = order_base_2(size), cpu;
	struct iova_cpu_rcache *cached;
	struct iova_magazine *magazine;
	unsigned long pfn = 0;
	struct iova *iova;

	if (order < 6) {
		cached = get_cpu_ptr(iovad->rcaches[order].cpu_rcaches);
		magazine = cached->loaded;
		if (magazine->size && magazine->pfns[magazine->size - 1] + size - 1 <= limit_pfn)
			pfn = magazine->pfns[--magazine->size];
		put_cpu_ptr(iovad->rcaches[order].cpu_rcaches);
	}
	if (pfn)
		return pfn;
	iova = alloc_iova(iovad, size, limit_pfn, true);
	if (iova)
		return iova->pfn_lo;
	preempt_disable();
	for_each_online_cpu(cpu)
		free_cpu_cached_iovas(cpu, iovad);
	preempt_enable();
	iova = alloc_iova(iovad, size, limit_pfn, true);
	return iova ? iova->pfn_lo : 0;
}
EXPORT_SYMBOL_GPL(alloc_iova_fast);

void free_iova_fast(struct iova_domain *iovad, unsigned long pfn, unsigned long size)
{
	unsigned int order = order_base_2(size);
	struct iova_magazine *magazine = magazine_of(iovad, smp_processor_id(), min(order, 5U));

	if (order < 6 && magazine->size < IOVA_MAG_SIZE)
		magazine->pfns[magazine->size++] = pfn;
	else
		free_iova(iovad, pfn);
}
EXPORT_SYMBOL_GPL(free_iova_fast);
"""
_INIT_OWN_CACHES = """
	for (order = 0; order < 6; order++) {
		iovad->rcaches[order].cpu_rcaches =
			__alloc_percpu(sizeof(struct iova_cpu_rcache), cache_line_size());
		for_each_possible_cpu(cpu)
			per_cpu_ptr(iovad->rcaches[order].cpu_rcaches, cpu)->loaded =
				kzalloc(sizeof(struct iova_magazine), GFP_KERNEL);
	}
"""
_PUT_OWN_CACHES = """
	for (order = 0; order < 6; order++) {
		for_each_possible_cpu(cpu)
			kfree(magazine_of(iovad, cpu, order));
		free_percpu(iovad->rcaches[order].cpu_rcaches);
	}
"""
_PER_CPU = """
struct magazine { unsigned long size; unsigned long pfns[7]; };
struct cpu_cache { spinlock_t lock; struct magazine *loaded; };
"""
_CACHES = """
	iovad->caches = __alloc_percpu(sizeof(struct cpu_cache), cache_line_size());
	for_each_possible_cpu(cpu) {
		struct cpu_cache *cache = per_cpu_ptr(iovad->caches, cpu);

		spin_lock_init(&cache->lock);
		cache->loaded = kzalloc(sizeof(struct magazine), GFP_KERNEL);
	}
"""
_NO_CACHES = """
	for_each_possible_cpu(cpu)
		kfree(per_cpu_ptr(iovad->caches, cpu)->loaded);
	free_percpu(iovad->caches);
"""

ERAS = {
    "4.4": Era(
        fourth=", unsigned long pfn_32bit",
        functions="""
static unsigned int pad_of(unsigned int size, unsigned int limit_pfn)
{
	return (limit_pfn + 1 - size) & (__roundup_pow_of_two(size) - 1);
}
""",
        init="iovad->dma_32bit_pfn = pfn_32bit;\n"
        '\tif (pad_of(1, 0))\n\t\tprintk(KERN_ERR "no room for %d\\n", 1);',
        links=True,
    ),
    "4.13": Era(
        fourth=", unsigned long pfn_32bit",
        members="struct iova_rcache { unsigned long depot_size;"
        " struct iova_cpu_rcache __percpu *cpu_rcaches; } rcaches[6];",
        functions=_OWN_CACHES,
        init="iovad->dma_32bit_pfn = pfn_32bit;" + _INIT_OWN_CACHES,
        put=_PUT_OWN_CACHES,
        links=True,
    ),
    "4.14": Era(
        fourth=", unsigned long pfn_32bit",
        includes="#include <linux/atomic.h>\n#include <linux/dma-mapping.h>\n",
        members="atomic64_t started; struct timer_list timer; atomic_t timer_on;"
        " struct cpu_cache __percpu *caches;",
        functions=_PER_CPU
        + """
static void flush(unsigned long data)
{
	struct iova_domain *iovad = (struct iova_domain *)data;

	atomic64_inc(&iovad->started);
}

void queue_iova(struct iova_domain *iovad)
{
	if (atomic_cmpxchg(&iovad->timer_on, 0, 1) == 0)
		mod_timer(&iovad->timer, jiffies + msecs_to_jiffies(10));
}
EXPORT_SYMBOL_GPL(queue_iova);
""",
        init="setup_timer(&iovad->timer, flush, (unsigned long)iovad);\n"
        "iovad->dma_32bit_pfn = pfn_32bit + 1;" + _CACHES,
        put="if (timer_pending(&iovad->timer))\n\t\tdel_timer(&iovad->timer);" + _NO_CACHES,
    ),
    "4.20": Era(
        includes="#include <linux/atomic.h>\n",
        members="atomic64_t started; struct timer_list timer; atomic_t timer_on;",
        functions="""
static void flush(struct timer_list *t)
{
	struct iova_domain *iovad = from_timer(iovad, t, timer);

	if (atomic_xchg(&iovad->timer_on, 0))
		atomic_set(&iovad->timer_on, 0);
	atomic64_inc(&iovad->started);
}
""",
        init="timer_setup(&iovad->timer, flush, 0); smp_wmb();",
    ),
    "5.14": Era(
        members="struct hlist_node cpuhp_dead; struct cpu_cache __percpu *caches;",
        functions=_PER_CPU
        + """
static int dead(unsigned int cpu, struct hlist_node *node)
{
	struct iova_domain *iovad;

	iovad = hlist_entry_safe(node, struct iova_domain, cpuhp_dead);
	return raw_cpu_ptr(iovad->caches)->loaded ? 0 : -EINVAL;
}
""",
        init=_CACHES
        + "cpuhp_state_add_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD, &iovad->cpuhp_dead);",
        put="cpuhp_state_remove_instance_nocalls(CPUHP_IOMMU_IOVA_DEAD,"
        " &iovad->cpuhp_dead);" + _NO_CACHES,
        get_cache='if (cpuhp_setup_state_multi(CPUHP_IOMMU_IOVA_DEAD, "iova:dead", NULL, dead))\n'
        "\t\treturn -ENOMEM;",
    ),
    "6.7": Era(
        includes="#include <linux/kmemleak.h>\n#include <linux/workqueue.h>\n",
        members="struct depot *depots;",
        functions="""
struct depot {
	struct iova_domain *iovad;
	struct delayed_work work;
};

static void trim(struct work_struct *work)
{
	struct depot *depot = container_of(work, typeof(*depot), work.work);

	schedule_delayed_work(&depot->work, msecs_to_jiffies(100));
}

int iova_domain_init_rcaches(struct iova_domain *iovad)
{
	iovad->depots = kcalloc(6, sizeof(struct depot), GFP_KERNEL);
	if (!iovad->depots)
		return -ENOMEM;
	INIT_DELAYED_WORK(&iovad->depots[0].work, trim);
	return 0;
}
EXPORT_SYMBOL_GPL(iova_domain_init_rcaches);
""",
        put="if (iovad->depots) {\n\t\tcancel_delayed_work_sync(&iovad->depots[0].work);\n"
        "\t\tkfree(iovad->depots);\n\t}",
    ),
    "7.1": Era(
        members="unsigned long *words;",
        init="iovad->words = kzalloc_objs(unsigned long, 6);",
        put="kfree(iovad->words);",
    ),
}


def text(name: str, **parts: str) -> str:
    """A file of small/, with these parts and what all texts share in place of their names."""
    shared = {"find_iova": (_SMALL / "find_iova.c").read_text()}
    return Template((_SMALL / name).read_text()).substitute(shared | parts)


def write(folder: Path, era: str = "6.7", changes: Mapping[str, str] | None = None) -> Path:
    """Write a tree whose allocator is of ``era``; ``changes`` replace text of iova.c.

    Its red-black tree is the lab's own, with the kernel's exports.
    """
    parts = {name: getattr(ERAS[era], name) for name in Era.__dataclass_fields__}
    code = text("tree.c", **parts)
    if ERAS[era].links:
        code = _by_links(code)
    for old, new in (changes or {}).items():
        assert old in code, old
        code = code.replace(old, new)
    put(folder, "drivers/iommu/iova.c", code)
    put(folder, "include/linux/iova.h", text("tree.h", **parts))
    major, minor = era.split(".")
    put(
        folder,
        "Makefile",
        f"VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = 0\nEXTRAVERSION =\n",
    )
    shim = building.HARNESS_DIR / "userspace"
    for name in ("rbtree.h", "rbtree_augmented.h"):
        put(folder, f"include/linux/{name}", (shim / "linux" / name).read_text())
    exports = "".join(f"EXPORT_SYMBOL({name});\n" for name in _EXPORTED)
    rbtree = re.sub(
        r"#include <linux/rbtree.*>",
        r"\g<0>\n#include <linux/export.h>",
        (shim / "rbtree.c").read_text(),
    )
    put(folder, "lib/rbtree.c", rbtree + exports)
    return folder


def _by_links(code: str) -> str:
    """Nodes as texts before v4.13 look at them; in alloc_iova() no function inserts."""
    function = re.compile(r"static struct iova \*to_iova\(.*?\n}\n", re.S)
    code, nr_functions = function.subn("", code)
    code, nr_looks = re.subn(r"\bto_iova\((\w+)\)", r"container_of(\1, struct iova, node)", code)
    code = code.replace("container_of(parent,", "container_of(*link,")
    insertion = re.search(r"static void iova_insert_rbtree\(.*?\n{(.*?)\n}\n", code, re.S)
    assert nr_functions == 1 < nr_looks
    assert insertion
    inline = insertion[1].replace("root->rb_node", "iovad->rbroot.rb_node")
    inline = inline.replace("root)", "&iovad->rbroot)")
    return code.replace(
        "\tif (found)\n\t\tiova_insert_rbtree(&iovad->rbroot, new);",
        f"\tif (found) {{{inline}\n\t}}",
    )


#: The same with the largest size of each subtree kept in its root, of which no search makes use.
AUGMENTED = {
    "static struct iova *to_iova(": """static inline unsigned long size_of(struct iova *iova)
{
	return iova->pfn_hi - iova->pfn_lo + 1;
}

RB_DECLARE_CALLBACKS_MAX(static, sizes, struct iova, node, unsigned long, most, size_of)

static struct iova *to_iova(""",
    "rb_insert_color(&new->node, root);": "new->most = size_of(new);\n"
    "\tif (parent)\n\t\tsizes_propagate(parent, NULL);\n"
    "\trb_insert_augmented(&new->node, root, &sizes);",
    "rb_erase(&iova->node, &iovad->rbroot);": "rb_erase_augmented(&iova->node, &iovad->rbroot,"
    " &sizes);",
    "#include <linux/smp.h>": "#include <linux/rbtree_augmented.h>",
}


def write_augmented(folder: Path) -> Path:
    """Write a tree with an augmented red-black tree."""
    write(folder, changes=AUGMENTED)
    header = folder / "include/linux/iova.h"
    header.write_text(header.read_text().replace("pfn_lo;", "pfn_lo, most;", 1))
    return folder


def put(folder: Path, path: str, content: str) -> None:
    """Write one file of a tree."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)


def git(folder: Path, *arguments: str) -> str:
    """Run git in a tree, as nobody in particular."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, subject: str) -> str:
    """Commit all of a tree, made a repository where it is none; returns the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", subject)
    return git(folder, "rev-parse", "HEAD")
