"""The descriptions of the whole lineage, by the name of the variant that each describes."""

from __future__ import annotations

from tests.support.lineage_gaps import Alignable, Augmented, BestFit, Maple
from tests.support.lineage_walks import (
    Anchor,
    Cached32,
    Cached64,
    Mainline,
    Max32,
    NeverReturnsError,
    NoCache,
    Reference,
    Retry,
    SingleCached,
)

__all__ = ["REFERENCES", "NeverReturnsError", "Reference"]

REFERENCES: dict[str, type[Reference]] = {
    "alignable": Alignable,
    "anchor": Anchor,
    "augmented": Augmented,
    "best_fit": BestFit,
    "cached32": Cached32,
    "cached64": Cached64,
    "mainline": Mainline,
    "maple": Maple,
    "max32": Max32,
    "no_cache": NoCache,
    "retry": Retry,
    "single_cached": SingleCached,
}
