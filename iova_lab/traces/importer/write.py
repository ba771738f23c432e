"""How does the text of a tracing tool become a trace file, however long it is?

Line by line, and rows through a file on disk: only live ranges are kept in memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from iova_lab.traces.file import write_trace
from iova_lab.traces.importer.assumed import Assumed
from iova_lab.traces.importer.before import rows_before
from iova_lab.traces.importer.calls import Calls
from iova_lab.traces.importer.dropped import Dropped
from iova_lab.traces.importer.forms import form_of
from iova_lab.traces.importer.order import Order
from iova_lab.traces.importer.rows import RowFile, packed
from iova_lab.traces.importer.source import ImportTextError, Source, open_source
from iova_lab.traces.importer.text import EXAMPLE, OTHER, Tally

__all__ = ["ImportTextError", "Imported", "import_source", "import_text"]

_VERSION = re.compile(r"\d+\.\d+")
#: Before, a probe of a function's end has what it returns and no argument.
WHOLE_CALLS_SINCE = (6, 9)
_SECONDS_PER_NS = 1e-9

#: Called now and then: what is being done, how far it is, and how far that will be, if known.
OnProgress = Callable[[str, int, int | None], object]


def _ignore(what: str, done: int, total: int | None) -> None:
    """Do without progress."""


@dataclass(frozen=True)
class Imported:
    """Result of an import: the file, and notes for its reader.

    ``dropped`` is what was left out, ``added`` what was put in; ``approximate`` what was assumed,
    None if nothing was; ``notes`` has all in words, one line each.
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
    approximate: str | None
    notes: tuple[str, ...]


def import_text(
    source: Path | str,
    target: Path,
    *,
    kernel: str | None = None,
    assume_limit: str | None = None,
    columns: tuple[str, ...] | None = None,
    on_progress: OnProgress = _ignore,
) -> Imported:
    """Write the trace file of ``source``, a file or "-", recorded on ``kernel``, to ``target``.

    ``source`` may be packed with gzip, xz, zstd or bzip2; ``kernel`` is the output of ``uname -r``
    there, and may be left out where the text has it (perf script --header).

    Events of iommu or dma, and columns without a limit, make a trace that is approximate:
    ``assume_limit`` is a number of bits, or "auto".  ``columns`` names those of a text in columns,
    unless its first line does.

    Raises `ImportTextError` if there is no request in it that can be imported, and `OSError`; then
    there is no ``target``, or the one that was there before.
    """
    with open_source(source) as file:
        return import_source(
            file,
            target,
            kernel=kernel,
            assume_limit=assume_limit,
            columns=columns,
            on_progress=on_progress,
        )


def import_source(
    source: Source,
    target: Path,
    *,
    kernel: str | None = None,
    assume_limit: str | None = None,
    columns: tuple[str, ...] | None = None,
    on_progress: OnProgress = _ignore,
) -> Imported:
    """As `import_text`, of a source that is open."""
    if kernel is not None:
        check_kernel(kernel)
    tally = Tally()
    found, order = Calls(tally.drops), Order()
    lines = source.lines(lambda done: on_progress("reading", done, source.size))
    form = form_of(lines, tally, source.name, assume_limit=assume_limit, columns=columns)
    if form.assumed is not None:
        found.before = {}
    rows = found.rows(order.events(form.events))
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
            _check_form(source, str(kernel), tally)
            pieces = file.pieces(lambda done: on_progress("writing", done, file.nr_rows))
            before = packed(rows_before(found.before or {}, found.seen))
            meta = _meta(source, str(kernel), tally, found)
            if form.assumed is not None:
                form.assumed.nr_before = len(before)
                meta["approximate"] = form.assumed.words()
            nr_rows = len(before) + file.nr_rows
            write_trace(target, nr_rows, chain([before], pieces), meta)
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk does not say which
        raise
    return _imported(target, nr_rows, str(kernel), tally, found, order, form.assumed)


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


def _check_form(source: Source, kernel: str, tally: Tally) -> None:
    """Raise `ImportTextError` if a kernel so old can't have written the records."""
    numbers = tuple(int(number) for number in _VERSION.findall(kernel)[0].split("."))
    if tally.whole_call and numbers < WHOLE_CALLS_SINCE:
        since = ".".join(map(str, WHOLE_CALLS_SINCE))
        raise ImportTextError(
            f"{source.name}, line {tally.whole_call}: a probe of a function's end has its"
            f" arguments, as in kernels from {since} on, and --kernel is {kernel}: give what"
            " uname -r says on the machine that recorded it"
        )


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
    said += f" docs/recording.md, such as “{EXAMPLE}”"
    # What was meant for a record comes before what was not.
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


def _imported(
    target: Path,
    nr_rows: int,
    kernel: str,
    tally: Tally,
    found: Calls,
    order: Order,
    assumed: Assumed | None,
) -> Imported:
    return Imported(
        path=target,
        kernel=kernel,
        nr_lines=tally.nr_lines,
        nr_events=tally.nr_events,
        nr_rows=nr_rows,
        nr_domains=found.domains.nr_domains,
        nr_lost=tally.nr_lost,
        dropped=tuple(tally.drops),
        added=tuple(found.added),
        approximate=None if assumed is None else assumed.words(),
        notes=(*(assumed.notes() if assumed else ()), *_notes(tally, found, order)),
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
