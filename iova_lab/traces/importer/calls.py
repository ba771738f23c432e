"""Which requests did the kernel get, and what did it answer?

The probes report calls either in one record at the return (fprobe), or in two, at the entry and at
the return.  Two are put together per thread, wherever it runs: a call that began last returns
first, for whatever interrupts an allocation is over before that goes on; and a task that another
one displaced within a call may return on another CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from iova_lab.traces.file import (
    ALLOC,
    ALLOC_FAST,
    FREE,
    FREE_FAST,
    IN_INTERRUPT,
    RESERVE,
    SIZE_ALIGNED,
    WENT_ON,
)
from iova_lab.traces.importer.domains import Domain, Domains, Geometry
from iova_lab.traces.importer.dropped import Drops
from iova_lab.traces.importer.text import Event

INIT, PUT = "iova_init", "iova_put"
_ALLOCS = {"iova_alloc_fast": ALLOC_FAST, "iova_alloc": ALLOC}
_FREES = {"iova_free_fast": FREE_FAST, "iova_free": FREE}
_RESERVE = "iova_reserve"
_RETURN = "_ret"
#: The call that a return belongs to; a return probe may have a digit, one for each instruction.
_RETURNS = {
    f"{name}{_RETURN}{digit}": name for name in (*_ALLOCS, _RESERVE) for digit in ("", *range(10))
}
#: Every event that the importer knows.
NAMES = frozenset([INIT, PUT, _RESERVE, *_ALLOCS, *_FREES, *_RETURNS])

#: Calls within calls: a task's, a soft interrupt's, an interrupt's, each at both levels, and room.
DEEPEST = 16
#: Open calls in all: more threads than that are not within the allocator at once.
MOST_THREADS = 1 << 16

#: Why something was left out.
NOT_RETURNED = "calls without their return: the recording ended, or lost it"
NOT_BEGUN = "returns without their call: the recording began inside, or lost it"
#: Put in at the beginning of an approximate trace.
BEFORE = "ranges that were live before the recording, put in at its beginning"
#: So many of those.
MOST_BEFORE = 1 << 20
NOT_LIVE = "frees of ranges that were allocated before the recording, or by a lost record"
FREE_LOST = "frees that were lost, put in where the address was handed out again"
RESERVED_TWICE = "reserved ranges that began where another one did"
NO_NUMBER = "records without a number that they need"
OTHER_GEOMETRY = "records of domains with another granule or start_pfn than the first one"
TOO_LARGE = "records with numbers that no request can have"


class Row(NamedTuple):
    """One row of the trace file, in its order; ``dom`` counts domains as they appear."""

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

    ``drops`` counts what was left out, ``added`` what was put in, by reason.  ``went_on`` is filled
    with the indices of rows that turned out to go on to the tree; whoever writes rows empties it.
    ``before``, if it is one, is filled with ranges that a free shows to have been live before the
    recording, by domain and pfn; ``seen`` then with the largest sizes of those that were allocated.
    """

    drops: Drops
    added: Drops = field(default_factory=Drops)
    domains: Domains = field(default_factory=Domains)
    went_on: list[int] = field(default_factory=list)
    nr_rows: int = 0
    before: dict[tuple[int, int], Row] | None = None
    seen: dict[tuple[int, int], int] = field(default_factory=dict)
    _open: dict[int, list[Event]] = field(default_factory=dict)  # by thread
    _tree: dict[tuple[int, bool], Row] = field(default_factory=dict)  # last tree row of a context
    #: The last fast free of a context and its index, to be told if its range goes on to the tree.
    _fast_free: dict[tuple[int, bool], tuple[int, Row]] = field(default_factory=dict)

    def rows(self, events: Iterable[Event]) -> Iterator[Row]:
        """Rows in the order of the records; a call's row is where it returned."""
        for event in events:
            try:
                found = self._rows(event)
            except KeyError:
                self.drops.add(NO_NUMBER, event.number, event.text)
                continue
            for row in found:
                self._note(row, event)
                self.nr_rows += 1
                yield row
        for calls in self._open.values():
            self._unreturned(calls)

    def _note(self, row: Row, event: Event) -> None:
        """Does this row tell that the fast free before it, of this thread, went on to the tree?"""
        context = event.thread, event.in_interrupt
        index, before = self._fast_free.pop(context, (0, None))
        if row.op == FREE_FAST:
            if len(self._fast_free) > MOST_THREADS:
                self._fast_free.clear()
            self._fast_free[context] = self.nr_rows, row
        elif before and row.op == FREE and (before.dom, before.pfn) == (row.dom, row.pfn):
            self.went_on.append(index)

    def _rows(self, event: Event) -> tuple[Row, ...]:
        name = event.name
        if name in _RETURNS:
            return self._returned(event, _RETURNS[name])
        if name in _FREES:
            return self._freed(event, _FREES[name])
        if name == INIT:
            geometry = Geometry(event["granule"], max(event["start"], 1))
            if not self.domains.initialise(event["dom"], geometry, is_first=not self.nr_rows):
                self.drops.add(OTHER_GEOMETRY, event.number, event.text)
        elif name == PUT:
            self.domains.put(event["dom"])
        elif "pfn" in event.fields or "ret" in event.fields:
            return self._answered(event, event, name)
        else:
            self._begin(event)
        return ()

    # ---- calls ----

    def _begin(self, event: Event) -> None:
        if event.thread not in self._open and len(self._open) >= MOST_THREADS:
            self._unreturned(self._open.pop(next(iter(self._open))))
        calls = self._open.setdefault(event.thread, [])
        calls.append(event)
        if len(calls) > DEEPEST:
            self._unreturned([calls.pop(0)])

    def _unreturned(self, calls: Iterable[Event]) -> None:
        for call in calls:
            self.drops.add(NOT_RETURNED, call.number, call.text)

    def _returned(self, event: Event, name: str) -> tuple[Row, ...]:
        """Close the newest open call of this name; what began after it has lost its return."""
        calls = self._open.get(event.thread, [])
        index = next((i for i in reversed(range(len(calls))) if calls[i].name == name), None)
        if index is None:
            self.drops.add(NOT_BEGUN, event.number, event.text)
            return ()
        self._unreturned(calls[index + 1 :])
        call = calls[index]
        del calls[index:]
        if not calls:
            del self._open[event.thread]
        return self._answered(call, event, name)

    def _answered(self, call: Event, answer: Event, name: str) -> tuple[Row, ...]:
        dom = self.domains.get(call["dom"])
        if dom is None:
            self.drops.add(OTHER_GEOMETRY, call.number, call.text)
            return ()
        if name == _RESERVE:
            return self._reserved(call, answer, dom)
        return self._allocated(call, answer, dom, _ALLOCS[name])

    def _reserved(self, call: Event, answer: Event, dom: Domain) -> tuple[Row, ...]:
        lo, hi = call["lo"], call["hi"]
        row = self._row(answer, RESERVE, dom, lo, hi - lo + 1)
        if row is None or not answer["ret"]:
            return ()
        if lo in dom.tree:
            self.drops.add(RESERVED_TWICE, call.number, call.text)
            return ()
        dom.tree[lo] = row.size
        return (row,)

    def _allocated(self, call: Event, answer: Event, dom: Domain, op: int) -> tuple[Row, ...]:
        pfn = answer.fields["pfn"] or 0  # unreadable: alloc_iova() returned no range
        size, limit_pfn, flags = call["size"], call["limit"], 0
        context = call.thread, call.in_interrupt
        if op == ALLOC:
            flags = SIZE_ALIGNED * bool(call["aligned"])
        else:
            tree = self._tree.pop(context, None)
            flags = WENT_ON * (tree is not None and (tree.dom, tree.pfn) == (dom.number, pfn))
        row = self._row(answer, op, dom, pfn, size, limit_pfn, flags)
        if row is None:
            return ()
        lost = self._hand_out(row, dom, answer) if pfn else ()
        if op == ALLOC:
            if len(self._tree) > MOST_THREADS:
                self._tree.clear()
            self._tree[context] = row
        return (*lost, row)

    def _hand_out(self, row: Row, dom: Domain, answer: Event) -> tuple[Row, ...]:
        """Note that a range is live; if it was so before, the free of that was lost."""
        live, op = (dom.tree, FREE) if row.op == ALLOC else (dom.fast, FREE_FAST)
        before = live.get(row.pfn)
        live[row.pfn] = row.size
        if self.before is not None and len(self.seen) < MOST_BEFORE:
            place = dom.number, row.pfn
            self.seen[place] = max(row.size, self.seen.get(place, 0))
        if before is None:
            return ()
        self.added.add(FREE_LOST, answer.number, answer.text)
        return (row._replace(op=op, size=before, limit_pfn=0, flags=0),)

    def _freed(self, event: Event, op: int) -> tuple[Row, ...]:
        pfn = event["pfn"]
        if self.domains.is_left_out(event["dom"]):
            self.drops.add(OTHER_GEOMETRY, event.number, event.text)
            return ()
        dom = self.domains.known(event["dom"])  # one that only frees is not worth a number
        live = None if dom is None else dom.fast if op == FREE_FAST else dom.tree
        size = live.pop(pfn, None) if live is not None else None
        if size is None and self.before is not None:
            dom, size = self._live_before(event, pfn)
        if dom is None or size is None:
            self.drops.add(NOT_LIVE, event.number, event.text)
            return ()
        row = self._row(event, op, dom, pfn, size)
        return (row,) if row else ()

    def _live_before(self, event: Event, pfn: int) -> tuple[Domain | None, int | None]:
        """Note that the range of this free was live when the recording began."""
        assert self.before is not None
        dom, size = self.domains.get(event["dom"]), event.fields.get("size")
        if (
            dom is None
            or not size
            or not pfn
            or max(len(self.before), len(self.seen)) >= MOST_BEFORE
        ):
            return dom, None
        if (dom.number, pfn) in self.before or (dom.number, pfn) in self.seen:
            return dom, None  # freed twice, or its allocation was lost
        row = self._row(event, RESERVE, dom, pfn, size)
        if row is None:
            return dom, None
        self.before[dom.number, pfn] = row._replace(time_ns=0, flags=0)
        self.added.add(BEFORE, event.number, event.text)
        return dom, size

    def _row(
        self,
        event: Event,
        op: int,
        dom: Domain,
        pfn: int,
        size: int,
        limit_pfn: int | None = None,
        flags: int = 0,
    ) -> Row | None:
        domains = self.domains
        possible = (
            0 < size < 2**32
            and event.cpu < 2**16
            and dom.number < 2**16
            and event.time_ns < 2**63
            and pfn + size - 1 <= domains.highest
            and (limit_pfn is None or domains.start_pfn <= limit_pfn <= domains.highest)
        )
        if not possible:
            self.drops.add(TOO_LARGE, event.number, event.text)
            return None
        if event.in_interrupt:
            flags |= IN_INTERRUPT
        return Row(event.time_ns, pfn, limit_pfn or 0, size, dom.number, event.cpu, op, flags)
