"""Which variants are in this checkout, what do they say of themselves, and which keep no ranges?"""

from __future__ import annotations

from pathlib import Path

import iova_variants

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
