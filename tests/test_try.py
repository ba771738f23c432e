"""Is every way to break told exactly, by its op, and with the shortest stream that does it?

Each case is the skeleton that `iova-lab new` writes, with one thing changed.
"""

from __future__ import annotations

import difflib
import faulthandler
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

import iova_variants
from iova_lab import checking
from iova_lab.checking import checks, skeleton
from iova_lab.commands.cli import main

UNUSED = '#pragma GCC diagnostic ignored "-Wunused-function"\n'
OVERRIDE = '#pragma GCC diagnostic ignored "-Woverride-init"\n'
HIDDEN = '#pragma GCC diagnostic ignored "-Wunused-variable"\n'


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    faulthandler.disable()  # of planned crashes
    yield
    faulthandler.enable()


class Way(NamedTuple):
    """Replace ``old`` by ``new``; what is said then, which check says it, and what stands below."""

    old: str
    new: str
    check: str
    says: str
    below: str = ""


IN_ALLOC = "\tif (!new)\n\t\treturn IOVA_REFUSED;\n\n\tspin_lock"
WILD = "*(volatile long *)(8 + 8 * iovad->start_pfn) = 0;"


def in_alloc(statement: str) -> tuple[str, str]:
    return IN_ALLOC, IN_ALLOC.replace("\tspin_lock", f"\t{statement}\n\tspin_lock")


WAYS = {
    "a typo": Way(
        "spin_lock_init(&iovad->lock)",
        "spin_lock_init(&iovad->lok)",
        "compiles",
        "does not compile",
        r"mine\.c:\d+:\d+: error: .*has no member named .lok.",
    ),
    "an unknown header": Way(
        "#include <linux/slab.h>",
        "#include <linux/slab.h>\n#include <linux/kfifo.h>",
        "compiles",
        "does not compile",
        r"mine\.c:\d+:\d+: fatal error: linux/kfifo\.h: No such file",
    ),
    "a function that is not there": Way(
        "struct live_range {",
        "void kfifo_put(void);\nvoid mine_more(void);\n"
        "void mine_more(void) { kfifo_put(); }\nstruct live_range {",
        "compiles",
        r"calls kfifo_put\(\), which neither the file nor the lab's <linux/\.\.\.> headers have",
    ),
    "an op that is missing": Way(
        "\t.find\t\t= mine_find,\n", "", "compiles", "does not compile", r"mine_find. defined but"
    ),
    "a member that is missing": Way(
        '\t.summary\t= "one sorted list, first fit from the top",\n',
        "",
        "table",
        r"its ops table has no \.summary: IOVA_VARIANT\(\)",
    ),
    "another ABI": Way(
        "\t.kernel_release",
        "\t.abi_version = 2,\n\t.kernel_release",
        "table",
        "was built for ABI 2",
    ),
    "another name": Way('= "mine"', '= "yours"', "table", "calls itself 'yours': name it after"),
    "a crash while it is loaded": Way(
        "struct live_range {",
        "__attribute__((constructor)) static void early(void) { __builtin_trap(); }\n"
        "struct live_range {",
        "table",
        "killed by SIG(ILL|TRAP) while being loaded",
    ),
    "overlaps": Way("->pfn_hi + 1 : 0", "->pfn_hi : 0", "histories", "overlaps a live range"),
    "above the limit": Way("limit_pfn + 1;", "limit_pfn + 2;", "histories", "ends above its limit"),
    "misaligned": Way(
        "& ~(align - 1)", "& ~((align >> 1) - (align > 1))", "histories", "is not aligned"
    ),
    "below the start": Way(
        "low = max(low, iovad->start_pfn);", "", "histories", "lies below start_pfn"
    ),
    "refuses needlessly": Way(
        "if (*pfn_lo >= low)",
        "if (*pfn_lo > low)",
        "histories",
        "is not the highest fit|is refused though a fit exists",
    ),
    "not the highest": Way(
        "(high - size) &", "(high - size - (size == 3)) &", "histories", "is not the highest fit"
    ),
    "given twice after a free": Way(
        "\t\tgone = *link;\n\t\t*link = gone->below;\n",
        "\t\tgone = *link;\n\t\t*link = gone->below;\n"
        "\t\tif (*link)\n\t\t\t(*link)->pfn_lo = (*link)->pfn_hi;\n",
        "histories",
        r"find\(.*\) says .*; live there is|overlaps a live|not the highest|find\(\) misses it",
    ),
    "a use after free": Way(
        "\t\tkmem_cache_free(iovad->cache, gone);\n}",
        "\t\tkmem_cache_free(iovad->cache, gone);\n"
        "\tif (gone && READ_ONCE(gone->pfn_lo) == 77)\n\t\tpfn = 0;\n}",
        "histories",
        "touches memory in no live object: freed before, or beyond its end",
        r"mine_free\(\), mine\.c:\d+",
    ),
    "an object freed twice": Way(
        "\t\tkmem_cache_free(iovad->cache, gone);\n}",
        "\t\tkmem_cache_free(iovad->cache, gone),\n\t\tkmem_cache_free(iovad->cache, gone);\n}",
        "histories",
        "touches memory in no live object",
        r"mine_free\(\), mine\.c:\d+",
    ),
    "a slab object that is too small": Way(
        "sizeof(struct live_range), 0,",
        "sizeof(struct live_range) - 8, 0,",
        "histories",
        "touches memory in no live object: freed before, or beyond its end",
        r"mine_alloc\(\), mine\.c:\d+",
    ),
    "a heap overflow": Way(
        "\tiovad->start_pfn = start_pfn;\n\treturn 0;",
        "\tiovad->start_pfn = start_pfn;\n\tchar *name = kmalloc(10, GFP_KERNEL);\n"
        "\tif (name)\n\t\tWRITE_ONCE(name[10], 0);\n\tkfree(name);\n\treturn 0;",
        "histories",
        r"touches memory beyond the end of what it allocated \(heap-buffer-overflow, writes 1",
        r"mine_init_domain\(\), mine\.c:\d+",
    ),
    "a leak of ranges": Way(
        "\t\tbelow = range->below;\n\t\tkmem_cache_free(iovad->cache, range);",
        "\t\tbelow = range->below;",
        "histories",
        r"put_domain\(\) leaked 1 objects",
    ),
    "a leak of the cache": Way(
        "\tkmem_cache_destroy(iovad->cache);\n",
        "",
        "histories",
        r"put_domain\(\) leaked 1 slab caches",
    ),
    "an endless loop": Way(
        "\t\tlink = &(*link)->below;\n\t}\n}",
        "\t\tif (size != 5)\n\t\t\tlink = &(*link)->below;\n\t}\n}",
        "histories",
        "does not return: an endless loop, or a lock",
        r"find_gap\(\), mine\.c:\d+",
    ),
    "a lock that is kept": Way(
        "\tif (!link) {\n\t\tkmem",
        "\tif (!link) {\n\t\tspin_lock(&iovad->lock);\n\t\tkmem",
        "histories",
        "does not return: an endless loop, or a lock that is not given back",
        r"mine_\w+\(\), mine\.c:\d+",
    ),
    "a crash on the 150th request": Way(
        *in_alloc(f"static int nr; if (++nr == 150) {WILD}"),
        "histories",
        r"follows a wild pointer \(SEGV on unknown address",
        r"mine_alloc\(\), mine\.c:\d+[\s\S]*\d x (domain 0: )?alloc 0x",
    ),
    "an exit": Way(
        *in_alloc("extern void _exit(int); if (size == 8) _exit(3);"),
        "histories",
        r"ends the process \(exit status 3\)",
    ),
    "memory asked for in free()": Way(
        "\tif (gone)\n",
        "\tkfree(kmalloc(8, GFP_ATOMIC));\n\tif (gone)\n",
        "contract",
        "a free only if it says so",
        "asks for memory 200 times in 200 frees, and does not claim IOVA_V_FREE_NEEDS_MEM",
    ),
    "a free of nothing": Way(
        "\twhile (*link && (*link)->pfn_hi < pfn)\n\t\tlink = &(*link)->below;\n\treturn",
        "\treturn",
        "histories",
        r"op 0 of 1: find\(0x100000\) says 0xfffff\.\.0xfffff; live there is nothing",
    ),
    "wrong bounds": Way(
        "*pfn_hi = (*link)->pfn_hi;",
        "*pfn_hi = (*link)->pfn_hi + (pfn > *pfn_lo);",
        "histories",
        r"find\(0x\w+\) says .*; live there is ",
    ),
    "a reserve that forgets the rest": Way(
        "pfn_lo = met->pfn_hi + 1;", "break;", "histories", r"find\(.*\) says nothing; live there"
    ),
    "words on standard output": Way(
        *in_alloc('extern int puts(const char *); puts("here");'),
        "histories",
        "writes to standard output, where a kernel has none: 'here'",
    ),
    "memory that is taken for granted": Way(
        "\tif (!new)\n\t\treturn IOVA_REFUSED;\n",
        "",
        "no memory",
        r"if request \d for memory is refused: (undefined behaviour: member access within null"
        r"|follows a wild pointer)",
        r"mine\.c:\d+",
    ),
    "undefined behaviour": Way(
        *in_alloc("if (1 << size == 7) size = 1;"),
        "histories",
        r"undefined behaviour: shift exponent \d+ is too large .* \(mine\.c:\d+\)",
    ),
    "an invariant that does not hold": Way(
        "\treturn NULL;\n}\n\n/* All that",
        '\treturn iovad->ranges ? "not empty" : NULL;\n}\n\n/* All that',
        "histories",
        "op 0 of 1: .*: not empty",
    ),
    "addresses in a dump": Way(
        "words[nr] = range->pfn_lo;",
        "words[nr] = (unsigned long)range;",
        "contract",
        "equal histories have equal dumps",
        "differs from the dump of a domain with the same calls",
    ),
    "a crash on the way out": Way(
        "\tkmem_cache_destroy(iovad->cache);\n",
        f"\tkmem_cache_destroy(iovad->cache);\n\tif (iovad->ranges)\n\t\t{WILD}\n",
        "histories",
        "at the end of the domain: follows a wild pointer",
        r"mine_put_domain\(\), mine\.c:\d+",
    ),
    "more than it has room for": Way(
        "**link = &iovad->ranges;\n\n\tfor (;;) {",
        "**link = &iovad->ranges;\n\tint seen = 0;\n\n"
        "\tfor (;;) {\n\t\tif (++seen > 900)\n\t\t\treturn NULL;",
        "histories|workloads",
        "is refused though a fit exists",
        r"\d x alloc",
    ),
}


def write(old: str = "", new: str = "", name: str = "mine") -> Path:
    path = skeleton.write(name, "list", Path())
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path.write_text(UNUSED * ("IOVA_VARIANT" in new) + text.replace(old, new), encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


#: To shrink what these break takes half a minute of many processes.
LONG = {
    *("a crash on the 150th request", "more than it has room for", "addresses in a dump"),
    *("memory that is taken for granted", "memory asked for in free()"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.long] * (way in LONG)) for way in WAYS]
)
def test_every_way_to_break_is_told(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrunk to the end where that shows; elsewhere what is found first is enough."""
    old, new, check, says, below = WAYS[way]
    is_short = re.search(" of 1:| x ", says + below)
    monkeypatch.setattr(checks, "SHRINK_S", 600.0 if is_short else 0.0)
    path = write(old, new)
    if "abi_version" in new:
        path.write_text(OVERRIDE + path.read_text(encoding="utf-8"), encoding="utf-8")
    done = run("try", path, "--check-only", "--budget", "600", "--json")
    assert done.exit_code == 1, done.output
    finding = json.loads(done.stdout)["finding"]
    assert re.fullmatch(check, finding["check"]), finding
    assert re.search(says, finding["says"]), finding
    shown = "\n".join(finding["lines"] + finding["ops"])
    assert re.search(below, shown), finding
    assert "Traceback" not in done.output


@pytest.mark.slow
@pytest.mark.parametrize(
    "flavour",
    [pytest.param(one, marks=[pytest.mark.long] * (one == "rbtree")) for one in skeleton.FLAVOURS],
)
def test_what_new_writes_is_right(flavour: skeleton.Flavour) -> None:
    skeleton.write("mine", flavour)
    done = run("try", "mine.c", "--check-only", "--budget", "8")
    assert done.exit_code == 0, done.output
    lines = [line for line in done.stdout.splitlines() if not line.startswith("    ")]
    assert lines[0] == "mine.c: nothing wrong found"
    assert "claims: complete, exact" in done.stdout
    assert len(lines) == 1 + 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "candidate",
        *(pytest.param(one, marks=pytest.mark.long) for one in ("mainline", "cached32", "maple")),
    ],
)
def test_a_variant_of_the_lab_is_right_by_what_it_claims(name: str, tmp_path: Path) -> None:
    """Claims nothing, answers above a limit, needs memory to free, is told the size of a free."""
    source = Path(iova_variants.__path__[0], f"{name}.c")
    assert checking.check(source, out=tmp_path, seconds=8.0) is None


@pytest.mark.long
@pytest.mark.slow
def test_two_states_of_a_patch_are_counted_and_timed_against_each_other() -> None:
    write(name="before")
    write("iova_visit(search);", "iova_visit(search);\n\t\tiova_visit(update);", name="after")
    done = run("try", "before.c", "after.c", "--budget", "8", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["file"] for row in found["files"]] == ["before.c", "after.c"]
    assert found["finding"] is None
    ring = next(row["variants"] for row in found["counts"] if row["workload"] == "ring")
    assert ring["after"]["nodes_per_op"] > ring["before"]["nodes_per_op"]
    assert found["comparison"]["base"] == "before"
    assert found["comparison"]["candidates"] == ["after"]
    assert Path("try/after/mail.txt").exists()


@pytest.mark.slow
@pytest.mark.long
def test_a_patch_is_checked_like_a_file() -> None:
    source = Path(iova_variants.__path__[0], "no_cache.c").read_text(encoding="utf-8")
    call = "range_legacy_walk(rb_last(&iovad->domain.ranges), size, high"
    assert source.count(call) == 1
    changed = source.replace(call, f"{call} + 1")
    before, after = (text.splitlines(keepends=True) for text in (source, changed))
    diff = "".join(difflib.unified_diff(before, after, "no_cache.c", "no_cache.c"))
    Path("fix.diff").write_text(diff, encoding="utf-8")
    arguments = ("try", "--patch", "fix.diff", "--onto", "no_cache", "--budget", "600")
    done = run(*arguments, "--check-only")
    assert done.exit_code == 1, done.output
    assert "try/fix/patched/before/no_cache.c: nothing wrong found" in done.stdout
    assert "ends above its limit" in done.stderr


@pytest.mark.slow
def test_what_broke_it_runs_again_until_it_is_mended() -> None:
    path = write("->pfn_hi + 1 : 0", "->pfn_hi : 0")
    assert run("try", path, "--check-only", "--budget", "600").exit_code == 1
    saved = "try/mine/mine-broken.json"
    again = run("example", saved)
    assert again.exit_code == 1
    assert "overlaps a live range" in again.stdout
    assert "|#|" in again.stdout
    replayed = run("replay", "mine.c", saved)
    assert replayed.exit_code == 1
    assert replayed.stderr.startswith("iova-lab: op 1: mine, pfn 0xfffff")
    path.unlink()
    write()
    mended = run("example", saved)
    assert mended.exit_code == 0, mended.output
    assert "breaks nothing any more" in mended.stdout
    Path(saved).write_text("{}", encoding="utf-8")
    told = run("example", saved).stderr
    assert told.startswith(f"iova-lab: {saved}: ")
    assert "missing required field `variant`" in told
    assert told.endswith("`iova-lab try` writes such a file\n")
