"""Booted kernels."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.reports.fidelity import write_fidelity
    from iova_lab.reports.lockup import write_lockup

    return {"fidelity": write_fidelity(results, out), "lockup": write_lockup(results, out)}


KIND = Kind(
    summary="user space against booted kernels, and the soft lockup",
    results="kernel",
    out="kernel",
    needs={
        "*-amd64.jsonl": "iova-lab kernel fidelity",
        "lockup.jsonl": "iova-lab kernel lockup",
    },
    write=_write,
)
