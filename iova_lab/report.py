"""Where does a report go, and what does it look like?

One folder that works from file://: index.html, figures/ (SVG and PNG), mail.txt, summary.csv.
It is generated and never edited; the same results give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from iova_lab import figures, mail
from iova_lab.report_data import NOT_IN_NUMBER, ReportData, Section, gather


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
    text = mail.render(data)
    page = _page(data)
    (out_dir / "figures").mkdir(parents=True, exist_ok=True)
    for section in data.sections:
        _draw(data, section, out_dir / "figures" / _stem(section.workload))
    data.frame.to_csv(out_dir / "summary.csv", index=False, lineterminator="\n")
    (out_dir / "mail.txt").write_text(text, encoding="utf-8")
    index = out_dir / "index.html"
    index.write_text(page, encoding="utf-8")
    return index


def _draw(data: ReportData, section: Section, stem: Path) -> None:
    if section.nr_live is not None:
        figures.save(figures.workload_figure(data.frame, section.workload, data.fakes), stem)
        return
    for suffix in (".svg", ".png"):  # of an earlier report
        stem.with_suffix(suffix).unlink(missing_ok=True)


def _stem(workload: str) -> str:
    """A file name for a workload, which may be the path of a trace."""
    return Path(workload).stem


def _table(table: pd.DataFrame) -> Markup:
    # pandas escapes what is in the cells.
    return Markup(table.to_html(index=False, border=0, classes="numbers"))


def _page(data: ReportData) -> str:
    loader = PackageLoader("iova_lab")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"table": _table, "stem": _stem}
    template = environment.get_template("report.html.j2")
    return template.render(data=data, notes=NOT_IN_NUMBER) + "\n"
