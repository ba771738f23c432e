"""Where do the results of claims lie?  One JSON file for each, in results/claims/."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from iova_lab.basics.reading import Row, convert, read_json, wrong
from iova_lab.basics.writing import write_whole
from iova_lab.claims.claim import Claim


class _Machine(msgspec.Struct):
    cpu: str
    num_cpu: str
    ram: str
    os: str


class _Stored(msgspec.Struct):
    """What was ``measured``, or why it ``cannot`` be, or why that ``failed``."""

    id: str
    rule: str
    date: str = ""
    commit: str = ""
    commit_note: str = ""
    machine: _Machine | msgspec.UnsetType = msgspec.UNSET
    load: float = 0.0
    seconds: float = 0.0
    measured: Row = {}
    cannot: str = ""
    failed: str = ""

    def __post_init__(self) -> None:
        if self.machine is not msgspec.UNSET and not self.date:
            raise ValueError("a machine and no date")


def path_of(results: Path, claim: Claim) -> Path:
    """The file of one claim."""
    return results / "claims" / f"{claim.id}.json"


def read(results: Path, claim: Claim) -> Row | None:
    """What is stored of a claim, or None.  Raises `FileError` for another file."""
    path = path_of(results, claim)
    if not path.exists():
        return None
    row = read_json(path, Row, written_by=f"`{claim.command}`")
    found = convert(row, _Stored, path, f"`{claim.command}`")
    if found.id != claim.id:
        raise wrong(path, f"id: {found.id}, not {claim.id}", f"`{claim.command}`")
    return row


def write(results: Path, claim: Claim, row: Row) -> Path:
    """Store a row, whole or not at all; a failure does not replace what was measured before."""
    path = path_of(results, claim)
    if "failed" in row and path.exists() and "failed" not in (read(results, claim) or row):
        return path
    return write_whole(path, json.dumps(row, indent=1, sort_keys=True, allow_nan=False) + "\n")
