"""What do the gaps look like after each request of an example?

Plain text of at most 72 columns, for a terminal and a mail: highest address on the left, a letter
for a live range (# for two at once), a dot for free space, and a bar wherever something begins or
ends:

    C = alloc 0x1 (4K), limit 0xfffff, aligned
        refused, though 0xffffe fits; 1 node
        |A|........|BBBBBBBB|
"""

from __future__ import annotations

import itertools
import string
import textwrap
from collections.abc import Iterator, Sequence

from iova_lab.checking.counterexamples import Example, Outcome, outcomes
from iova_lab.checking.questions import QUESTIONS
from iova_lab.checking.reference_model import ReferenceModel
from iova_lab.traces.history import Step
from iova_variants import REFUSED
from iova_variants.making import DMA_32BIT_PFN
from iova_variants.opstream import Op

WIDTH = 72
#: Columns of at most this many characters; below that they are to scale.
WIDEST = 8

#: Slots have letters.
MOST_LETTERS = len(string.ascii_uppercase)

Live = dict[int, tuple[int, int]]


def draw(example: Example) -> str:
    """The whole example: what it shows, and every request with the gaps after it."""
    question = QUESTIONS[example.question]
    title = f"{example.name} breaks this promise:"
    parts = [title, _fill(f"{question.promise}."), "", _one(example)]
    if question.key.startswith("moved"):
        parts += ["", "The same, 4 GiB higher:", "", _one(example.moved())]
    return "\n".join(parts)


def _fill(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _one(example: Example) -> str:
    found = outcomes(example)
    states = list(_states(example.steps, found))
    notes = [
        _answer(example, step, outcome, before)
        for step, outcome, before in zip(example.steps, found, [{}, *states], strict=False)
    ]
    return _drawn(example.steps, states, notes, example.start_pfn, example.fail_alloc_at)


def draw_steps(
    steps: Sequence[Step], pfns: Sequence[int], start_pfn: int, *, wrong: tuple[int, str]
) -> str:
    """Requests with the answers that somebody gave, `REFUSED` for none, up to one that is wrong.

    ``wrong`` is the index of that request, and what is wrong with it.
    """
    at, says = wrong
    states, answers = _given(steps, pfns)
    notes = [f"WRONG: {says}" if index == at else text for index, text in enumerate(answers)]
    return _drawn(steps, states, notes, start_pfn)


def draw_visits(
    steps: Sequence[Step], pfns: Sequence[int], visits: Sequence[int], start_pfn: int
) -> str:
    """Requests with the answers that somebody gave, and the nodes that each visited."""
    states, answers = _given(steps, pfns)
    notes = [
        f"{text}; {nr} node{'s' * (nr != 1)} visited"
        for text, nr in zip(answers, visits, strict=True)
    ]
    return _drawn(steps, states, notes, start_pfn)


def _given(steps: Sequence[Step], pfns: Sequence[int]) -> tuple[list[Live], list[str]]:
    """The live ranges after each request, and its answer, where addresses are all that is known."""
    answers = [
        "done" if step.op != Op.ALLOC else "refused" if pfn == REFUSED else f"{pfn:#x}"
        for step, pfn in zip(steps, pfns, strict=True)
    ]
    found = [Outcome(None if pfn == REFUSED else pfn) for pfn in pfns]
    return list(_states(steps, found)), answers


def _drawn(
    steps: Sequence[Step],
    states: Sequence[Live],
    notes: Sequence[str],
    start_pfn: int,
    fail_alloc_at: int = 0,
) -> str:
    """The domain, a legend, and for each step the request, a note, and the gaps after it."""
    domain = f"Domain from pfn {start_pfn:#x}, pages of 4 KiB; highest address on the left."
    if fail_alloc_at:
        domain += f" Request {fail_alloc_at} for memory is refused."
    cells = _cells(steps, states, start_pfn)
    named = list(zip(string.ascii_lowercase, cells, strict=False))
    legend = ", ".join(
        f"{name}={lo:#x}" if lo == hi else f"{name}={lo:#x}..{hi:#x}" for name, (lo, hi) in named
    )
    labels = "".join(" " + name.ljust(_width(cell)) for name, cell in named).rstrip()
    lines = [_fill(domain), _fill(legend), f"        {labels}"]
    for step, note, live in zip(steps, notes, states, strict=True):
        lines += [
            f"    {_request(step)}",
            textwrap.fill(note, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 10),
            f"        {_gaps(cells, live, start_pfn)}",
        ]
    return "\n".join(lines)


def _states(steps: Sequence[Step], found: Sequence[Outcome]) -> Iterator[Live]:
    """The live ranges after each step, by slot."""
    live: Live = {}
    for step, outcome in zip(steps, found, strict=True):
        live = dict(live)
        if step.op == Op.FREE:
            if not outcome.leaked:
                live.pop(step.slot, None)
        elif step.op != Op.FIND and outcome.pfn is not None:
            live[step.slot] = (outcome.pfn, outcome.pfn + step.size - 1)
        yield live


def _cells(steps: Sequence[Step], states: Sequence[Live], start_pfn: int) -> list[tuple[int, int]]:
    """What is drawn, cut wherever anything begins or ends: (lo, hi), highest first."""
    bounds = {start_pfn}
    bounds |= {step.limit_pfn + 1 for step in steps if step.op in (Op.ALLOC, Op.RESERVE)}
    for live in states:
        for lo, hi in live.values():
            bounds |= {lo, hi + 1}
    if min(bounds) < DMA_32BIT_PFN < max(bounds):
        bounds.add(DMA_32BIT_PFN)
    return [(lo, hi - 1) for lo, hi in itertools.pairwise(sorted(bounds))][::-1]


def _width(cell: tuple[int, int]) -> int:
    return min(cell[1] - cell[0] + 1, WIDEST)


def _request(step: Step) -> str:
    letter = string.ascii_uppercase[step.slot]
    if step.op in (Op.FREE, Op.FIND):
        return f"{step.op.name.lower()} {letter}"
    if step.op == Op.RESERVE:
        return f"{letter} = reserve {step.limit_pfn - step.size + 1:#x}..{step.limit_pfn:#x}"
    aligned = ", aligned" if step.aligned else ""
    size = f"{step.size:#x} ({_bytes(step.size)})"
    return f"{letter} = alloc {size}, limit {step.limit_pfn:#x}{aligned}"


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
    """Where the highest range that this request could get begins."""
    model = ReferenceModel(start_pfn=start_pfn)
    for lo, hi in live.values():
        model.add(lo, hi)
    return model.highest_fit(step.size, step.limit_pfn, step.aligned)


def _answer(example: Example, step: Step, outcome: Outcome, live: Live) -> str:
    nodes = f"{outcome.visits} node{'s' * (outcome.visits != 1)} visited"
    if step.op == Op.FREE:
        text = "memory is refused, the range stays live" if outcome.leaked else "done"
        return f"{text}; {nodes}"
    if step.op == Op.RESERVE:
        return f"done; {nodes}"
    fit = highest_fit(step, live, example.start_pfn)
    if outcome.endless:
        return "NEVER RETURNS, and holds the lock"
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
    slots = [slot for slot, (lo, hi) in live.items() if lo <= pfn <= hi]
    if slots:
        return string.ascii_uppercase[slots[0]] if len(slots) == 1 else "#"
    return "." if pfn >= start_pfn else "-"
