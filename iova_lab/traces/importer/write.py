"""How does the text of a tracing tool become a trace file, however long it is?

Line by line, and rows through a file on disk: only live ranges are kept in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iova_lab.traces.file import write_trace
from iova_lab.traces.importer.calls import NAMES, Calls
from iova_lab.traces.importer.dropped import Dropped
from iova_lab.traces.importer.order import Order
from iova_lab.traces.importer.rows import RowFile
from iova_lab.traces.importer.source import ImportTextError, Source, open_source
from iova_lab.traces.importer.text import OTHER, Tally, events

__all__ = ["ImportTextError", "Imported", "import_source", "import_text"]

_VERSION = re.compile(r"\d+\.\d+")
_SECONDS_PER_NS = 1e-9

#: Called now and then: what is being done, how far it is, and how far that will be, if known.
OnProgress = Callable[[str, int, int | None], object]


def _ignore(what: str, done: int, total: int | None) -> None:
    """Do without progress."""


@dataclass(frozen=True)
class Imported:
    """What became of a text: the file, and what a reader of it should know.

    ``dropped`` is what was left out, ``added`` what was put in; ``notes`` says all in words, one
    line each.
    """

    path: Path
    kernel: str
    nr_lines: int
    nr_events: int
    nr_rows: int
    nr_domains: int
    nr_lost: int
    dropped: tuple[Dropped, ...]
    added: tuple[Dropped, ...]
    notes: tuple[str, ...]


def import_text(
    source: Path | str,
    target: Path,
    *,
    kernel: str | None = None,
    on_progress: OnProgress = _ignore,
) -> Imported:
    """Write the trace file of ``source``, a file or "-", recorded on ``kernel``, to ``target``.

    ``source`` may be packed with gzip, xz, zstd or bzip2; ``kernel`` is what ``uname -r`` said
    there, and may be left out where the text says it (perf script --header).

    Raises `ImportTextError` if there is no record of the probes of docs/recording.md in it, and
    `OSError`; then there is no ``target``, or the one that was there before.
    """
    with open_source(source) as file:
        return import_source(file, target, kernel=kernel, on_progress=on_progress)


def import_source(
    source: Source, target: Path, *, kernel: str | None = None, on_progress: OnProgress = _ignore
) -> Imported:
    """As `import_text`, of a source that is open."""
    if kernel is not None:
        check_kernel(kernel)
    tally = Tally()
    found, order = Calls(tally.drops), Order()
    lines = source.lines(lambda done: on_progress("reading", done, source.size))
    rows = found.rows(order.events(events(lines, NAMES, tally)))
    if not target.resolve().parent.is_dir():
        raise ImportTextError(f"{target}: there is no folder {target.resolve().parent}")
    try:
        with RowFile(target.resolve().parent) as file:
            for row in rows:
                if not file.nr_rows:
                    kernel = _kernel(source, kernel, tally)
                if file.add(row):
                    file.went_on(found.went_on)
                    file.flush()
            file.went_on(found.went_on)
            if not file.nr_rows:
                raise ImportTextError(f"{source.name}: {_nothing(tally)}")
            pieces = file.pieces(lambda done: on_progress("writing", done, file.nr_rows))
            write_trace(target, file.nr_rows, pieces, _meta(source, str(kernel), tally, found))
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk does not say which
        raise
    return _imported(target, str(kernel), tally, found, order)


def check_kernel(kernel: str) -> None:
    """Raise `ImportTextError` if that is no kernel's release: its rcache depends on it."""
    if not _VERSION.match(kernel):
        raise ImportTextError(f"kernel {kernel!r} does not begin with a version, as 6.12.9-amd64")


def _kernel(source: Source, kernel: str | None, tally: Tally) -> str:
    if kernel and tally.release and not _agree(kernel, tally.release):
        raise ImportTextError(
            f"{source.name} was recorded on {tally.release}, by its own header, and --kernel is"
            f" {kernel}: leave --kernel out, or take the header out"
        )
    kernel = kernel or tally.release
    if kernel is None:
        raise ImportTextError(
            f"{source.name} does not say on which kernel it was recorded: --kernel, what uname -r"
            " says there"
        )
    check_kernel(kernel)
    return kernel


def _agree(kernel: str, release: str) -> bool:
    """May both be one kernel?  One may be cut short, at the end of a number or word."""
    short, long = sorted((kernel, release), key=len)
    return long == short or (long.startswith(short) and not long[len(short)].isalnum())


def _nothing(tally: Tally) -> str:
    """Why there is no request in a text."""
    if tally.foreign and not tally.nr_events:
        return tally.foreign
    said = (
        f"{tally.nr_lines:,} lines, and none of them a request that was recorded by the probes of"
    )
    said += " docs/recording.md"
    worst = sorted(tally.drops, key=lambda dropped: (dropped.reason == OTHER, -dropped.count))
    return f"{said}; {worst[0]}" if worst else said


def _meta(source: Source, kernel: str, tally: Tally, found: Calls) -> dict[str, Any]:
    geometry = found.domains.geometry
    return {
        "kernel": kernel,
        "granule": geometry.granule,
        "start_pfn": geometry.start_pfn,
        "source": Path(source.name).name,
        "nr_lost": tally.nr_lost,
        "dropped": {dropped.reason: dropped.count for dropped in tally.drops},
        "added": {added.reason: added.count for added in found.added},
    }


def _imported(target: Path, kernel: str, tally: Tally, found: Calls, order: Order) -> Imported:
    return Imported(
        path=target,
        kernel=kernel,
        nr_lines=tally.nr_lines,
        nr_events=tally.nr_events,
        nr_rows=found.nr_rows,
        nr_domains=found.domains.nr_domains,
        nr_lost=tally.nr_lost,
        dropped=tuple(tally.drops),
        added=tuple(found.added),
        notes=tuple(_notes(tally, found, order)),
    )


def _notes(tally: Tally, found: Calls, order: Order) -> Iterator[str]:
    if tally.nr_lost:
        yield f"{tally.nr_lost:,} events were lost by the tool that recorded: use a larger buffer"
    if tally.nr_cleaned:
        yield f"{tally.nr_cleaned:,} lines were quoted (> ) or coloured: that was taken off"
    yield from (f"left out: {dropped}" for dropped in tally.drops)
    yield from (f"put in: {added}" for added in found.added)
    if order.nr_sorted:
        yield (
            f"{order.nr_sorted:,} records came after a later one, by up to "
            f"{order.most_ns * _SECONDS_PER_NS:.6f} s: sorted by their time"
        )
    if order.nr_breaks:
        yield (
            f"{order.nr_breaks:,} times the clock fell by more than a second: what stands before"
            " that is taken to be earlier; sort files of single CPUs by time, then read them"
        )
    nr_unknown = found.domains.nr_domains - found.domains.nr_initialised
    if nr_unknown > 0:
        yield (
            f"{nr_unknown} of {found.domains.nr_domains} domains were set up before the recording:"
            " what was reserved and live in them then is not in the trace; granule 4096 and"
            " start_pfn 1 are taken for granted where no domain says otherwise"
        )
