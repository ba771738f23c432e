"""What does the search vary?  Recipes for op streams, of any number of live ranges.

A genome is a list of genes: fill, free every third, free one and allocate one for a while, request
something that may not fit.  Counts and limits may grow with the number of live ranges, so that a
genome found at 100 is tried at 10,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from iova_lab.traces.history import History, Step
from iova_variants.opstream import Op

Kind = Literal["fill", "free", "churn", "ask", "reserve"]
KINDS: tuple[Kind, ...] = ("fill", "free", "churn", "ask", "reserve")
#: Bits of a granule: limits are given as bits of an address.
GRANULE_BITS = 12


class Gene(NamedTuple):
    """One part of a genome.

    ``share`` of the live ranges for fill and free; ``times``, and ``per_range`` more for each live
    range, for churn and ask; sizes in turn; the limit is that of an address of ``bits``, less
    ``below`` pfns, less ``depth`` pfns per live range.

    The filled slots are in a row, oldest first.  The first that is picked is at the share ``at`` of
    the row, plus ``first``; the next one is ``stride``, plus the share ``step`` of the row, further
    on.  Shares, for what depends on the middle of the row at 100 ranges has to be about its middle
    at 10,000.

    ``cpu`` makes the requests and ``free_cpu`` the frees, ``past`` the rcache or through it.
    """

    kind: Kind
    share: float = 1.0
    times: int = 1
    size: int = 1
    other: int = 1
    bits: int = 48
    below: int = 0
    depth: float = 0.0
    aligned: bool = False
    first: int = 0
    stride: int = 1
    at: float = 0.0
    step: float = 0.0
    per_range: float = 0.0
    cpu: int = 0
    free_cpu: int = 0
    past: bool = False

    def limit(self, nr_live: int, start_pfn: int) -> int:
        """The limit, inclusive, at so many live ranges; no stream has one below start_pfn."""
        high = 1 << (self.bits - GRANULE_BITS)
        return max(high - 1 - self.below - round(self.depth * nr_live), start_pfn)


@dataclass(frozen=True)
class Genome:
    """A genome, and where its domain begins."""

    genes: tuple[Gene, ...]
    start_pfn: int = 1

    def history(self, nr_live: int) -> History:
        """The stream at so many live ranges."""
        maker = _Maker(nr_live, self.start_pfn)
        for gene in self.genes:
            maker.add(gene)
        return History(tuple(maker.steps), self.start_pfn)


class _Maker:
    """Steps of a genome, and the slots that are filled after them, oldest first."""

    def __init__(self, nr_live: int, start_pfn: int) -> None:
        self.nr_live, self.start_pfn = nr_live, start_pfn
        self.steps: list[Step] = []
        self.filled: list[int] = []
        self.past: set[int] = set()
        self.nr_slots = self.limit = 0

    def add(self, gene: Gene) -> None:
        """The steps of one gene."""
        self.limit = gene.limit(self.nr_live, self.start_pfn)
        if gene.kind in ("fill", "ask"):
            for index in range(self.count(gene) if gene.kind == "fill" else self.times(gene)):
                self.alloc(gene, index)
        elif gene.kind == "free":
            for slot in self.picked(gene):
                self.free(gene, slot)
        elif gene.kind == "churn":
            for index in range(self.times(gene) if self.filled else 0):
                self.free(gene, self.filled.pop(self.place(gene, index)))
                self.alloc(gene, index)
        else:
            size = min(gene.size, self.limit + 1)
            self.steps.append(Step(Op.RESERVE, self.new_slot(), size, self.limit))

    def count(self, gene: Gene) -> int:
        """How many of the live ranges a gene is about."""
        return max(round(gene.share * self.nr_live), 1)

    def times(self, gene: Gene) -> int:
        """How often it is done."""
        return gene.times + round(gene.per_range * self.nr_live)

    def place(self, gene: Gene, index: int) -> int:
        """Where in the row of filled slots the pick of this number is."""
        nr = len(self.filled)
        return (round(gene.at * nr) + gene.first + index * self.hop(gene)) % nr

    def hop(self, gene: Gene) -> int:
        """From one pick to the next."""
        return gene.stride + round(gene.step * len(self.filled))

    def picked(self, gene: Gene) -> list[int]:
        """Slots that are freed, which leave the row: each once, and none beyond its end."""
        if not self.filled:
            return []
        row, hop = self.filled, self.hop(gene) or 1
        chosen = row[self.place(gene, 0) :: hop][: self.count(gene)]
        gone = set(chosen)
        self.filled = [slot for slot in row if slot not in gone]
        return chosen

    def new_slot(self) -> int:
        """A slot that nothing was in; it is filled from now on."""
        self.nr_slots += 1
        self.filled.append(self.nr_slots - 1)
        return self.nr_slots - 1

    def alloc(self, gene: Gene, index: int) -> None:
        """One request; of every two the second has the other size."""
        slot = self.new_slot()
        size = gene.other if index % 2 else gene.size
        if gene.past:
            self.past.add(slot)
        self.steps.append(Step(Op.ALLOC, slot, size, self.limit, gene.aligned, gene.cpu, gene.past))

    def free(self, gene: Gene, slot: int) -> None:
        """One range goes, by the route by which it came."""
        self.steps.append(Step(Op.FREE, slot, cpu=gene.free_cpu, past=slot in self.past))
