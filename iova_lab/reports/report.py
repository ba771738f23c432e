"""The report's folder, which works from file://.

A page for the whole, for each thread, workload and variant,
figures/ (SVG and PNG), texts for a mail, summary.csv.  It is generated and never edited; the same
results give the same bytes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from iova_lab.measuring import flags
from iova_lab.measuring.scorecard import is_clean
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.rendering.workload_figure import workload_figure
from iova_lab.reports import mail, overview
from iova_lab.reports.report_data import NOT_IN_NUMBER, ReportData, gather
from iova_lab.reports.variant_figure import variant_figure

#: Folders of a report that hold nothing but what the last one wrote.
OWN = ("figures", "workloads", "variants")


def write_report(
    results_dir: Path,
    machine: str,
    baseline: str,
    out_dir: Path,
    commit: str | None = None,
) -> Path:
    """Write the report of one machine's results into ``out_dir``; the path of its index.html.

    ``commit`` is a prefix; without it the newest commit that was measured is reported.
    Raises `ResultsError` (a `ValueError`) with one line if the results can't be read.
    """
    data = gather(results_dir, machine, baseline, commit)
    texts = mail.render(data, headline(data))
    for name in OWN:  # pages and figures of what is no longer there
        shutil.rmtree(out_dir / name, ignore_errors=True)
    for path, text in texts.items():
        (out_dir / path).parent.mkdir(parents=True, exist_ok=True)
        (out_dir / path).write_text(text, encoding="utf-8")
    _draw(data, out_dir / "figures")
    _write_parts(data, out_dir)
    data.frame.to_csv(out_dir / "summary.csv", index=False, lineterminator="\n")
    return write_page(
        out_dir,
        "index",
        template="report",
        title=f"IOVA allocators on {data.facts['machine']}",
        data=data,
        headline=headline(data),
        notes=NOT_IN_NUMBER,
    )


def headline(data: ReportData) -> str:
    """How many allocators have no pathological workload, of how many; or that it is not known."""
    names = [one.variant for one in data.variants]
    found = {name: is_clean(data.frame, name) for name in names}
    clean = [name for name in names if found[name]]
    unknown = [name for name in names if found[name] is None]
    if len(unknown) == len(names):
        return (
            "Which allocators have a pathological workload was not measured: the worst operation"
            " was not counted at 1,000 live ranges or more."
        )
    who = f": {', '.join(clean)}" if clean else ""
    rest = f"; {len(unknown)} of them can't be judged by what was measured" if unknown else ""
    text = f"{len(clean)} of {len(names)} allocators have no pathological workload{who}{rest}."
    return flags.labelled(text, data.old)


def about(data: ReportData) -> str:
    """Where, when and how the numbers of every page were measured, in one paragraph."""
    keys = ("machine", "commit", "compiler", "compiled with", "code", "load", "drift", "cells")
    return "Measured: " + "; ".join(f"{key}: {data.facts[key]}" for key in keys) + "."


def _write_parts(data: ReportData, out_dir: Path) -> None:
    shared: dict[str, Any] = {"data": data, "about": about(data)}
    for thread in data.threads:
        more = {"alt": overview.THREADS[thread.stem].alt, "command": data.facts["report by"]}
        write_page(out_dir, thread.stem, template="thread", thread=thread, **more, **shared)
    for section in data.sections:
        folder = out_dir / "workloads"
        write_page(folder, section.stem, template="workload", section=section, **shared)
    for one in data.variants:
        write_page(out_dir / "variants", one.variant, template="variant", one=one, **shared)


def _draw(data: ReportData, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save(overview.worst_ops(data.frame, data.fakes), folder / "overview")
    for stem, case in overview.THREADS.items():
        save(overview.thread_figure(data.frame, case, data.fakes), folder / stem)
    for section in data.sections:
        if section.nr_live is not None:
            finding = f"{section.workload}: {section.finding}"
            drawn = workload_figure(data.frame, section.workload, data.fakes, finding)
            save(drawn, folder / section.stem)
    for one in data.variants:
        if one.has_figure:
            drawn = variant_figure(data.frame, one.variant, data.baseline, data.fakes)
            save(drawn, folder / f"variant-{one.variant}")
