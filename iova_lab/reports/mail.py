"""Mail texts of a report: ASCII, at most 72 columns and 120 lines.

One for the whole, and one for each thread and workload, to answer the one thing that was asked.
"""

from __future__ import annotations

import pandas as pd

from iova_lab.rendering.plain_text import WIDTH, fill, joined, short, shortened
from iova_lab.rendering.tables import NOTHING
from iova_lab.reports.report_data import NOT_IN_NUMBER, Discussion, ReportData, Section
from iova_lab.reports.report_facts import HARNESS, WIDE_INTERVALS

#: Lines of evidence for one answer; the page has them all.
MOST_EVIDENCE = 3


def render(data: ReportData, headline: str) -> dict[str, str]:
    """Write every mail, by its path in the report.

    Raises `ValueError` for a line that is too wide.
    """
    texts = {"mail.txt": [_head(data), _whole(data, headline)]}
    for thread in data.threads:
        texts[f"{thread.stem}.txt"] = [_head(data), _thread(thread), _notes()]
    for section in data.sections:
        texts[f"workloads/{section.stem}.txt"] = [_head(data), _section(data, section)]
    return {path: shortened(joined(parts), path) for path, parts in texts.items()}


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


def _heading(text: str) -> str:
    return f"{text}\n{'-' * len(text)}"


def _head(data: ReportData) -> str:
    facts = [f"{key}: {value}" for key, value in data.facts.items() if key != WIDE_INTERVALS]
    return "\n".join([fill(HARNESS), *(fill(fact, "  ", "") for fact in facts)])


def _thread(thread: Discussion) -> str:
    lines = [fill(thread.question), "", fill(thread.about)]
    for answer in thread.answers:
        lines.append("\n" + fill(answer.question, "   ", "Q: "))
        lines.append(fill(answer.verdict, "   ", "A: "))
        lines += [fill(line, "     ", "   - ") for line in answer.evidence[:MOST_EVIDENCE]]
        left = len(answer.evidence) - MOST_EVIDENCE
        lines += [f"   - {left} more on the page"] if left > 0 else []
    return "\n".join(lines)


def _notes() -> str:
    heading = _heading("What the numbers include")
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
    rest = [*same, *section.undecided, *section.missing]
    return "\n".join([*lines, *(fill(f"{line}.", "  ", "") for line in rest)])


REFUSALS = ("refused", "spurious")


def _refusals(costs: pd.DataFrame) -> list[str]:
    if "refused" not in costs:
        return []
    costs = costs[costs["refused"] != NOTHING]
    found = costs.groupby(list(REFUSALS), sort=False)["variant"].agg(", ".join).reset_index()
    return [
        fill(f"refused {row.refused}, spurious {row.spurious}: {row.variant}", "  ")
        for row in found.itertuples()
    ]


def _table(table: pd.DataFrame) -> str:
    table = table.assign(variant=table["variant"].map(short))
    # Wider than that, and pandas continues the table below itself.
    text: str = table.set_index("variant").rename_axis(None).to_string(line_width=WIDTH)
    return "\n".join(line.rstrip() for line in text.splitlines())
