"""How does the text of a tracing tool become a trace file, however long it is?

Line by line, and rows through a file on disk: only live ranges are kept in memory.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from iova_lab.importer import calls
from iova_lab.importer.calls import Calls, Row
from iova_lab.importer.text import ImportTextError, Tally, events
from iova_lab.trace import TRACE_DTYPE

_OPS = ["alloc_fast", "free_fast", "alloc", "free", "reserve"]
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Imported:
    """What became of a text: the file, and what a reader of it should know, one line each."""

    path: Path
    nr_rows: int
    nr_domains: int
    nr_lost: int
    notes: tuple[str, ...]


def import_text(
    source: Path,
    target: Path,
    *,
    kernel: str,
    on_bytes: Callable[[int], object] = lambda nr_bytes: None,
) -> Imported:
    """Write the trace file of ``source``, recorded on ``kernel`` (``uname -r``), to ``target``.

    ``on_bytes`` is told now and then how much has been read.  Raises `ImportTextError` if there is
    no record of the probes of docs/recording.md in it.
    """
    tally, found = Tally(), Calls()
    with source.open(encoding="utf-8", errors="replace") as file:
        lines = events(_told(file, on_bytes), calls.NAMES, tally, str(source))
        nr_rows = _write(target, found, found.rows(lines), kernel)
    if not nr_rows:
        target.unlink()
        raise ImportTextError(
            f"{source}: {tally.nr_lines:,} lines, and none of them a request that was recorded by "
            "the probes of docs/recording.md"
        )
    return Imported(target, nr_rows, found.nr_domains, tally.nr_lost, tuple(_notes(tally, found)))


def _told(lines: Iterable[str], on_bytes: Callable[[int], object]) -> Iterator[str]:
    done = 0
    for number, line in enumerate(lines):
        done += len(line)
        if number % 4096 == 0:
            on_bytes(done)
        yield line


def _write(target: Path, found: Calls, rows: Iterator[Row], kernel: str) -> int:
    """Rows through a file without a name, then all of them into ``target`` at once."""
    with tempfile.TemporaryFile(dir=target.resolve().parent) as file:
        first = None
        while chunk := list(islice(rows, _ROWS_AT_ONCE)):
            first = chunk[0].time_ns if first is None else first
            _table(chunk, first).tofile(file)
        if not found.nr_rows:
            target.touch()
            return 0
        file.flush()
        table = np.memmap(file, TRACE_DTYPE, "r+", shape=(found.nr_rows,))
        table["flags"][np.frombuffer(found.went_on, np.uint64)] |= calls.WENT_ON
        granule, start_pfn = found.geometry or (4096, 1)
        meta = {"kernel": kernel, "granule": granule, "start_pfn": start_pfn, "ops": _OPS}
        partial = target.with_name(f".{target.name}.partial.npz")
        try:
            np.savez_compressed(partial, ops=table, meta=np.array(json.dumps(meta)))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    return found.nr_rows


def _table(chunk: list[Row], first_ns: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    table = np.zeros(len(chunk), TRACE_DTYPE)
    for name in ("pfn", "limit_pfn", "size", "dom", "cpu", "op", "flags"):
        table[name] = [getattr(row, name) for row in chunk]
    # Another CPU's record may have begun a little before the first.
    table["t_ns"] = [max(row.time_ns - first_ns, 0) for row in chunk]
    return table


def _notes(tally: Tally, found: Calls) -> Iterator[str]:
    if tally.nr_lost:
        yield f"{tally.nr_lost:,} events were lost by the tool that recorded: use a larger buffer"
    if tally.nr_other:
        yield f"{tally.nr_other:,} lines of {tally.nr_lines:,} are no records of ours: passed over"
    yield from (f"left out: {count:,} {why}" for why, count in found.dropped.items() if count)
    yield from (f"put in: {count:,} {why}" for why, count in found.added.items() if count)
    nr_unknown = found.nr_domains - found.nr_initialised
    if nr_unknown > 0:
        yield (
            f"{nr_unknown} of {found.nr_domains} domains were set up before the recording: what "
            "was reserved and live in them then is not in the trace; granule 4096 and start_pfn 1 "
            "are taken for granted where no domain says otherwise"
        )
