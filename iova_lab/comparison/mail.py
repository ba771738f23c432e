"""The mail text of a comparison: plain ASCII of at most 72 columns and 150 lines.

Time per op has a form that kernel readers know by sight: against one candidate the 0-day robot's
``%stddev  %change  %stddev``; against several the ``value ( %)`` of mmtests, one line per workload.
What does not fit into 150 lines is left out, and the mail names it: the page beside it has
everything.  `iova_lab.comparison.mbox` makes a message of the text, with figures.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from functools import partial

from iova_lab import workloads
from iova_lab.comparison import bars, latency, notes, view, words
from iova_lab.comparison.counting import KINDS
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.measuring.cells import number
from iova_lab.measuring.provenance import NOT_RECORDED
from iova_lab.measuring.statistics import SAME
from iova_lab.rendering.plain_text import WIDTH, cut, fill, joined, nr_lines, short

#: The text of one variant in one line of a table.
Column = Callable[[CellResult, int], str]

#: More than of a report's mail: it has all evidence of one comparison.
MOST_LINES = 150
#: Columns of a table with a line per workload; those of ``value ( %)`` are wide.
NAME, COLUMN, WIDE = 22, 12, 17
#: Variants whose histograms have room beside each other.
NR_HISTOGRAMS = 3


def render(result: Comparison) -> str:
    """Write the whole mail.  Raises `ValueError` if a line is too wide or not ASCII."""
    head, foot = _head(result), _foot(result)
    room = MOST_LINES - nr_lines(head, foot) - 4
    times, room = cut("\n\n".join(_times(result)), room, "compare.md")
    parts = [head, times]
    left_out = ["histograms of the other cells", "bytes per range"]
    for what, text in (
        ("refusals and failures", _caveats(result)),
        ("descriptions of the workloads", _patterns(result)),
        ("histograms of single ops", _histograms(result)),
        ("the longest alloc and free", _longest(result)),
        ("nodes of the worst op", _nodes(result)),
    ):
        if nr_lines(text) + 1 < room:
            parts.append(text)
            room -= nr_lines(text) + 1
        elif text:
            left_out.append(what)
    parts.append(fill(f"Only in compare.md: {', '.join(left_out)}."))
    return joined([part for part in [*parts, foot] if part])


def ascii_only(text: str) -> str:
    """A name may hold anything; a mail should not."""
    return text.encode("ascii", "backslashreplace").decode()


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
    return [_table(result, "Time per op, ns", partial(_value, result), WIDE), LEGEND]


LEGEND = fill(
    "In brackets: the change. =x%: no difference found, x% is the smallest detectable one. "
    "-: no such number."
)


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
    found = [fill(ascii_only(verdict.text), "      ", "    ")]
    found += [fill(f"BUT {ascii_only(caveat)}", "        ", "    ") for caveat in verdict.caveats]
    return [bars.clip(line, WIDTH).rstrip(), *found]


def _value(result: Comparison, cell: CellResult, which: int) -> str:
    """``8.30 (-60.1%)``, as mmtests has it; ``20.9 (=1.8%)`` where no difference was found."""
    mean = number(view.mean_ns(cell, which)[0], exact=False)
    if which == 0:
        return mean
    found = words.verdict(result, cell, which)
    if found.ratio is None:
        return found.outcome
    change = words.change(found.ratio.value)
    if found.outcome == SAME:
        change = f"={words.detectable(found.ratio.visible)}"
    return f"{mean} ({change.replace(' %', '%')})"


# ---- a line per workload ----


def _table(result: Comparison, title: str, text: Column, column: int = COLUMN) -> str:
    blocks = bars.blocks(len(result.subjects), (WIDTH - NAME + 1) // column - 1)
    return "\n\n".join(_block(result, title, shown, text, column) for shown in blocks)


def _block(result: Comparison, title: str, shown: list[int], text: Column, column: int) -> str:
    width = min(NAME, WIDTH - column * len(shown))
    rows = [(title, [_label(result, which) for which in shown])]
    rows += [
        (ascii_only(cell.cell.name), [text(cell, which) for which in shown])
        for cell in result.cells
    ]
    return "\n".join(
        f"{bars.clip(name, width):<{width}}"
        + "".join(f"{bars.clip(one, column - 1):>{column}}" for one in texts)
        for name, texts in rows
    )


# ---- what else there is room for ----


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
    return "\n".join(["Caveats:", *lines]) if lines else ""


def _histograms(result: Comparison) -> str:
    """Single allocs and frees of the first cell that has times of them, the common case."""
    labels = [_label(result, which) for which in range(len(result.subjects))][:NR_HISTOGRAMS]
    for cell in result.cells:
        lines: list[str] = []
        for kind, buckets in latency.histograms(cell, len(labels)).items():
            head = f"{kind}s of {cell.cell.name}: ns, clock ({cell.clock_ns} ns) included"
            lines += [fill(ascii_only(head)), *bars.lines(buckets, labels, WIDTH)]
        if lines:
            return "\n".join(lines)
    return ""


def _longest(result: Comparison) -> str:
    """How long the longest op takes, which holds the lock for nearly all of its time."""

    def longest(cell: CellResult, which: int) -> str:
        found = [latency.of(cell, which, kind) for kind in KINDS]
        texts = ["-" if one is None else _thousands(one.quantiles["max"]) for one in found]
        return "/".join(texts) if any(found) else "-"

    if not any(cell.op_times for cell in result.cells):
        return ""
    about = fill("Lock hold of the longest alloc/free: ns, each op's least time, clock included.")
    return f"{_table(result, 'Longest alloc/free', longest)}\n\n{about}"


def _thousands(ns: float) -> str:
    return f"{number(ns / 1000, exact=False)}k" if ns >= 10_000 else number(ns)


def _nodes(result: Comparison) -> str:
    def worst(cell: CellResult, which: int) -> str:
        counts = cell.counts.get(which)
        return number(counts.worst) if counts else "-"

    return _table(result, "Nodes of the worst op", worst)


def _patterns(result: Comparison) -> str:
    lines = []
    for cell in result.cells:
        if known := workloads.find(cell.cell.workload):
            text = f"{ascii_only(cell.cell.name)}: {ascii_only(known.summary)}"
            lines.append(f"  {textwrap.shorten(text, WIDTH - 2, placeholder=' ...')}")
    return "\n".join(["Workloads (NAME@LIVE RANGES):", *lines])


# ---- how ----


def _foot(result: Comparison) -> str:
    lines = ["Method", "------"]
    lines += [fill(ascii_only(line), "  ", "- ") for line in _facts(result)]
    lines += ["", "The command that measures it again:", ""]
    return "\n".join([*lines, *notes.folded(ascii_only(notes.command(result)), WIDTH)])


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
        *([f"pyperf: {len(result.checks)} warnings"] if result.checks else []),
    ]
