"""Mail texts of a report: ASCII, at most 72 columns and 120 lines.

One for the whole, and one for each thread and workload, to answer the one thing that was asked.
"""

from __future__ import annotations

import textwrap

import pandas as pd

from iova_lab.report_data import NOT_IN_NUMBER, Discussion, ReportData, Section
from iova_lab.tables import NOTHING

WIDTH = 72
LONGEST_NAME = 24
#: A list does not read more of one mail.
MOST_LINES = 120
#: Lines of evidence for one answer; the page has them all.
MOST_EVIDENCE = 3


def fill(text: str, indent: str = "", first: str | None = None) -> str:
    """Wrap one paragraph at 72 columns."""
    start = indent if first is None else first
    return textwrap.fill(
        text, WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )


def render(data: ReportData, headline: str) -> dict[str, str]:
    """Write every mail, by its path in the report.

    Raises `ValueError` for a line that is too wide.
    """
    texts = {"mail.txt": [_head(data), _whole(data, headline)]}
    for thread in data.threads:
        texts[f"{thread.stem}.txt"] = [_head(data), _thread(thread), _notes(data)]
    for section in data.sections:
        texts[f"workloads/{section.stem}.txt"] = [_head(data), _section(data, section)]
    return {path: shortened(joined(parts), path) for path, parts in texts.items()}


def shortened(text: str, path: str) -> str:
    """Cut a mail to `MOST_LINES`, with a last line that gives the page with the rest."""
    lines = text.splitlines()
    if len(lines) <= MOST_LINES:
        return text
    kept = lines[: MOST_LINES - 1]
    page = path.replace("mail.txt", "index.md").replace(".txt", ".md")
    return "\n".join([*kept, f"[{len(lines) - len(kept)} more lines: {page}]"]) + "\n"


def _whole(data: ReportData, headline: str) -> str:
    """A sentence for the whole, and one for each thread and workload."""
    lines = [fill(headline)]
    for thread in data.threads:
        lines += [
            "",
            fill(f"Q: {thread.question}", "   ", ""),
            fill(f"A: {thread.verdict}", "   ", ""),
        ]
    lines += ["", _heading("Nodes per op, by workload")]
    lines += [fill(f"{one.workload}: {one.finding}", "  ", "") for one in data.sections]
    return "\n".join(lines)


def joined(parts: list[str]) -> str:
    """Put paragraphs together.  Raises `ValueError` for a line that is too wide, or not ASCII."""
    text = "\n\n".join(parts) + "\n"
    for line in text.splitlines():
        if len(line) > WIDTH or not line.isascii():
            raise ValueError(f"mail text is wider than {WIDTH} columns, or not ASCII: {line!r}")
    return text


def _heading(text: str) -> str:
    return f"{text}\n{'-' * len(text)}"


def _head(data: ReportData) -> str:
    lines = [fill(data.harness)]
    lines += [fill(f"{key}: {value}", "  ", "") for key, value in data.facts.items()]
    return "\n".join(lines)


def _thread(thread: Discussion) -> str:
    lines = [fill(thread.question), "", fill(thread.about)]
    for answer in thread.answers:
        lines.append("\n" + fill(answer.question, "   ", "Q: "))
        lines.append(fill(answer.verdict, "   ", "A: "))
        lines += [fill(line, "     ", "   - ") for line in answer.evidence[:MOST_EVIDENCE]]
        left = len(answer.evidence) - MOST_EVIDENCE
        lines += [f"   - {left} more on the page"] if left > 0 else []
    return "\n".join(lines)


def _notes(data: ReportData) -> str:
    heading = _heading("What is in the numbers, and what is not")
    return "\n".join([heading, *(fill(note, "  ", "- ") for note in NOT_IN_NUMBER[:4])])


def _section(data: ReportData, section: Section) -> str:
    lines = [_heading(section.workload), fill(section.summary), "", fill(section.finding)]
    if section.nr_live is not None:
        costs = section.costs
        ratio = f"ns/op vs {data.baseline}"
        kept = [name for name in costs if name not in (f"nodes/op vs {data.baseline}", *REFUSALS)]
        lines.append("\n" + fill(f"{section.size}; ratio of time {data.ratio_note}:"))
        lines.append(_table(costs[kept].rename(columns={ratio: "ratio"})))
        lines += _refusals(costs)
    if len(section.growth):
        table = section.growth.rename(columns=lambda name: name.replace(": class", " "))
        table.columns = [name.replace(": exponent", "^") for name in table.columns]
        lines.append("\n" + fill("Exponents (nodes^ exact, ns^ with 99 % interval) and classes:"))
        lines.append(_table(table))
    lines += [fill(line, "  ", "") for line in section.faults]
    same = [f"Same nodes/op within 1 % at every size: {line}" for line in section.coinciding]
    for line in [*same, *section.undecided, *section.missing]:
        lines.append(fill(f"{line}.", "  ", ""))
    return "\n".join(lines)


REFUSALS = ("refused", "spurious")


def _refusals(costs: pd.DataFrame) -> list[str]:
    if "refused" not in costs:
        return []
    costs = costs[costs["refused"] != NOTHING]
    found = costs.groupby(list(REFUSALS), sort=False)["variant"].agg(", ".join)
    return [
        fill(f"refused {refused}, spurious {spurious}: {who}", "  ")
        for (refused, spurious), who in found.items()
    ]


def short(name: str) -> str:
    """Cut what is out of a long variant name, so that a table has room for numbers."""
    return name if len(name) <= LONGEST_NAME else f"{name[:16]}~{name[-7:]}"


def _table(table: pd.DataFrame) -> str:
    table = table.assign(variant=table["variant"].map(short))
    # Wider than that, and pandas continues the table below itself.
    text: str = table.set_index("variant").rename_axis(None).to_string(line_width=WIDTH)
    return "\n".join(line.rstrip() for line in text.splitlines())
