"""One machine's asv results."""

from __future__ import annotations

from pathlib import Path

from iova_lab.basics.errors import NotFoundError
from iova_lab.reports.kinds import Kind


def _write(
    results: Path,
    out: Path | None,
    machine: str | None = None,
    baseline: str = "mainline",
    commit: str | None = None,
) -> dict[str, Path]:
    from iova_lab.measuring.asv_runs import machines
    from iova_lab.reports.behind import write_behind
    from iova_lab.reports.report import write_report

    if machine is None:
        found = machines(results)
        if len(found) != 1:
            raise NotFoundError(f"--machine must be one of: {', '.join(found)}")
        machine = found[0]
    folder = out or Path("reports", machine)
    written = {"report": write_report(results, machine, baseline, folder, commit)}
    behind = write_behind(results, machine, baseline, folder, commit)
    return written | ({"behind": behind} if behind else {})


KIND = Kind(
    summary="one machine's asv results: scaling, pathological cases, mail text",
    results="",
    out=None,
    needs={"*/machine.json": "asv run"},
    write=_write,
    options=frozenset({"machine", "baseline", "commit"}),
)
