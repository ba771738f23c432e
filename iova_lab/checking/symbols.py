"""What does a file use that a kernel does not have?

What it may link to is what the lab's <linux/...> headers offer: the functions that the shim
defines, and the four that a compiler calls by itself.  Instructions that read a clock or call the
system need no symbol, so the machine code is looked at as well.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from iova_variants import building, is_resolved

#: A compiler calls these for assignments and comparisons; <linux/string.h> offers them.
_COMPILERS = frozenset({"memcpy", "memmove", "memset", "memcmp"})
#: <linux/string.h> includes the C library's: of it, what a kernel has too.
_STRINGS = frozenset({"strlen", "strcmp", "strncmp", "memchr", "strchr"})
#: What iova_variant.h itself uses where visits are counted, and position-independent code.
_HARNESS = frozenset(
    {"iova_visits", "iova_visits_left", "iova_visits_spent", "_GLOBAL_OFFSET_TABLE_"}
)

#: BUG() and WARN() of harness/linux print their place, and the first ends the process.
_TEXTS = frozenset({"abort", "dprintf"})

_FOREIGN_INSTRUCTION = re.compile(
    r"\t(rdtscp?|rdpmc|rdrand|rdseed|cpuid|syscall|sysenter|int +\$0x80|svc|mrs\s.*cntv?ct_el0)"
)
_FUNCTION = re.compile(r"^[0-9a-f]+ <([^>]+)>:")


def foreign(source: Path) -> str | None:
    """In one line what it uses that a kernel has not, in the timed or the counted build."""
    for build in ("timed", "counted"):
        with tempfile.TemporaryDirectory(prefix="iova-lab-") as folder:
            target = Path(folder, "variant.o")
            building.compile_object(source, target, build)
            if found := _unknown(source, target) or _instruction(target):
                return found
    return None


def _unknown(source: Path, target: Path) -> str | None:
    undefined = {line.split()[-1] for line in _tool("nm", "--undefined-only", target)}
    texts = _TEXTS if is_resolved(source.name) else frozenset()
    names = sorted(undefined - offered() - _COMPILERS - _STRINGS - _HARNESS - texts)
    if not names:
        return None
    shown = ", ".join(f"{name}()" for name in names[:4])
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"uses {shown}{more}, which the lab's <linux/...> headers do not offer"


@cache
def offered() -> frozenset[str]:
    """What the shim defines, by its own symbol table."""
    shim = [building.harness_object(path, "counted") for path in building.shim_sources()]
    lines = [line for path in shim for line in _tool("nm", "--defined-only", "--extern-only", path)]
    return frozenset(line.split()[-1] for line in lines if len(line.split()) == 3)


def _instruction(target: Path) -> str | None:
    function = "?"
    for line in _tool("objdump", "-d", "--no-show-raw-insn", target):
        if head := _FUNCTION.match(line):
            function = head[1]
        if found := _FOREIGN_INSTRUCTION.search(line):
            return f"uses the instruction {found[1].split()[0]} in {function}()"
    return None


def _tool(name: str, *arguments: str | Path) -> list[str]:
    """Lines of a tool of binutils, which every C compiler needs; none where it is missing."""
    path = shutil.which(name)
    if path is None:
        return []
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()
