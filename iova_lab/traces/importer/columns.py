"""Requests in columns: a line a request, as a script can write it.

The first line names the columns, or a user does.  docs/traces.md describes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation

from iova_lab.traces.importer.assumed import SHIFT, Assumed, pages_of
from iova_lab.traces.importer.dropped import printable
from iova_lab.traces.importer.source import CUT, ImportTextError
from iova_lab.traces.importer.text import CUT_LINE, Event, Tally

#: Names of columns, and what stands there.
COLUMNS = {
    "ts": "seconds, such as 1.000002",
    "t_ns": "nanoseconds, a whole number",
    "cpu": "the number of a CPU",
    "dom": "a number or a name, one for each domain",
    "op": "alloc, free or reserve",
    "pfn": "a page number, 0 or nothing where the request was refused",
    "addr": "an address in bytes, in place of pfn",
    "size": "pages",
    "bytes": "bytes, in place of size",
    "limit": "the highest page number that is allowed",
    "-": "anything; it is passed over",
}
EXAMPLE = "ts,cpu,dom,op,pfn,size,limit / 1.000002,0,0,alloc,0xffffe,1,0xfffff"
_OPS = {
    **dict.fromkeys(("alloc", "map"), "iova_alloc_fast"),
    **dict.fromkeys(("free", "unmap"), "iova_free_fast"),
    "reserve": "iova_reserve",
}
_SEPARATOR = re.compile(r"\s*[,;\t]\s*|\s+")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}")


def heading(line: bytes) -> tuple[str, ...] | None:
    """The columns that a first line names, None if it is none."""
    names = tuple(_split(line.lower()))
    known = all(name in COLUMNS for name in names)
    return names if known and "op" in names and len(names) > 2 else None


def check(names: Sequence[str]) -> None:
    """Raise `ImportTextError` unless these columns make requests."""
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        raise ImportTextError(
            f"column {unknown[0]!r}: there are {', '.join(COLUMNS)}; an example: {EXAMPLE}"
        )
    for wanted in (("op",), ("pfn", "addr"), ("size", "bytes"), ("ts", "t_ns")):
        if not set(wanted) & set(names):
            raise ImportTextError(f"no column {' or '.join(wanted)}; an example: {EXAMPLE}")


def events(
    lines: Iterable[bytes],
    names: Sequence[str],
    tally: Tally,
    assumed: Assumed | None,
    source: str,
) -> Iterator[Event]:
    """Yield the events of the lab's probes; ``assumed`` has the limits where no column does.

    Raises `ImportTextError` with the line, what was expected, and an example.
    """
    doms: dict[str, int] = {}
    for number, raw in enumerate(lines, 1):
        tally.nr_lines = number
        if raw.endswith(CUT) and len(_split(raw.removesuffix(CUT))) < len(names):
            tally.drops.add(CUT_LINE, number, raw.removesuffix(CUT))
            continue
        line = raw.removesuffix(CUT).removesuffix(b"\r")
        if not line.strip() or line.lstrip()[:1] == b"#" or heading(line) == tuple(names):
            continue
        try:
            event = _event(line, names, doms, assumed, number)
        except ValueError as error:
            expected = ",".join(names)
            raise ImportTextError(
                f"{source}: line {number:,}: {error}; expected is {expected}, for example {EXAMPLE}"
            ) from None
        tally.nr_events += 1
        yield event


def _split(line: bytes) -> list[str]:
    text = line.decode("utf-8", errors="replace").strip()
    return list(_SEPARATOR.split(text)) if text else []


def _event(
    line: bytes, names: Sequence[str], doms: dict[str, int], assumed: Assumed | None, number: int
) -> Event:
    parts = _split(line)
    if len(parts) != len(names):
        raise ValueError(f"{len(parts)} columns in place of {len(names)}")
    row = dict(zip(names, parts, strict=True))
    op = row["op"].lower()
    if op not in _OPS:
        raise ValueError(f"op {shown(row['op'])} is none of {', '.join(_OPS)}")
    cpu = _number(row.get("cpu") or "0", "cpu")
    if cpu >= 1 << 16:
        raise ValueError(f"cpu {cpu} is no CPU")
    dom = doms.setdefault(row.get("dom", ""), len(doms))
    start = _address(row)
    nr_bytes = _bytes(row, start)
    pfn, pages = start >> SHIFT, pages_of(start, nr_bytes)
    fields: dict[str, int | None] = {"dom": dom, "pfn": pfn, "size": pages}
    name = _OPS[op]
    if name == "iova_reserve":
        fields |= {"lo": pfn, "hi": pfn + pages - 1, "ret": 1}
    elif name == "iova_alloc_fast":
        if "limit" in row:
            fields["limit"] = _number(row["limit"], "limit")
        elif assumed is not None:
            assumed.nr_ranges += 1
            end = start + nr_bytes if start else 0
            fields["limit"] = assumed.limit(dom, min(end, 1 << 64), refused=not start)
    return Event(_time_ns(row), cpu, -1 - cpu, False, name, fields, number, line)


def _address(row: dict[str, str]) -> int:
    if "pfn" in row:
        return _number(row["pfn"] or "0", "pfn") << SHIFT
    return _number(row["addr"] or "0", "addr")


def _bytes(row: dict[str, str], start: int) -> int:
    if "size" in row:
        size = _number(row["size"], "size")
        return (size << SHIFT) - start % (1 << SHIFT) if size else 0
    return _number(row["bytes"], "bytes")


def _number(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} {shown(text)} is no whole number")
    return int(text, 16 if text[:2].lower() == "0x" else 10)


def _time_ns(row: dict[str, str]) -> int:
    if "t_ns" in row:
        return _number(row["t_ns"], "t_ns")
    try:
        seconds = Decimal(row["ts"])
        time_ns = int(seconds * 1_000_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"ts {shown(row['ts'])} is no number of seconds") from None
    if not 0 <= time_ns < 1 << 63:
        raise ValueError(f"ts {shown(row['ts'])} is out of range")
    return time_ns


def shown(text: str) -> str:
    """A value as it can stand in a message."""
    return repr(printable(text[:40]))
