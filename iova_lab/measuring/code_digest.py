"""Digest of the C that a measured row stands for, the same whichever compiler is installed."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from iova_variants import building
from iova_variants.building import Build


@cache
def code_digest(variant: str, build: Build) -> str:
    """Digest of a variant's C, of all C that its build shares with others, and of the flags.

    ``variant`` is a name of the lab's or the path of a .c file.  "" if there is no such file.
    """
    source = Path(variant) if variant.endswith(".c") else building.VARIANT_DIR / f"{variant}.c"
    if not source.exists():
        return ""
    return hashlib.sha256(_shared(build) + source.read_bytes()).hexdigest()[:16]


@cache
def _shared(build: Build) -> bytes:
    folders = building.include_dirs(build)
    headers = {
        path
        for folder in folders
        for pattern in ("*.h", "linux/*.h")
        for path in folder.glob(pattern)
    }
    flags = repr((building.CFLAGS, building.BUILD_CFLAGS[build])).encode()
    code = [path.read_bytes() for path in sorted({*building.harness_sources(build), *headers})]
    return flags + b"".join(code)


def is_old(row: dict[str, object], variant: str, build: Build) -> bool:
    """Was this row measured with other code than today's, or before digests were stored?"""
    return row.get("code") != code_digest(variant, build)
