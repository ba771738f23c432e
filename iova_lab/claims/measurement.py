"""What a claim's ``measure`` is given, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: What a measurement found, as it lies in a JSON file.
Measured = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """The arguments of a claim's ``measure``.

    ``quick``: a look, with small sizes and few samples; never stored as a result.  ``results`` is
    where results of other commands lie.  ``on_progress(done, total)`` reports progress.
    """

    quick: bool = False
    results: Path = Path("results")
    on_progress: Callable[[int, int], object] = field(default=lambda done, total: None)
    shared: dict[str, Measured] = field(default_factory=dict)

    def least(self, full: int, quick: int) -> int:
        """``full``, or ``quick`` if only a look was asked for."""
        return quick if self.quick else full

    def once(self, name: str, take: Callable[[], Measured]) -> Measured:
        """What ``take`` measures, measured for the first that asks for ``name``."""
        if name not in self.shared:
            self.shared[name] = take()
        return self.shared[name]
