"""Which variants and workloads are in this checkout, and what do they say of themselves?"""

from __future__ import annotations

from pathlib import Path

import iova_variants
from iova_lab import workloads

#: Named where no variant's claims can be read: results may be of variants that are gone.
FLOOR = "null"


def load(name: str) -> iova_variants.Variant | None:
    """A variant of this checkout, or None: results may be of variants that are gone."""
    try:
        return iova_variants.load(name)
    except (LookupError, OSError, iova_variants.BuildError):
        return None


def allocators() -> list[str]:
    """Names of this checkout's variants that keep ranges, sorted."""
    return iova_variants.names(fake=False)


def source(name: str) -> Path | None:
    """The C file of a variant of this checkout, or None."""
    try:
        return iova_variants.find_source(name)
    except LookupError:
        return None


def workload_names() -> list[str]:
    """Names of this checkout's workloads, sorted."""
    return workloads.names()


def words_of(workload: str) -> tuple[str, str] | None:
    """A workload's first line and what follows it, in Markdown; None for one that is gone."""
    found = workloads.find(workload)
    if found is None:
        return None
    doc = found.doc.replace("``", "`").partition("\n")[2].strip("\n")
    return found.summary.replace("``", "`"), doc


def claims(name: str) -> list[str] | None:
    """What a variant claims, in words; None for one that is gone."""
    loaded = load(name)
    return [one.name.lower() for one in loaded.claims if one.name] if loaded else None


def fake_variants(names: set[str]) -> frozenset[str]:
    """Which of these keep no ranges: as they claim, or by name where they can't be loaded."""
    return frozenset(name for name in names if _is_fake(name))


def _is_fake(name: str) -> bool:
    loaded = load(name)
    return iova_variants.Claim.FAKE in loaded.claims if loaded else name == FLOOR
