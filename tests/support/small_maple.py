"""A small allocator on a maple tree, behind the kernel's API.

Written for the tests: no text of the kernel.  It has the rule of the variant `maple`: the highest
gap of size + align - 1, and the failed size below 4 GiB.  The maple tree it includes is the
kernel's, of a package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support import small_tree

#: How it stores, and another way: since v7.3 that one warns of a request that may fail while the
#: caller holds the tree's lock.
PREALLOCATED = """	if (mas_preallocate(&mas, iova, GFP_ATOMIC))
		return false;
	mas_store_prealloc(&mas, iova);
	return true;
"""
AS_IT_GOES = "	return !mas_store_gfp(&mas, iova, GFP_ATOMIC);\n"


def write(folder: Path, changes: Mapping[str, str] | None = None) -> Path:
    """Write the allocator into a tree; ``changes`` replace text of iova.c."""
    code = small_tree.text("maple.c")
    for old, new in (changes or {}).items():
        assert old in code, old
        code = code.replace(old, new)
    small_tree.put(folder, "drivers/iommu/iova.c", code)
    small_tree.put(folder, "include/linux/iova.h", small_tree.text("maple.h"))
    return folder
