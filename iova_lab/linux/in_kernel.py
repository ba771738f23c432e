"""How does the kernel's text become a part of the lab's module, beside the kernel's own?

Every name that it exports or declares gets a prefix, and its header comes first, so that the
kernel's own, of the same include guard, is skipped.  All else is the booted kernel's: slab, locks,
red-black tree, per-CPU data.
"""

from __future__ import annotations

import re

from iova_lab.linux.source import ALLOCATOR, HEADER, Text

#: Name of the C file for the module, in the folder of a unit, where `kernel.module` looks for it.
FILE = "in_kernel.c"


def code(text: Text, digest: str, defines: list[str]) -> str:
    """Return the C of the module's own file of a unit; ``defines`` are those of user space."""
    names = sorted(_names(text))
    lines = [f'#include "{digest}/in_kernel.h"']
    lines += [f"#define {name} text_{digest}_{name}" for name in names]
    lines += [f"#define {define}" for define in defines if "rbtree" not in define]
    lines += [f'#include "{digest}/{HEADER}"', f'#include "{digest}/variant.c"']
    return f"/* {digest} */\n" + "".join(f"{line}\n" for line in lines)


def _names(text: Text) -> set[str]:
    """Functions that other files of a kernel could see."""
    allocator, header = (text.files[path].decode(errors="replace") for path in (ALLOCATOR, HEADER))
    exported = re.findall(r"^EXPORT_SYMBOL(?:_GPL)?\((\w+)\)", allocator, re.M)
    inline = r"^(?!static|#|typedef|\s)[\w \t*]*?\b(\w+)\([^;{]*\);"
    return {*exported, *re.findall(inline, header, re.M)}
