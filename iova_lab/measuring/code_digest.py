"""Digest of the C that a measured row stands for, the same whichever compiler is installed.

A row whose digest is not today's was measured with other C.  It may still be the same machine code:
`iova_lab.measuring.same_code` proves that for some, and what it has stored is read here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import iova_variants
from iova_lab.basics import repository
from iova_lab.basics.errors import NotFoundError
from iova_lab.basics.reading import read_json
from iova_lab.measuring import c_text
from iova_variants import building
from iova_variants.building import Build


@cache
def code_digest(variant: str, build: Build) -> str:
    """Digest of a variant's C, of all C that its build shares with others, and of the flags.

    ``variant`` is a name as `iova_variants.load` takes it.  "" if there is no such file.
    """
    try:
        source = iova_variants.find_source(variant)
    except NotFoundError:
        return ""
    return hashlib.sha256(_shared(build) + source.read_bytes()).hexdigest()[:16]


@cache
def _shared(build: Build) -> bytes:
    flags = repr((building.CFLAGS, building.BUILD_CFLAGS[build])).encode()
    code = [
        path.read_bytes()
        for path in sorted({*building.harness_sources(build), *building.shared_headers(build)})
    ]
    return flags + b"".join(code)


@cache
def text_digest(variant: str, build: Build) -> str:
    """Digest of the C that a variant's shared object is made of, and of the flags.

    Comments, layout and headers that nothing includes are not in it.
    """
    sources = [building.VARIANT_DIR / f"{variant}.c", *building.harness_sources(build)]
    flags = repr((building.CFLAGS, building.BUILD_CFLAGS[build]))
    return _digest_of(sources, building.include_dirs(build), flags)


@cache
def module_digest(variant: str, root: Path = building.VARIANT_DIR.parent) -> str:
    """Digest of the C of a variant and of the replay that times it in a booted kernel.

    As `text_digest`; ``root``: where iova_variants/ and harness/ lie.  Raises `FileNotFoundError`
    for what is no variant there.
    """
    kernel = root / "harness" / "kernel"
    beside = [folder / f"{variant}.c" for folder in (kernel / "variants", root / "iova_variants")]
    source = next((path for path in beside if path.exists()), beside[-1])
    folders = (root / "iova_variants", root / "harness", kernel)
    return _digest_of([source, kernel / "replay.c"], folders)


def _digest_of(sources: Iterable[Path], folders: Iterable[Path], flags: str = "") -> str:
    digest = hashlib.sha256(flags.encode())
    for path in c_text.with_headers(sources, folders):
        digest.update(path.name.encode() + b"\0" + _bare(path).encode() + b"\0")
    return digest.hexdigest()[:16]


@cache
def _bare(path: Path) -> str:
    return c_text.bare(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Same:
    """One variant in one build: `code_digest` then, and `text_digest` of the same machine code."""

    then: str
    now: str


@dataclass(frozen=True)
class Proof:
    """What of a commit was the machine code of a later checkout, by variant."""

    commit: str
    timed: dict[str, Same] = field(default_factory=dict)
    counted: dict[str, Same] = field(default_factory=dict)
    threaded: dict[str, Same] = field(default_factory=dict)

    def of(self, build: Build) -> Mapping[str, Same]:
        """The variants of one build; builds other than these are never compared."""
        compared = {"timed": self.timed, "counted": self.counted, "threaded": self.threaded}
        return compared.get(build, {})


@dataclass(frozen=True)
class Proofs:
    """The file that `iova_lab.measuring.same_code` writes, and how it was made."""

    command: str = ""
    commit: str = ""
    compiler: str = ""
    proofs: list[Proof] = field(default_factory=list)


def proofs_path() -> Path:
    """Where the proofs lie."""
    return repository.ROOT / "results" / "same_code.json"


@cache
def _proofs(path: Path) -> list[Proof]:
    if not path.exists():
        return []
    return read_json(path, Proofs, written_by="python -m iova_lab.measuring.same_code").proofs


def same_code(commit: str) -> frozenset[str]:
    """Variants whose machine code at ``commit`` is proven to be that of today's C."""
    return frozenset(
        name
        for proof in _proofs(proofs_path())
        if len(commit) >= 7 and proof.commit.startswith(commit)
        for name in proof.timed.keys() & proof.counted.keys()
        if all(_is_todays(name, build, proof.of(build)[name]) for build in ("timed", "counted"))
    )


def _is_todays(variant: str, build: Build, same: Same) -> bool:
    source = building.VARIANT_DIR / f"{variant}.c"
    return source.exists() and same.now == text_digest(variant, build)


def is_old(row: dict[str, object], variant: str, build: Build) -> bool:
    """Was this row measured with other code than today's, or before digests were stored?

    What is proven of a build is proven of replays without an rcache.
    """
    code = row.get("code")
    if code == code_digest(variant, build):
        return False
    if row.get("rcache", "off") != "off":
        return True
    known = [proof.of(build).get(variant) for proof in _proofs(proofs_path())]
    return not any(same.then == code and _is_todays(variant, build, same) for same in known if same)


def is_old_in_module(code: str | None, variant: str) -> bool:
    """Was this measured in a booted kernel with other code than today's?  ``code``: as stored."""
    try:
        return code != module_digest(variant)
    except FileNotFoundError:  # the variant has another name now, or is gone
        return True
