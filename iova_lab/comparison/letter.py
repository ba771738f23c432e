"""What of a comparison goes into a mail?  Plain ASCII of at most 72 columns.

Two forms that kernel readers know by sight: the 0-day robot's ``%stddev  %change  %stddev`` for
time per op, and ``value (change)`` for everything else.
"""

from __future__ import annotations

import math

import pandas as pd

from iova_lab.comparison import bars, latency, notes, view, words
from iova_lab.comparison.counting import KINDS
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.mail import WIDTH, fill, short
from iova_lab.tables import number


def render(result: Comparison) -> str:
    """Write the whole mail.  Raises `ValueError` if a line is too wide or not ASCII."""
    parts = [_head(result), *(_times(result, which) for which in _candidates(result))]
    parts += [_details(result, cell) for cell in result.cells]
    parts += [_foot(result)]
    text = "\n\n".join(parts) + "\n"
    for line in text.splitlines():
        if len(line) > WIDTH or not line.isascii():
            raise ValueError(f"not fit for a mail, too wide or not ASCII: {line!r}")
    return text


def ascii_only(text: str) -> str:
    """A name may hold anything; a mail should not."""
    return text.encode("ascii", "backslashreplace").decode()


def _candidates(result: Comparison) -> range:
    return range(1, len(result.subjects))


def _label(result: Comparison, which: int) -> str:
    return short(ascii_only(result.subjects[which].label))


def _head(result: Comparison) -> str:
    title = ascii_only(notes.title(result))
    lines = [fill(title), "=" * min(len(title), WIDTH), ""]
    for warning in notes.warnings(result):
        lines += [fill(warning), ""]
    lines += [fill(ascii_only(line), "  ", "- ") for line in notes.headlines(result)]
    return "\n".join([*lines, "", fill(notes.HARNESS)])


def _spread(percent: float) -> str:
    return "     " if math.isnan(percent) else f"+-{percent:3.0f}%"[:6]


def _times(result: Comparison, which: int) -> str:
    """Time per op, base to the left and candidate to the right, with the verdict below each."""
    base, name = _label(result, 0), _label(result, which)
    lines = [
        f"Time per op in ns: {base} | {name}"[:WIDTH],
        "",
        f"{'%stddev':>17}{'%change':>13}{'%stddev':>19}",
        f"{chr(92):>14}{'|':>14}{chr(92):>16}",
    ]
    for verdict in words.verdicts(result):
        if verdict.which == which:
            lines += _time_lines(verdict)
    return "\n".join(lines)


def _time_lines(verdict: words.Verdict) -> list[str]:
    (base_ns, base_spread), (ns, spread) = (
        view.mean_ns(verdict.cell, index) for index in (0, verdict.which)
    )
    change = words.change(verdict.ratio.value) if verdict.ratio else "failed"
    cell = ascii_only(verdict.cell.cell.name)
    line = (
        f"{number(base_ns):>10} {_spread(base_spread):<6}{change:>13}"
        f"{number(ns):>12} {_spread(spread):<6}  {cell}"
    )
    if len(line) > WIDTH:
        line = f"{line[: WIDTH - 1]}~"
    said = [fill(ascii_only(verdict.text), "      ", "    ")]
    said += [fill(f"BUT {ascii_only(caveat)}", "        ", "    ") for caveat in verdict.caveats]
    return [line.rstrip(), *said]


def _details(result: Comparison, cell: CellResult) -> str:
    heading = ascii_only(cell.cell.name)
    parts = [f"{heading}\n{'-' * len(heading)}"]
    for which, reason in cell.failures.items():
        parts.append(fill(f"{_label(result, which)} failed: {ascii_only(reason)}", "  ", ""))
    parts.append(_table(result, cell))
    for kind in KINDS:
        parts += _kind(result, cell, kind)
    return "\n\n".join(part for part in parts if part)


def _table(result: Comparison, cell: CellResult) -> str:
    """The base beside as many candidates as have room, the others below in the same way."""
    table = view.detail_texts(result, cell)
    if table.empty:
        return ""
    table.columns = ["", *(_label(result, which) for which in range(len(result.subjects)))]
    left = list(_candidates(result))
    blocks = []
    while left:
        fits = [n for n in range(1, len(left) + 1) if _fits(_columns(table, left[:n]))]
        nr_shown = max(fits, default=1)
        blocks.append(_columns(table, left[:nr_shown]))
        left = left[nr_shown:]
    return "\n\n".join(blocks)


def _columns(table: pd.DataFrame, candidates: list[int]) -> str:
    # By number, because two may have one name once it is cut.
    columns = table.iloc[:, [1, *(which + 1 for which in candidates)]]
    text: str = columns.set_axis(table.iloc[:, 0], axis=0).rename_axis(None).to_string()
    return "\n".join(line.rstrip() for line in text.splitlines())


def _fits(text: str) -> bool:
    return max(map(len, text.splitlines())) <= WIDTH


def _kind(result: Comparison, cell: CellResult, kind: str) -> list[str]:
    """The histogram of one kind of op, and what its means say."""
    found = [latency.of(cell, which, kind) for which in range(len(result.subjects))]
    buckets = latency.histogram(found)
    if not buckets:
        return []
    labels = [_label(result, which) for which in range(len(result.subjects))]
    lines = [fill(f"{kind}, ns of single calls, {cell.clock_ns} ns or more of it the clock's:")]
    lines += bars.lines(buckets, labels, WIDTH)
    said = [fill(ascii_only(line), "  ", "") for line in words.means(result, cell, kind)]
    return ["\n".join(lines), "\n".join(said)]


def _foot(result: Comparison) -> str:
    heading = "How this was measured"
    lines = [f"{heading}\n{'-' * len(heading)}"]
    lines += [fill(ascii_only(line), "  ", "- ") for line in notes.method(result)]
    lines += [fill(ascii_only(f"{key}: {value}"), "  ", "- ") for key, value in _facts(result)]
    lines += [fill(ascii_only(check), "  ", "- pyperf: ") for check in result.checks]
    lines += ["", "To measure it again:", ""]
    return "\n".join([*lines, "\n".join(notes.folded(ascii_only(notes.command(result)), WIDTH))])


def _facts(result: Comparison) -> list[tuple[str, str]]:
    return [("measured", result.date), *result.system.items()]
