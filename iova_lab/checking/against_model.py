"""Does a variant agree, call by call, with brute force over a list of ranges?

The judge of the harness sees answers of alloc(); here is what it doesn't see: the bounds that
find() tells, before and after every call and around every range, what reserve() and free() did to
other ranges, and whether a free of nothing leaves all as it was.
"""

from __future__ import annotations

import contextlib
import functools

import numpy as np

import iova_variants
from iova_lab.checking.reference_model import ReferenceModel, reference_model
from iova_lab.checking.standalone import Verdict
from iova_lab.traces.history import History, Step
from iova_variants import Variant
from iova_variants.child import Tell, run_in_child
from iova_variants.watch import Limits

#: Ranges around which find() is asked after every call; all are asked about at the end.
_NEIGHBOURS = 2


class _Different(Exception):  # noqa: N818 - it is an answer, not an error
    pass


class _Run:
    """One domain of a history, and its model."""

    def __init__(self, domain: iova_variants.Domain, model: ReferenceModel) -> None:
        self.domain = domain
        self.model = model
        self.slots: dict[int, int | None] = {}

    def step(self, step: Step) -> None:
        pfn = getattr(self, f"_{step.op.name.lower()}")(step)
        if pfn is not None:
            self._look(pfn)

    def _alloc(self, step: Step) -> int | None:
        pfn = self.domain.alloc(step.size, step.limit_pfn, step.aligned)
        self.slots[step.slot] = pfn
        if pfn is not None:
            if self.model.overlaps(pfn, pfn + step.size - 1):
                raise _Different(f"alloc() answers {pfn:#x}, which overlaps a live range")
            self.model.add(pfn, pfn + step.size - 1)
        return pfn

    def _reserve(self, step: Step) -> int:
        lo = step.limit_pfn - step.size + 1
        self.domain.reserve(lo, step.limit_pfn)
        self.model.reserve(lo, step.limit_pfn)
        self.slots[step.slot] = lo
        return lo

    def _free(self, step: Step) -> int | None:
        pfn = self.slots[step.slot]
        if pfn is None:
            return None
        live = self.model.live()
        self.model.free(pfn)
        before = self.domain.dump() if live == self.model.live() else None
        self.domain.free(pfn)
        if before is not None and not np.array_equal(before, self.domain.dump()):
            raise _Different(f"free({pfn:#x}), where nothing is live, changes the domain")
        return pfn

    def _find(self, step: Step) -> int | None:
        return self.slots[step.slot]

    def _look(self, pfn: int) -> None:
        """Ask find() around ``pfn``: at its range, and at those beside it."""
        ranges = self.model.live()
        at = next((i for i, (_, hi) in enumerate(ranges) if hi >= pfn), len(ranges))
        self._compare([pfn, *self._edges(max(at - _NEIGHBOURS, 0), at + _NEIGHBOURS)])

    def look_everywhere(self) -> None:
        """Ask find() around every range."""
        self._compare([0, *self._edges(0, len(self.model.ranges))])

    def _edges(self, first: int, last: int) -> list[int]:
        return [
            pfn
            for lo, hi in self.model.live()[first:last]
            for pfn in (lo - 1, lo, (lo + hi) // 2, hi, hi + 1)
            if 0 <= pfn <= self.domain.max_pfn
        ]

    def _compare(self, pfns: list[int]) -> None:
        for pfn in dict.fromkeys(pfns):
            expected, found = self.model.find(pfn), self.domain.find(pfn)
            if expected != found:
                raise _Different(
                    f"find({pfn:#x}) says {_range(found)}; live there is {_range(expected)}"
                )


def _range(bounds: tuple[int, int] | None) -> str:
    return "nothing" if bounds is None else f"{bounds[0]:#x}..{bounds[1]:#x}"


def _lead(variant: Variant, history: History, tell: Tell) -> tuple[int, str] | None:
    """Index of the step, and what is different after it."""
    with contextlib.ExitStack() as stack:
        space = (history.granule, history.start_pfn)
        runs = [
            _Run(
                stack.enter_context(iova_variants.Domain(variant, *space)),
                reference_model(variant.claims, *space),
            )
            for _ in range(history.nr_domains)
        ]
        last = {dom: index for index, dom in enumerate(history.doms)}
        for index, (dom, step) in enumerate(history.placed()):
            tell(str(index))
            try:
                runs[dom].step(step)
                if index == last.get(dom, len(history.steps) - 1):
                    runs[dom].look_everywhere()
            except _Different as error:
                return index, str(error)
            except (ValueError, MemoryError, iova_variants.VariantError) as error:
                return index, f"{step.op.name.lower()}() answers what can't be used: {error}"
    return None


def run(variant: Variant, history: History, cpu_s: float = 5.0) -> Verdict:
    """Hold one history against the model; memory is never refused here."""
    work = functools.partial(_lead, variant, history)
    report = run_in_child(work, Limits(wall_s=60 * cpu_s, cpu_s=cpu_s))
    none = np.zeros(0, np.uint64)
    at = int(report.told[-1]) if report.told else 0
    if report.died:
        return Verdict(report.died.split(",")[0], report.died, at, none)
    if report.error:
        raise report.error
    if report.answer is None:
        return Verdict("", "", len(history.steps), none)
    index, says = report.answer
    return Verdict(f"model: {says.partition('(')[0]}", says, index, none)
