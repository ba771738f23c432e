"""What do the gaps look like after each request of an example?

Plain text of at most 72 columns, for a terminal and a mail: highest address on the left, a letter
for a live range, a dot for free space, and a bar wherever something begins or ends:

    C = alloc 0x1 (4K), limit 0xfffff, aligned
        refused, though 0xffffe fits; 1 node
        |A|........|BBBBBBBB|
"""

from __future__ import annotations

import itertools
import string
import textwrap
from collections.abc import Iterator, Sequence

from iova_lab.counterexamples import Example, Outcome, Step, outcomes
from iova_lab.opstream import Op
from iova_lab.questions import QUESTIONS
from iova_lab.workloads._common import DMA_32BIT_PFN

WIDTH = 72
#: Columns of at most this many characters; below that they are to scale.
WIDEST = 8

Live = dict[int, tuple[int, int]]


def draw(example: Example) -> str:
    """The whole example: what it shows, and every request with the gaps after it."""
    question = QUESTIONS[example.question]
    title = f"{example.name} breaks this promise:"
    parts = [title, _fill(question.promise + "."), "", _one(example)]
    if question.key.startswith("moved"):
        parts += ["", "The same, 4 GiB further up:", "", _one(example.moved())]
    return "\n".join(parts)


def _fill(text: str, indent: str = "  ") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _one(example: Example) -> str:
    found = outcomes(example)
    states = list(_states(example.steps, found))
    cells = _cells(example, states)
    lines = [_domain(example), _fill("; ".join(_legend(cells)))]
    lines.append("        " + _labels(cells))
    before: Live = {}
    for step, outcome, live in zip(example.steps, found, states, strict=True):
        lines.append(f"    {_request(step)}")
        lines.append(f"        {_answer(example, step, outcome, before)}")
        lines.append(f"        {_gaps(cells, live, example.start_pfn)}")
        before = live
    return "\n".join(lines)


def _domain(example: Example) -> str:
    text = f"Domain from pfn {example.start_pfn:#x}, pages of 4 KiB; highest address on the left."
    if example.fail_alloc_at:
        text += f" Request {example.fail_alloc_at} for memory is refused."
    return _fill(text)


def _states(steps: Sequence[Step], found: Sequence[Outcome]) -> Iterator[Live]:
    """The live ranges after each step, by slot."""
    live: Live = {}
    for step, outcome in zip(steps, found, strict=True):
        live = dict(live)
        if step.op == Op.FREE:
            if not outcome.leaked:
                live.pop(step.slot, None)
        elif outcome.pfn is not None:
            live[step.slot] = (outcome.pfn, outcome.pfn + step.size - 1)
        yield live


def _cells(example: Example, states: Sequence[Live]) -> list[tuple[int, int]]:
    """What is drawn, cut wherever anything begins or ends: (lo, hi), highest first."""
    bounds = {example.start_pfn}
    bounds |= {step.limit_pfn + 1 for step in example.steps if step.op != Op.FREE}
    for live in states:
        for lo, hi in live.values():
            bounds |= {lo, hi + 1}
    if min(bounds) < DMA_32BIT_PFN < max(bounds):
        bounds.add(DMA_32BIT_PFN)
    return [(lo, hi - 1) for lo, hi in itertools.pairwise(sorted(bounds))][::-1]


def _width(cell: tuple[int, int]) -> int:
    return min(cell[1] - cell[0] + 1, WIDEST)


def _legend(cells: Sequence[tuple[int, int]]) -> list[str]:
    return [
        f"{name} {lo:#x}" if lo == hi else f"{name} {lo:#x}..{hi:#x}"
        for name, (lo, hi) in zip(string.ascii_lowercase, cells, strict=False)
    ]


def _labels(cells: Sequence[tuple[int, int]]) -> str:
    names = zip(string.ascii_lowercase, cells, strict=False)
    return "".join(" " + name.ljust(_width(cell)) for name, cell in names).rstrip()


def _letter(slot: int) -> str:
    return string.ascii_uppercase[slot]


def _request(step: Step) -> str:
    if step.op == Op.FREE:
        return f"free {_letter(step.slot)}"
    if step.op == Op.RESERVE:
        lo = step.limit_pfn - step.size + 1
        return f"{_letter(step.slot)} = reserve {lo:#x}..{step.limit_pfn:#x}"
    aligned = ", aligned" if step.aligned else ""
    size = f"{step.size:#x} ({_bytes(step.size)})"
    return f"{_letter(step.slot)} = alloc {size}, limit {step.limit_pfn:#x}{aligned}"


def _bytes(size: int) -> str:
    """Write pfns of 4 KiB as kernel people do: 4K, 2G, 16M-4K."""
    total = size * 4096
    for unit, power in (("G", 30), ("M", 20)):
        if total % (1 << power) == 0:
            return f"{total >> power}{unit}"
        if (total + 4096) % (1 << power) == 0:
            return f"{(total + 4096) >> power}{unit}-4K"
    return f"{total >> 10}K"


def highest_fit(step: Step, live: Live, start_pfn: int) -> int | None:
    """Where the highest range that this request could get begins, by trying every gap's top."""
    align = 1 << (step.size - 1).bit_length() if step.aligned else 1
    tops = [step.limit_pfn] + [lo - 1 for lo, _ in live.values() if lo <= step.limit_pfn]
    fits = [(top - step.size + 1) // align * align for top in tops]
    return max((pfn for pfn in fits if _is_free(pfn, step.size, live, start_pfn)), default=None)


def _is_free(pfn: int, size: int, live: Live, start_pfn: int) -> bool:
    return pfn >= start_pfn and all(hi < pfn or pfn + size <= lo for lo, hi in live.values())


def _answer(example: Example, step: Step, outcome: Outcome, live: Live) -> str:
    nodes = f"{outcome.visits} node{'s' * (outcome.visits != 1)} visited"
    if step.op == Op.FREE:
        text = "memory is refused, the range stays live" if outcome.leaked else "done"
        return f"{text}; {nodes}"
    if step.op == Op.RESERVE:
        return f"done; {nodes}"
    fit = highest_fit(step, live, example.start_pfn)
    if outcome.pfn is None:
        text = f"refused, though {fit:#x} fits" if outcome.spurious else "refused"
        return f"{text}; {nodes}"
    return f"{outcome.pfn:#x}{_blame(outcome, fit)}; {nodes}"


def _blame(outcome: Outcome, fit: int | None) -> str:
    if outcome.above_limit:
        return ", ABOVE ITS LIMIT"
    if outcome.below_start:
        return ", BELOW start_pfn"
    return f", though {fit:#x} is the highest fit" if outcome.not_highest else ""


def _gaps(cells: Sequence[tuple[int, int]], live: Live, start_pfn: int) -> str:
    drawn = (_letter_at(lo, live, start_pfn) * _width((lo, hi)) for lo, hi in cells)
    return f"|{'|'.join(drawn)}|"


def _letter_at(pfn: int, live: Live, start_pfn: int) -> str:
    for slot, (lo, hi) in live.items():
        if lo <= pfn <= hi:
            return _letter(slot)
    return "." if pfn >= start_pfn else "-"
