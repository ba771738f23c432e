"""The known pathologies: one file of iova_lab/pathologies each, read by a schema.

A folder beside them has the advice, another one what to record; both are named by their files.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from iova_lab.basics.reading import wrong
from iova_lab.diagnosis.release import Release, has, is_before

FOLDER = Path(__file__).resolve().parents[1] / "pathologies"
_MADE_BY = "whoever adds a pathology"

T = TypeVar("T")


class Symptom(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A sign that points to the pathology, or away from it, and how much."""

    sign: str
    weight: int
    says: str


class Fix(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A commit; ``stable`` has its backports by series; "" is one without a known id."""

    commit: str
    mainline: str
    effect: Literal["mends", "eases"]
    says: str
    stable: dict[str, str] = {}

    def is_in(self, release: Release) -> bool | None:
        """Is it in ``release``?  None if the number does not say."""
        return has(release, self.mainline, self.stable)


class Workload(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What reproduces it: a workload of the lab, and at how many live ranges."""

    name: str
    default: int
    size: Literal["live_ranges", "fixed"]
    rcache: str = "off"


class Pathology(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """See iova_lab/pathologies/*.toml; ``since`` and ``until`` are mainline releases."""

    title: str
    summary: str
    since: str
    needs: list[str]
    advice: list[str]
    record: list[str]
    sources: list[str]
    symptom: list[Symptom]
    against: list[Symptom] = []
    fix: list[Fix] = []
    until: str = ""
    kind: Literal["allocator", "other"] = "allocator"
    workload: Workload | None = None
    reproduce: str = ""

    def is_in(self, release: Release) -> bool | None:
        """Does ``release`` have it?  None if a backport may have mended it, or brought it."""
        if is_before(release, self.since):
            return None if release.is_enterprise else False
        known = [fix.is_in(release) for fix in self.fix if fix.effect == "mends"]
        if True in known:
            return False
        if self.until and not is_before(release, self.until):
            return False
        return None if None in known else True


class Advice(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What to do; ``since`` and ``until`` are releases between which it makes sense."""

    does: str
    says: str
    price: str
    source: str
    since: str = ""
    until: str = ""

    def fits(self, release: Release | None) -> bool:
        """Does it make sense on ``release``?"""
        if release is None:
            return True
        late_enough = not self.since or not is_before(release, self.since)
        return late_enough and (not self.until or is_before(release, self.until))


class Record(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What to record to be surer: a command to paste."""

    command: str
    says: str
    settles: str
    source: str


def _read(path: Path, schema: type[T]) -> T:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), schema)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise wrong(path, str(error), _MADE_BY) from None


def _all(folder: Path, schema: type[T]) -> dict[str, T]:
    return {path.stem: _read(path, schema) for path in sorted(folder.glob("*.toml"))}


@cache
def pathologies() -> dict[str, Pathology]:
    """Every pathology by its name."""
    return _all(FOLDER, Pathology)


@cache
def advice() -> dict[str, Advice]:
    """Every advice by its name."""
    return _all(FOLDER / "advice", Advice)


@cache
def records() -> dict[str, Record]:
    """Everything to record by its name."""
    return _all(FOLDER / "record", Record)
