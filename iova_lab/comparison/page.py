"""Which page shows a comparison, in a repository, and in one file to send around?"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import escape

from iova_lab import workloads
from iova_lab.comparison import bars, latency, notes, plots, view, words
from iova_lab.comparison.counting import KINDS
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.measuring.cells import number
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save

#: Columns of a histogram on a page, which has more room than a mail.
WIDTH = 100
#: In the place of a workload's summary.
GONE = "This checkout does not have the workload."


def write(result: Comparison, out_dir: Path) -> list[Path]:
    """Write compare.md, its figures (SVG and PNG), and compare.html, which needs no other file."""
    paths = save(
        plots.ratios_figure(result, "\n".join(notes.headlines(result))), out_dir / "ratios"
    )
    cells = []
    for cell in result.cells:
        drawn = _draw(result, cell, out_dir)
        paths += drawn
        cells.append(_cell(result, cell, drawn[0].name if drawn else ""))
    html = write_page(
        out_dir,
        "compare",
        question=escape_markdown(_question(result)),
        answers=[escape_markdown(line) for line in notes.headlines(result)],
        warnings=notes.warnings(result),
        summary=_summary(result),
        caveats=_caveats(result),
        harness=notes.HARNESS,
        command=[one.removeprefix("    ") for one in notes.folded(notes.command(result), WIDTH)],
        cells=cells,
        method=[escape_markdown(line) for line in notes.method(result)],
        subjects=_subjects(result),
        facts=_facts(result),
        checks=[escape_markdown(line) for line in result.checks],
    )
    html.write_text(inline(html.read_text(encoding="utf-8"), out_dir), encoding="utf-8")
    return [html, html.with_suffix(".md"), *paths]


def escape_markdown(text: str) -> str:
    """A file's name may hold what Markdown takes for a mark; within a word ``_`` is none."""
    return re.sub(r"([\\`*\[\]<|]|(?<!\w)_|_(?!\w))", r"\\\1", text)


def _question(result: Comparison) -> str:
    base, *candidates = (subject.label for subject in result.subjects)
    if len(candidates) == 1:
        return f"Is {candidates[0]} faster or slower than {base}?"
    return f"Are {', '.join(candidates[:-1])} and {candidates[-1]} faster or slower than {base}?"


def _draw(result: Comparison, cell: CellResult, out_dir: Path) -> list[Path]:
    said = [
        f"{result.subjects[verdict.which].label} {verdict.short}"
        for verdict in words.verdicts(result)
        if verdict.cell is cell
    ]
    figure = plots.calls_figure(result, cell, f"{cell.cell.name}: {'; '.join(said)}")
    stem = re.sub(r"[^A-Za-z0-9_.-]", "-", cell.cell.name)  # @ means something in an address
    return save(figure, out_dir / stem) if figure else []


def _summary(result: Comparison) -> pd.DataFrame:
    frame = view.summary(result)
    base = escape_markdown(result.subjects[0].label)
    columns = {
        "workload@live ranges": frame["cell"].map(escape_markdown),
        "candidate": frame["candidate"].map(escape_markdown),
        f"{base}, ns/op": list(map(_value, frame["base_ns_per_op"], frame["base_stddev_percent"])),
        "candidate, ns/op": list(map(_value, frame["ns_per_op"], frame["stddev_percent"])),
        "verdict (interval)": frame["verdict"].map(escape_markdown),
    }
    return pd.DataFrame(columns)


def _value(ns: float, percent: float) -> str:
    mean = number(ns, exact=False)
    return mean if math.isnan(percent) else f"{mean} ±{percent:.0f}%"


def _caveats(result: Comparison) -> list[str]:
    return [
        escape_markdown(
            f"{verdict.cell.cell.name}, {result.subjects[verdict.which].label}: {caveat}"
        )
        for verdict in words.verdicts(result)
        for caveat in verdict.caveats
    ]


def _cell(result: Comparison, cell: CellResult, figure: str) -> dict[str, Any]:
    # In plain text, spaces line up changes.
    details = view.detail_texts(result, cell).map(
        lambda text: re.sub(r"\(\s+", "(", escape_markdown(text))
    )
    details.columns = [escape_markdown(str(column)) for column in details.columns]
    known = workloads.find(cell.cell.workload)
    lines = []
    for verdict in words.verdicts(result):
        if verdict.cell is cell:
            who = result.subjects[verdict.which].label
            lines.append(f"**{escape_markdown(f'{who}: {verdict.text}')}**")
            lines += [escape_markdown(f"{who}: {caveat}") for caveat in verdict.caveats]
    return {
        "name": escape_markdown(cell.cell.name),
        "summary": escape_markdown(known.summary if known else GONE),
        "verdicts": lines,
        "figure": figure,
        "details": details,
        "means": [
            escape_markdown(line) for kind in KINDS for line in words.means(result, cell, kind)
        ],
        "histograms": _histograms(result, cell),
    }


def _histograms(result: Comparison, cell: CellResult) -> list[dict[str, Any]]:
    labels = [subject.label for subject in result.subjects]
    return [
        {
            "title": f"{words.histogram(cell, kind)}:",
            "lines": bars.lines(buckets, labels, WIDTH),
        }
        for kind, buckets in latency.histograms(cell, len(labels)).items()
    ]


def _subjects(result: Comparison) -> pd.DataFrame:
    rows = [
        (s.label, s.kernel_release, f"`{s.digest}`", escape_markdown(s.summary))
        for s in result.subjects
    ]
    return pd.DataFrame(rows, columns=["variant", "kernel", "built from", "description"])


def _facts(result: Comparison) -> pd.DataFrame:
    rows = [("measured", result.date), *result.system.items()]
    return pd.DataFrame(
        [(key, escape_markdown(value)) for key, value in rows], columns=["machine", ""]
    )


_IMAGE = re.compile(r'<img src="([^"]+\.svg)" alt="([^"]*)"\s*/?>')


def inline(html: str, folder: Path) -> str:
    """Put every SVG into the page itself, so that the one file is all of it."""

    def svg(match: re.Match[str]) -> str:
        text = (folder / match[1]).read_text(encoding="utf-8")
        # Each figure's ids are its own; of two figures on one page they have to differ.
        prefix = escape(Path(match[1]).stem)
        text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", text[text.index("<svg") :])
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        return text.replace("<svg ", f'<svg role="img" aria-label="{match[2]}" ', 1).rstrip()

    return _IMAGE.sub(svg, html)
