"""What do variants keep that are not the lab's own: a C file, or a kernel's text?

Of the lab's variants the examples are stored; of others they are looked for now, in a child process
that a file of the user's may take with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import iova_variants
from iova_lab.checking import promises
from iova_lab.checking.counterexamples import Example, examples
from iova_lab.checking.example_search import is_pointless, search
from iova_lab.checking.promises import Cell
from iova_lab.checking.questions import QUESTIONS
from iova_lab.measuring import churn
from iova_variants.child import Tell, in_child


@dataclass(frozen=True)
class Found:
    """A row of the table for each variant, and the examples that its answers stand on, by name."""

    cells: list[Cell]
    examples: dict[str, Example]

    def answer(self, variant: str, column: str) -> str:
        """One cell of the table."""
        return next(
            cell.answer for cell in self.cells if (cell.variant, cell.column) == (variant, column)
        )

    @property
    def columns(self) -> list[str]:
        """Promises, then what was measured."""
        return list(dict.fromkeys(cell.column for cell in self.cells))


def nr_steps(variants: Sequence[str], sizes: Sequence[int]) -> int:
    """How often `promises_of` reports progress."""
    nr_searched = sum(map(iova_variants.is_foreign, variants))
    nr_cells = len(promises.grid()) * len(sizes) * len(variants)
    return nr_cells + nr_searched * len(QUESTIONS)


def promises_of(
    variants: Sequence[str], sizes: Sequence[int], on_progress: Callable[[], object]
) -> Found:
    """Count the grid up to the largest of ``sizes``, and look for a breach of every promise.

    Raises as `iova_variants.replay` does, for a variant that breaks the contract itself.
    """
    known: dict[str, Example] = {}
    for variant in variants:
        known |= _examples_of(variant, on_progress)
    frame = promises.measure(sizes, on_progress, variants)
    span = {variant: churn.span(variant) for variant in variants}
    return Found(promises.answers(frame, span, known), known)


def _examples_of(variant: str, on_progress: Callable[[], object]) -> dict[str, Example]:
    if not iova_variants.is_foreign(variant):
        return {name: one for name, one in examples().items() if one.variant == variant}
    found: dict[str, Example] = {}
    for question in QUESTIONS:
        work = partial(_look_for, variant, question, list(found.values()))
        where = partial(_where, question)
        if example := in_child(work, variant, where, wall_s=math.inf):
            found[example.name] = example
        on_progress()
    return found


def _where(question: str, progress: int) -> str:
    return f"while a breach of {question!r} is looked for"


def _look_for(variant: str, question: str, found: list[Example], tell: Tell) -> Example | None:
    return None if is_pointless(variant, question, found) else search(variant, question)
