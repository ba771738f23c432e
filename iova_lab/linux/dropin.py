"""The candidate's API layer as one C file in the place of a tree's ``drivers/iommu/iova.c``.

``+candidate`` behind the name of a source means: that source's headers, and this file.  It is put
together from harness/dropin and from the variant's own files, each where it is first included.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from iova_variants.building import HARNESS_DIR, VARIANT_DIR

#: Behind the name of a source.
SUFFIX = "+candidate"
FOLDER = HARNESS_DIR / "dropin"
_TOP = "candidate_iova.c"
_INCLUDE = re.compile(r'^#include "(.+)"\n', re.MULTILINE)


@cache
def text() -> str:
    """The whole layer as one file, which includes headers of the kernel alone."""
    return _inlined(FOLDER / _TOP, set())


def sources() -> list[Path]:
    """The files that `text` is made of."""
    included = {FOLDER / _TOP}
    _inlined(FOLDER / _TOP, included)
    return sorted(included)


def _inlined(path: Path, seen: set[Path]) -> str:
    def content(match: re.Match[str]) -> str:
        found = next(
            folder / match[1] for folder in (FOLDER, VARIANT_DIR) if (folder / match[1]).exists()
        )
        if found in seen:
            return ""
        seen.add(found)
        return _inlined(found, seen)

    return _INCLUDE.sub(content, path.read_text(encoding="utf-8"))
