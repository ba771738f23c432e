"""Booted kernels."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="user space against booted kernels, and the soft lockup",
    results="kernel",
    out="kernel",
    needs={
        "*-amd64.jsonl": "iova-lab kernel fidelity",
        "lockup.jsonl": "iova-lab kernel lockup",
    },
    write=pages(fidelity="fidelity:write_fidelity", lockup="lockup:write_lockup"),
)
