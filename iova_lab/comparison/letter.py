"""What of a comparison goes into a mail?  Plain ASCII of at most 72 columns and 120 lines.

Against one candidate, time per op has the form that kernel readers know by sight, the 0-day robot's
``%stddev  %change  %stddev``; against several, one line per workload.  What does not fit into 120
lines is left out, and the mail names it: the page beside it has everything.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable

from iova_lab import workloads
from iova_lab.comparison import notes, view, words
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.measuring.cells import number
from iova_lab.measuring.provenance import NOT_RECORDED
from iova_lab.measuring.statistics import SAME
from iova_lab.rendering.plain_text import MOST_LINES, WIDTH, fill, joined, short

#: The text of the base and of a candidate in one line of a table.
Base = Callable[[Comparison, CellResult], str]
Column = Callable[[Comparison, CellResult, int], str]

#: Columns of a table with a line per workload.
NAME, COLUMN = 22, 12


def render(result: Comparison) -> str:
    """Write the whole mail.  Raises `ValueError` if a line is too wide or not ASCII."""
    head, foot = _head(result), _foot(result)
    room = MOST_LINES - _nr_lines(head, foot) - 4
    times, room = _cut("\n\n".join(_times(result)), room)
    parts = [head, times]
    left_out = ["histograms of single ops", "bytes per range"]
    for what, text in _optional(result):
        if _nr_lines(text) + 1 < room:
            parts.append(text)
            room -= _nr_lines(text) + 1
        elif text:
            left_out.append(what)
    parts.append(fill(f"Only in compare.md: {', '.join(left_out)}."))
    return joined([part for part in [*parts, foot] if part])


def ascii_only(text: str) -> str:
    """A name may hold anything; a mail should not."""
    return text.encode("ascii", "backslashreplace").decode()


def _nr_lines(*texts: str) -> int:
    return sum(text.count("\n") + 2 for text in texts if text)


def _cut(text: str, room: int) -> tuple[str, int]:
    """As much of ``text`` as has room, and the room that is left."""
    lines = text.splitlines()
    if len(lines) > room:
        nr_more = len(lines) - room + 1
        lines = [*lines[: room - 1], f"({nr_more:,} more lines: compare.md has them)"]
    return "\n".join(lines), room - len(lines) - 1


def _candidates(result: Comparison) -> range:
    return range(1, len(result.subjects))


def _label(result: Comparison, which: int) -> str:
    return short(ascii_only(result.subjects[which].label))


def _head(result: Comparison) -> str:
    title = ascii_only(notes.title(result))
    lines = [fill(title), "=" * min(len(title), WIDTH), ""]
    for warning in notes.warnings(result):
        lines += [fill(ascii_only(warning)), ""]
    headlines = [fill(ascii_only(line), "  ", "- ") for line in notes.headlines(result)]
    most = 6
    lines += headlines[:most]
    if len(headlines) > most:
        lines.append(f"- {len(headlines) - most} more: compare.md has them.")
    return "\n".join([*lines, "", fill(notes.HARNESS)])


# ---- time per op ----


def _times(result: Comparison) -> list[str]:
    if len(result.subjects) == 2:
        return [_pair(result)]
    return [_table(result, "Time per op", _base_ns, _change), LEGEND]


LEGEND = fill("= (x): no difference found, smallest detectable difference x. -: no such number.")


def _spread(percent: float) -> str:
    return "     " if math.isnan(percent) else f"+-{percent:3.0f}%"[:6]


def _pair(result: Comparison) -> str:
    """Time per op, base to the left and candidate to the right, with the verdict below each."""
    base, name = _label(result, 0), _label(result, 1)
    lines = [
        f"Time per op in ns: {base} | {name}"[:WIDTH],
        "",
        f"{'%stddev':>17}{'%change':>13}{'%stddev':>19}",
        f"{chr(92):>14}{'|':>14}{chr(92):>16}",
    ]
    for verdict in words.verdicts(result):
        lines += _pair_lines(verdict)
    return "\n".join(lines)


def _pair_lines(verdict: words.Verdict) -> list[str]:
    (base_ns, base_spread), (ns, spread) = (
        view.mean_ns(verdict.cell, index) for index in (0, verdict.which)
    )
    change = words.change(verdict.ratio.value) if verdict.ratio else verdict.outcome
    cell = ascii_only(verdict.cell.cell.name)
    line = (
        f"{number(base_ns, exact=False):>10} {_spread(base_spread):<6}{change:>13}"
        f"{number(ns, exact=False):>12} {_spread(spread):<6}  {cell}"
    )
    if len(line) > WIDTH:
        line = f"{line[: WIDTH - 1]}~"
    found = [fill(ascii_only(verdict.text), "      ", "    ")]
    found += [fill(f"BUT {ascii_only(caveat)}", "        ", "    ") for caveat in verdict.caveats]
    return [line.rstrip(), *found]


def _base_ns(result: Comparison, cell: CellResult) -> str:
    mean = view.mean_ns(cell, 0)[0]
    return "-" if math.isnan(mean) else f"{number(mean, exact=False)} ns"


def _change(result: Comparison, cell: CellResult, which: int) -> str:
    found = words.verdict(result, cell, which)
    if found.ratio is None:
        return found.outcome
    if found.outcome == SAME:
        return f"= ({words.detectable(found.ratio.visible)})".replace(" %", "%")
    return words.change(found.ratio.value)


# ---- a line per workload ----


def _table(result: Comparison, title: str, base: Base, candidate: Column) -> str:
    per_block = (WIDTH - NAME) // COLUMN - 1
    left = list(_candidates(result))
    blocks = []
    while left:
        shown, left = left[:per_block], left[per_block:]
        blocks.append(_block(result, title, shown, base, candidate))
    return "\n\n".join(blocks)


def _block(result: Comparison, title: str, shown: list[int], base: Base, candidate: Column) -> str:
    heads = [_label(result, which) for which in (0, *shown)]
    lines = [f"{title:<{NAME}}" + "".join(f"{_fit(head):>{COLUMN}}" for head in heads)]
    for cell in result.cells:
        texts = [base(result, cell), *(candidate(result, cell, which) for which in shown)]
        name = textwrap.shorten(ascii_only(cell.cell.name), NAME, placeholder="~")
        lines.append(
            f"{name[:NAME]:<{NAME}}" + "".join(f"{_fit(text):>{COLUMN}}" for text in texts)
        )
    return "\n".join(lines)


def _fit(text: str) -> str:
    return text if len(text) < COLUMN else f"{text[: COLUMN - 2]}~"


# ---- what else there is room for ----


def _optional(result: Comparison) -> list[tuple[str, str]]:
    return [
        ("refusals and failures", _caveats(result)),
        ("nodes of the worst op", _nodes(result)),
        ("what the workloads are", _patterns(result)),
    ]


def _caveats(result: Comparison) -> str:
    """What must stand beside an outcome; with one candidate it stands there already."""
    if len(result.subjects) == 2:
        return ""
    lines = [
        fill(
            ascii_only(
                f"{found.cell.cell.name}, {_label(result, found.which)}:"
                f" {'; '.join(found.caveats) or found.text}"
            ),
            "  ",
            "- ",
        )
        for found in words.verdicts(result)
        if (found.caveats or found.outcome == words.FAILED)
        and not result.subjects[found.which].is_fake
    ]
    return "\n".join(["But:", *lines]) if lines else ""


def _nodes(result: Comparison) -> str:
    def worst(result: Comparison, cell: CellResult, which: int = 0) -> str:
        counts = cell.counts.get(which)
        if counts is None:
            return "-"
        return number(max(kind.worst for kind in counts.kinds.values()))

    return _table(result, "Nodes of the worst op", worst, worst)


def _patterns(result: Comparison) -> str:
    lines = []
    for cell in result.cells:
        if known := workloads.find(cell.cell.workload):
            text = f"{ascii_only(cell.cell.name)}: {ascii_only(known.summary)}"
            lines.append(f"  {textwrap.shorten(text, WIDTH - 2, placeholder=' ...')}")
    return "\n".join(["Workloads, at so many live ranges:", *lines])


# ---- how ----


def _foot(result: Comparison) -> str:
    heading = "How this was measured"
    lines = [f"{heading}\n{'-' * len(heading)}"]
    lines += [fill(ascii_only(line), "  ", "- ") for line in _facts(result)]
    lines += ["", "To measure it again:", ""]
    return "\n".join([*lines, "\n".join(notes.folded(ascii_only(notes.command(result)), WIDTH))])


def _facts(result: Comparison) -> list[str]:
    system = result.system
    machine = ", ".join(text for text in (system.get("CPU", ""), system.get("system", "")) if text)
    load = system.get("load average", NOT_RECORDED)
    plan = result.plan
    return [
        f"commit: {result.commit or NOT_RECORDED}",
        f"compiler: {result.compiler or NOT_RECORDED}",
        f"machine: {machine or NOT_RECORDED}, {system.get('logical CPUs', '?')} CPUs; load average:"
        f" {load}; {result.date or 'date not recorded'}",
        f"configuration: rcache {plan.rcache}, seed {plan.seed}, budget {plan.budget_s:g} s",
        *notes.method(result)[:2],
        *([f"pyperf's own checks: {len(result.checks)} remarks"] if result.checks else []),
    ]
