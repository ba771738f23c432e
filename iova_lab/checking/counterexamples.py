"""What is the smallest op stream on which a variant breaks a promise?

An `Example` is at most a dozen requests on one domain.  All of them are in examples.json, found and
shrunk by Hypothesis (example_search.py); here they are read, replayed one op at a time, and judged.
Which promises there are, and when a stream breaks one, is in questions.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import iova_variants
from iova_lab.basics.errors import NotFoundError
from iova_lab.traces.history import Step, step_from_json, step_to_json, stream_of
from iova_variants import REFUSED
from iova_variants.making import DMA_32BIT_PFN
from iova_variants.opstream import Op

EXAMPLES = Path(__file__).with_name("examples.json")

#: How far `moved` moves a stream: over the 4 GiB boundary, and every alignment stays.
MOVE = DMA_32BIT_PFN


class Outcome(NamedTuple):
    """What one request of an example got, and what was wrong with that.

    ``pfn`` is None where there is no address; the counts are 0 or 1, ``visits`` is of all nodes.
    """

    pfn: int | None
    visits: int = 0
    searched: int = 0
    spurious: int = 0
    not_highest: int = 0
    above_limit: int = 0
    below_start: int = 0
    leaked: int = 0
    endless: int = 0


@dataclass(frozen=True)
class Example:
    """A stream that breaks the promise ``question`` of ``variant``.

    ``fail_alloc_at``: which request for memory is refused, 0 for none.
    """

    variant: str
    question: str
    start_pfn: int
    steps: tuple[Step, ...]
    fail_alloc_at: int = 0

    @property
    def name(self) -> str:
        """What `iova-lab example` calls it, and the anchor on the page."""
        return f"{self.variant}-{self.question}"

    def moved(self) -> Example:
        """The same geometry `MOVE` pfns higher: domain, limits, reserved ranges."""
        steps = tuple(
            step if step.op == Op.FREE else step._replace(limit_pfn=step.limit_pfn + MOVE)
            for step in self.steps
        )
        return replace(self, start_pfn=self.start_pfn + MOVE, steps=steps)


def outcomes(example: Example) -> list[Outcome]:
    """What each request of an example gets, in order."""
    return [outcome_of(example, last) for last in range(len(example.steps))]


def outcome_of(example: Example, last: int) -> Outcome:
    """What request number ``last`` gets: a replay whose window is that op alone."""
    steps = example.steps[: last + 1]
    try:
        result = iova_variants.replay(
            example.variant,
            stream_of(steps, example.start_pfn, last),
            judge=True,
            pfns=True,
            fail_alloc_at=example.fail_alloc_at,
            build="counted",
        )
    except iova_variants.EndlessError:
        return Outcome(None, endless=1)
    pfn = int(result.pfns[-1])
    return Outcome(
        pfn=None if pfn == REFUSED else pfn,
        visits=result.nodes,
        searched=result.visits["search"],
        spurious=result.nr_spurious,
        not_highest=result.nr_not_highest,
        above_limit=result.nr_above_limit,
        below_start=int(steps[-1].op == Op.ALLOC and pfn < example.start_pfn),
        leaked=result.nr_leaked,
    )


def judged(example: Example) -> iova_variants.CountedReplay:
    """Replay all of an example at once, with everything watched."""
    return iova_variants.replay(
        example.variant,
        stream_of(example.steps, example.start_pfn),
        judge=True,
        pfns=True,
        op_visits=True,
        fail_alloc_at=example.fail_alloc_at,
    )


@cache
def examples() -> dict[str, Example]:
    """All examples of examples.json, by name."""
    known = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return {example.name: example for example in map(_from_json, known)}


def find_example(name: str) -> list[Example]:
    """Return the example called ``name``, or else all whose names begin so.

    Raises `NotFoundError` that lists the names.
    """
    known = examples()
    if name in known:
        return [known[name]]
    found = [example for key, example in known.items() if key.startswith(f"{name}-")]
    if not found:
        raise NotFoundError(f"no example named {name!r}; there are: {', '.join(sorted(known))}")
    return found


def _from_json(row: dict[str, Any]) -> Example:
    steps = tuple(step_from_json(step) for step in row["steps"])
    return Example(
        row["variant"], row["question"], int(row["start_pfn"], 16), steps, row["fail_alloc_at"]
    )


def store(found: Sequence[Example]) -> None:
    """Write examples.json, one example a line."""
    rows = [
        {
            "variant": example.variant,
            "question": example.question,
            "start_pfn": hex(example.start_pfn),
            "fail_alloc_at": example.fail_alloc_at,
            "steps": [step_to_json(step) for step in example.steps],
        }
        for example in found
    ]
    lines = ",\n".join(map(json.dumps, rows))
    EXAMPLES.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    examples.cache_clear()
