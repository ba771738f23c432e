"""The machine that measured, and its constants: host.jsonl."""

from __future__ import annotations

from pathlib import Path

from iova_lab.basics.writing import append_row
from iova_lab.contention import constants as machine
from iova_lab.contention import store
from iova_lab.contention.constants import Constants, ConstantsError
from iova_lab.measuring import provenance
from iova_lab.measuring.load import Watch


def constants_for(
    results: Path,
    *,
    again: bool = False,
    stored: bool = False,
    given: tuple[float | None, float | None] = (None, None),
) -> Constants:
    """The machine constants of ``results``; measured where host.jsonl has none, or ``again``.

    ``given``: hand-over and remote cache cost in ns, each None to be measured; both replace what
    host.jsonl has.  ``stored``: derived from services.jsonl where host.jsonl has none, and nothing
    is measured.  Raises `ConstantsError`, also if they are another machine's.
    """
    path = results / "host.jsonl"
    have = {row["what"]: row for row in store.read(results, "host")}
    if "constants" in have and not again and given == (None, None):
        other = have.get("host", {}).get("cpu")
        here = host()["cpu"]
        if not stored and other not in (None, here):
            raise ConstantsError(
                f"{path} has the constants of another machine ({other}, not {here}):"
                " --again measures everything here, --results names another folder"
            )
        return Constants.from_row(have["constants"])
    if stored and given == (None, None):
        found = machine.from_services(store.read(results, "services"))
        append_row(path, found.as_row())
    else:
        watch = Watch()
        found = machine.measure(*given)
        append_row(path, host())
        append_row(path, found.as_row() | {"load": watch.load().as_row()})
    store.compact(results, "host", lambda row: str(row["what"]))
    return found


def host() -> dict[str, str]:
    """The machine that measured, a line of host.jsonl."""
    return {"what": "host", **provenance.machine()}
