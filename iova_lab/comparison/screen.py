"""A comparison on a terminal: the verdicts first, then the measurements."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from iova_lab.comparison import bars, latency, notes, view, words
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.measuring.cells import number

LOOKS = {
    "slower": "bold red",
    "faster": "bold green",
    "no difference found": "bold",
    words.FAILED: "bold red reverse",
    "too few samples": "yellow",
}


def terminal(result: Comparison, console: Console, *, brief: bool = False) -> None:
    """Print all of it; ``brief`` leaves the cells' details out."""
    console.print(Text(notes.title(result), style="bold"))
    for warning in notes.warnings(result):
        console.print(Text(warning, style="bold yellow"))
    console.print()
    console.print(_verdicts(result))
    _closing(result, console)
    if brief:
        return
    for cell in result.cells:
        _details(result, cell, console)
    console.print()
    for line in [*notes.method(result), *(f"pyperf: {check}" for check in result.checks)]:
        console.print(Padding(Text(f"- {line}", style="dim"), (0, 0, 0, 2)))
    console.print()
    _closing(result, console)


def _closing(result: Comparison, console: Console) -> None:
    for line in notes.headlines(result):
        console.print(Text(line))


def _verdicts(result: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("workload@live", no_wrap=True)
    many = len(result.subjects) > 2
    if many:
        table.add_column("candidate", no_wrap=True)
    table.add_column("ns/op" if many else result.subjects[0].label, justify="right", no_wrap=True)
    table.add_column("" if many else result.subjects[1].label, justify="right", no_wrap=True)
    table.add_column("verdict (interval)", ratio=1)
    last = ""
    for verdict in words.verdicts(result):
        base_ns, ns = (view.mean_ns(verdict.cell, index)[0] for index in (0, verdict.which))
        name = verdict.cell.cell.name
        row = [name if name != last else ""]
        if many:
            row.append(result.subjects[verdict.which].label)
        table.add_row(*row, number(base_ns, exact=False), number(ns, exact=False), said(verdict))
        last = name
    return table


def said(verdict: words.Verdict) -> Text:
    """The outcome in colour, then its size, then what to beware of."""
    text = Text(verdict.text)
    text.stylize(LOOKS[verdict.outcome], 0, len(verdict.outcome))
    for caveat in verdict.caveats:
        text.append(f"\nbut {caveat}", style="yellow")
    return text


def _details(result: Comparison, cell: CellResult, console: Console) -> None:
    console.print()
    console.rule(Text(cell.cell.name, style="bold"), align="left", characters="-")
    for which, reason in cell.failures.items():
        console.print(Text(f"{result.subjects[which].label} failed: {reason}", style="bold red"))
    frame = view.detail_texts(result, cell)
    if not frame.empty:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for index, column in enumerate(frame.columns):
            table.add_column(column, justify="right" if index else "left", no_wrap=True)
        for row in frame.itertuples(index=False):
            table.add_row(*(Text(text) for text in row))
        console.print(table)
    labels = [subject.label for subject in result.subjects]
    for kind, buckets in latency.histograms(cell, len(labels)).items():
        console.print()
        console.print(Text(words.histogram(cell, kind)))
        for line in bars.lines(buckets, labels, min(console.width, 120)):
            console.print(Text(line), no_wrap=True, crop=True)
        for line in words.means(result, cell, kind):
            console.print(Text(line))
