"""Lists of packages, as apt has checked them against their signature."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_FIELD = re.compile(r"^(Version|SHA256|Depends|Pre-Depends): *(.*)$", re.MULTILINE)
_FIRST = "Package: "


@dataclass(frozen=True)
class Package:
    """One version of a package; ``depends`` has the first name of each alternative."""

    name: str
    version: str
    sha256: str
    depends: tuple[str, ...] = ()


def parse(text: str, wanted: Callable[[str], bool]) -> Iterator[Package]:
    """Yield the packages of a Packages file whose names are ``wanted``."""
    for stanza in text.split("\n\n"):
        head, _, rest = stanza.lstrip("\n").partition("\n")
        name = head.removeprefix(_FIRST).strip()
        if head.startswith(_FIRST) and wanted(name):
            fields = dict(_FIELD.findall(rest))
            needs = [fields.get("Pre-Depends", ""), fields.get("Depends", "")]
            depends = [_name(one) for field in needs for one in field.split(",") if one.strip()]
            yield Package(name, fields.get("Version", ""), fields.get("SHA256", ""), tuple(depends))


def _name(relation: str) -> str:
    """``gcc-14`` of ``gcc-14:any (>= 14.2) | gcc``."""
    return re.split(r"[\s:(|]", relation.strip(), maxsplit=1)[0]


def files(lists: Path, parts: tuple[str, ...]) -> list[Path]:
    """The Packages files of these parts of the archive."""
    found = (lists.glob(f"*_dists_{part}_main_binary-amd64_Packages") for part in parts)
    return [path for group in found for path in group]
