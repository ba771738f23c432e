"""Holds measured on this machine: services.jsonl, and which of its rows are used.

A cell is measured while nothing else runs; a row stands until the variant's code changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import iova_variants
from iova_lab.basics.writing import append_row
from iova_lab.contention import constants as machine
from iova_lab.contention import plausible, store
from iova_lab.contention import service as services
from iova_lab.contention.constants import Constants
from iova_lab.contention.service import Service
from iova_lab.measuring.code_digest import code_digest
from iova_lab.measuring.load import Watch

#: A cell is measured so often until its samples are plausible.
ATTEMPTS = 3

#: variant, workload, nr_live
Asked = tuple[str, str, int]


def _key(asked: Asked) -> list[object]:
    """A service stands for this variant's code, which its shared object is named after."""
    variant, workload, nr_live = asked
    code = iova_variants.load(variant, build="threaded").path.stem
    return [code, workload, nr_live]


def measured(
    cells: Iterable[Asked],
    results: Path,
    constants: Constants,
    *,
    seconds: float = services.SECONDS,
    again: bool = False,
    on_progress: Callable[[], object] = lambda: None,
) -> dict[Asked, dict[str, Any]]:
    """Rows of services.jsonl for ``cells``; measured where it has none, or ``again``.

    One cell at a time: nothing else may run.
    """
    path = results / "services.jsonl"
    have = {} if again else {json.dumps(row["key"]): row for row in store.read(results, "services")}
    found = {}
    for asked in cells:
        key = _key(asked)
        row = have.get(json.dumps(key))
        if row is None:
            row = _measure(asked, constants, seconds) | {"key": key, "asked": asked}
            row["code"] = code_digest(asked[0], "threaded")
            append_row(path, row)
        on_progress()
        found[asked] = row
    # Older code makes room for newer.
    store.compact(results, "services", lambda row: json.dumps(row["asked"]))
    return found


def stored(results: Path) -> dict[Asked, dict[str, Any]]:
    """Every cell that services.jsonl has, whatever code it was measured with."""
    return {
        (variant, workload, int(nr_live)): row
        for row in store.read(results, "services")
        for variant, workload, nr_live in [row["asked"]]
    }


def with_holds(
    found: dict[Asked, dict[str, Any]], constants: Constants
) -> dict[Asked, dict[str, Any]]:
    """Services with plausible holds, all on the same constants, interruptions taken out."""
    return {
        asked: Service.from_row(row).undisturbed().on(constants).as_row()
        for asked, row in found.items()
        if "too_long" not in row and not plausible.service_doubts(row)
    }


def with_nodes(
    found: dict[Asked, dict[str, Any]], constants: Constants
) -> dict[Asked, dict[str, Any]]:
    """Services whose numbers of nodes are used and whose holds are not: a count is exact."""
    return {
        asked: Service.from_row(row).on(constants).as_row()
        for asked, row in found.items()
        if "too_long" not in row
    }


def refused(found: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Reasons by cell, ``mainline on ring at 1,000``, of all rows that `with_holds` leaves out."""
    return {
        "{} on {} at {:,}".format(*row["asked"]): why
        for row in found
        if (why := [row["too_long"]] if "too_long" in row else plausible.service_doubts(row))
    }


def _measure(asked: Asked, constants: Constants, seconds: float) -> dict[str, Any]:
    """One cell, with the load meanwhile; measured again while its samples aren't plausible."""
    for _ in range(ATTEMPTS):
        watch = Watch()
        now = min(machine.handoffs(3), default=0.0)
        try:
            row = services.measure(*asked, constants=constants, seconds=seconds).as_row()
        except iova_variants.TooLongError as error:
            return {"too_long": str(error)}
        doubts = plausible.service_doubts(row)
        row |= {"load": watch.load().as_row(), "handoff_now_ns": round(now, 2), "doubts": doubts}
        if not doubts:
            break
    return row
