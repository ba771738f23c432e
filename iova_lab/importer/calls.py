"""Which requests did the kernel get, and what did it answer?

The probes report calls either in one record at the return (fprobe), or in two, at the entry and at
the return.  Two are put together per CPU: a call that began last returns first, for whatever
interrupts an allocation is over before that goes on.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from iova_lab.importer.text import Event

ALLOC_FAST, FREE_FAST, ALLOC, FREE, RESERVE = range(5)
WENT_ON, IN_INTERRUPT, SIZE_ALIGNED = 1, 2, 8

INIT, PUT = "iova_init", "iova_put"
_ALLOCS = {"iova_alloc_fast": ALLOC_FAST, "iova_alloc": ALLOC}
_FREES = {"iova_free_fast": FREE_FAST, "iova_free": FREE}
_RESERVE = "iova_reserve"
_RETURN = "_ret"
#: Every event that the importer knows; a return probe may have a digit, one for each instruction.
NAMES = frozenset(
    [INIT, PUT, _RESERVE, *_ALLOCS, *_FREES]
    + [f"{name}{_RETURN}{digit}" for name in (*_ALLOCS, _RESERVE) for digit in ("", *range(10))]
)

#: Why something was left out.
NOT_RETURNED = "calls without their return: the recording ended, or lost it"
NOT_BEGUN = "returns without their call: the recording began inside, or lost it"
NOT_LIVE = "frees of ranges that were allocated before the recording, or by a lost record"
FREE_LOST = "frees that were lost, put in where the address was handed out again"
RESERVED_TWICE = "reserved ranges that began where another one did"
NO_NUMBER = "records without a number that they need"
OTHER_GEOMETRY = "records of domains with another granule or start_pfn than the first one"
TOO_LARGE = "records with numbers that no request can have"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the trace file; ``dom`` counts domains as they appear."""

    time_ns: int
    pfn: int
    limit_pfn: int
    size: int
    dom: int
    cpu: int
    op: int
    flags: int


@dataclass
class Calls:
    """Rows from events, with what was seen on the way.

    ``geometry`` is granule and start_pfn of the first domain that was initialised in the recording,
    None if none was; ``dropped`` counts what was left out, ``added`` what was put in, by reason.
    ``went_on`` has the rows of fast frees whose range went on to the tree at once.
    """

    geometry: tuple[int, int] | None = None
    dropped: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    went_on: array[int] = field(default_factory=lambda: array("Q"))
    nr_rows: int = 0
    nr_domains: int = 0
    nr_initialised: int = 0
    _domains: dict[int, int | None] = field(default_factory=dict)  # iovad: number; None: left out
    _open: dict[int, list[Event]] = field(default_factory=lambda: defaultdict(list))  # by CPU
    _live: dict[tuple[int, int, bool], int] = field(default_factory=dict)  # dom, pfn, fast: size
    _tree: dict[int, Row] = field(default_factory=dict)  # last tree row of a CPU
    _fast_free: dict[int, tuple[int, Row]] = field(default_factory=dict)  # last of a CPU, its index

    def rows(self, events: Iterable[Event]) -> Iterator[Row]:
        """Rows in the order of the records; a call's row is where it returned."""
        for event in events:
            try:
                for row in self._rows(event):
                    self._note(row)
                    self.nr_rows += 1
                    yield row
            except KeyError:
                self.dropped[NO_NUMBER] += 1
        self.dropped[NOT_RETURNED] += sum(map(len, self._open.values()))

    def _note(self, row: Row) -> None:
        """Does this row tell that the fast free before it, on this CPU, went on to the tree?"""
        index, before = self._fast_free.pop(row.cpu, (0, None))
        if row.op == FREE_FAST:
            self._fast_free[row.cpu] = self.nr_rows, row
        elif before and row.op == FREE and (before.dom, before.pfn) == (row.dom, row.pfn):
            self.went_on.append(index)

    def _rows(self, event: Event) -> Iterator[Row]:
        name = event.name.partition(_RETURN)[0]
        if name == INIT:
            self._initialise(event)
        elif name == PUT:
            self._forget(event["dom"])
        elif name in _FREES:
            yield from self._freed(event, _FREES[name])
        elif event.name != name:
            yield from self._returned(event, name)
        elif "pfn" in event.fields or "ret" in event.fields:
            yield from self._answered(event, event, name)
        else:
            self._open[event.cpu].append(event)

    # ---- domains ----

    def _initialise(self, event: Event) -> None:
        geometry = (event["granule"], max(event["start"], 1))
        self._forget(event["dom"])
        self.geometry = self.geometry or geometry
        if geometry == self.geometry:
            self._number(event["dom"])
            self.nr_initialised += 1
        else:
            self._domains[event["dom"]] = None

    def _forget(self, iovad: int) -> None:
        dom = self._domains.pop(iovad, None)
        if dom is not None:
            for key in [key for key in self._live if key[0] == dom]:
                del self._live[key]

    def _number(self, iovad: int) -> int | None:
        if iovad not in self._domains:
            self._domains[iovad] = self.nr_domains
            self.nr_domains += 1
        return self._domains[iovad]

    # ---- calls ----

    def _returned(self, event: Event, name: str) -> Iterator[Row]:
        """Close the newest open call of this name; what began after it has lost its return."""
        stack = self._open[event.cpu]
        index = next((i for i in reversed(range(len(stack))) if stack[i].name == name), None)
        if index is None:
            self.dropped[NOT_BEGUN] += 1
            return
        self.dropped[NOT_RETURNED] += len(stack) - index - 1
        call = stack[index]
        del stack[index:]
        yield from self._answered(call, event, name)

    def _answered(self, call: Event, answer: Event, name: str) -> Iterator[Row]:
        dom = self._number(call["dom"])
        if dom is None:
            self.dropped[OTHER_GEOMETRY] += 1
        elif name == _RESERVE:
            yield from self._reserved(call, answer, dom)
        else:
            yield from self._allocated(call, answer, dom, _ALLOCS[name])

    def _reserved(self, call: Event, answer: Event, dom: int) -> Iterator[Row]:
        lo, hi = call["lo"], call["hi"]
        row = self._row(call, RESERVE, dom, pfn=lo, size=hi - lo + 1)
        if row is None or not answer["ret"]:
            return
        if (dom, lo, False) in self._live:
            self.dropped[RESERVED_TWICE] += 1
            return
        self._live[dom, lo, False] = row.size
        yield row

    def _allocated(self, call: Event, answer: Event, dom: int, op: int) -> Iterator[Row]:
        pfn = answer.fields["pfn"] or 0  # unreadable: alloc_iova() returned no range
        aligned = op == ALLOC and bool(call["aligned"])
        flags = SIZE_ALIGNED * aligned
        if op == ALLOC_FAST:
            tree = self._tree.pop(call.cpu, None)
            flags |= WENT_ON * (tree is not None and (tree.dom, tree.pfn) == (dom, pfn))
        row = self._row(
            answer, op, dom, pfn=pfn, size=call["size"], limit_pfn=call["limit"], flags=flags
        )
        if row is None:
            return
        fast = op == ALLOC_FAST
        if pfn:
            before = self._live.get((dom, pfn, fast))
            if before:
                self.added[FREE_LOST] += 1
                yield replace(
                    row, op=FREE_FAST if fast else FREE, size=before, limit_pfn=0, flags=0
                )
            self._live[dom, pfn, fast] = row.size
        if not fast:
            self._tree[call.cpu] = row
        yield row

    def _freed(self, event: Event, op: int) -> Iterator[Row]:
        dom = self._domains.get(event["dom"], -1)  # one that only frees is not worth a number
        if dom is None:
            self.dropped[OTHER_GEOMETRY] += 1
            return
        size = self._live.pop((dom, event["pfn"], op == FREE_FAST), None)
        if size is None:
            self.dropped[NOT_LIVE] += 1
            return
        row = self._row(event, op, dom, pfn=event["pfn"], size=size)
        if row:
            yield row

    def _row(
        self,
        event: Event,
        op: int,
        dom: int,
        *,
        pfn: int,
        size: int,
        limit_pfn: int = 0,
        flags: int = 0,
    ) -> Row | None:
        if not 0 < size < 2**32 or event.cpu >= 2**16 or dom >= 2**16 or pfn >= 2**64 - size:
            self.dropped[TOO_LARGE] += 1
            return None
        flags |= IN_INTERRUPT * event.in_interrupt
        return Row(event.time_ns, pfn, limit_pfn, size, dom, event.cpu, op, flags)
