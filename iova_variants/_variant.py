"""Which variants are there, what do they claim, and how is one loaded?"""

from __future__ import annotations

import ctypes as c
import enum
import importlib
import os
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import cast

from iova_lab.basics.errors import InvalidValueError, NotFoundError
from iova_variants import native
from iova_variants.building import (
    BUILDS,
    OWN_RCACHE,
    VARIANT_DIR,
    Build,
    compile_variant,
    variant_sources,
)
from iova_variants.child import Tell, VariantCrashedError, VariantError, run_in_child
from iova_variants.watch import Limits


class EndlessError(VariantError):
    """A request visited more nodes than any needs, and was stopped; `op` is its index in a stream.

    Only builds that count nodes notice; in the others such a request loops forever.
    """

    op = 0


class Claim(enum.IntFlag):
    """What a variant claims: the ``IOVA_V_*`` flags of iova_variant.h."""

    COMPLETE = native.COMPLETE
    EXACT = native.EXACT
    FAKE = native.FAKE
    FREE_NEEDS_MEM = native.FREE_NEEDS_MEM
    ABOVE_LIMIT = native.ABOVE_LIMIT
    BELOW_START = native.BELOW_START
    FREE_NEEDS_SIZE = native.FREE_NEEDS_SIZE
    LOW_RANGE = native.LOW_RANGE
    UNALIGNED = native.UNALIGNED
    ENDLESS = native.ENDLESS
    MERGES = native.MERGES


@dataclass(frozen=True)
class Variant:
    """One variant, loaded: its table, and the way to its C.

    ``path`` is the shared object; its name holds a digest of all that went into it.  Its code
    enters this process where ``library`` or ``ops`` is first used, and no sooner.
    """

    name: str
    summary: str
    kernel_release: str
    claims: Claim
    domain_size: int
    has_place: bool
    path: Path
    build: Build

    @cached_property
    def _opened(self) -> tuple[c.CDLL, native.Ops]:
        return native.open_library(self.path)

    @property
    def library(self) -> c.CDLL:
        """The shared object, in this process."""
        return self._opened[0]

    @property
    def ops(self) -> native.Ops:
        """Its ops table."""
        return self._opened[1]

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "_opened"}


def names(*, fake: bool = True) -> list[str]:
    """Names of all variants of the lab, sorted; without ``fake``, of those that keep ranges."""
    found = [source.stem for source in variant_sources()]
    return found if fake else [name for name in found if Claim.FAKE not in load(name).claims]


#: Names ``PREFIX:SOURCE`` are no file of the lab's: ``resolve()`` of this module, imported where
#: such a name is used, returns the C file.
RESOLVERS = {"linux": "iova_lab.linux"}
#: What a name of the kernel's own text begins with.
LINUX = "linux:"


def is_foreign(name: str) -> bool:
    """Is this the path of a C file, or a name that a resolver accepts, not a variant of the lab?"""
    return name.endswith(".c") or _resolver(name) is not None


def _resolver(name: str) -> str | None:
    prefix, colon, _ = name.partition(":")
    return RESOLVERS.get(prefix) if colon else None


def is_resolved(name: str) -> bool:
    """Is this a name that a resolver accepts, or that of a C file which one has written?"""
    return _resolver(name) is not None


def short_name(name: str) -> str:
    """What tables and names of files call a variant: no folder is in it."""
    if _resolver(name):
        prefix, _, source = name.partition(":")
        return f"{prefix}:{source.rstrip('/').rpartition('/')[2]}"
    return Path(name).stem if name.endswith(".c") else name


def with_own_rcache(name: str | Variant) -> str:
    """Return the name under which a source has its own rcache in the place of the harness's.

    Raises `InvalidValueError` for what has none.
    """
    if isinstance(name, Variant) or _resolver(name) is None:
        shown = name.name if isinstance(name, Variant) else name
        raise InvalidValueError(f"{shown} has no rcache of its own: only linux:SOURCE has one")
    return name if name.endswith(OWN_RCACHE) else name + OWN_RCACHE


def find_source(name: str) -> Path:
    """Return the C file of a variant's name, of a path to one, or of a ``linux:SOURCE``.

    Raises `NotFoundError`; for a source also what its resolver raises.
    """
    if resolver := _resolver(name):
        path: Path = importlib.import_module(resolver).resolve(name)
        return path
    if name.endswith(".c"):
        path = Path(name)
        if not path.is_file():
            raise NotFoundError(f"no such file: {name}")
        return path
    for source in variant_sources():
        if source.stem == name:
            return source
    known = ", ".join(names())
    raise NotFoundError(
        f"no variant named {name!r}; there are: {known}; or give a path to a .c file, or "
        "linux:SOURCE"
    )


#: What reading a table may take: constructors run then.
_LOADING = Limits(wall_s=20.0, cpu_s=5.0)


def _table(path: Path, build: Build) -> Variant:
    """Open a shared object in this process and read its table."""
    _, ops = native.open_library(path)
    return Variant(
        name=ops.name.decode(errors="replace"),
        summary=ops.summary.decode(errors="replace"),
        kernel_release=ops.kernel_release.decode(errors="replace"),
        claims=Claim(ops.flags),
        domain_size=ops.domain_size,
        has_place=bool(ops.place),
        path=path,
        build=build,
    )


def _table_in_child(path: Path, build: Build, tell: Tell) -> Variant:
    return _table(path, build)


def _table_of_stranger(source: Path, path: Path, build: Build) -> Variant:
    """The same for a file that may do anything while it is loaded."""
    report = run_in_child(partial(_table_in_child, path, build), _LOADING)
    if report.died:
        raise VariantCrashedError(f"{source.name}: {report.died} while being loaded")
    if report.error:
        raise report.error
    variant: Variant = report.answer
    return variant


@cache
def _load(source: Path, build: Build, changed_ns: int) -> Variant:
    """Load a file as it was at ``changed_ns``: whoever edits it gets the new one."""
    path = compile_variant(source, build)
    if source.parent == VARIANT_DIR:
        variant = _table(path, build)
    else:
        variant = _table_of_stranger(source, path, build)
    if variant.name != source.stem:
        raise native.VariantLoadError(
            f"{source} calls itself {variant.name!r}: name it after its file, or write a renamed "
            f"copy with `iova-lab new {source.stem} --from {variant.name}`"
        )
    return variant


#: What the runtime library of a sanitizer exports, and the library's name.
_RUNTIMES = {"sanitized": ("__asan_init", "libasan.so"), "tsan": ("__tsan_init", "libtsan.so")}


def _check_runtime(build: Build) -> None:
    """Raise `VariantLoadError` where loading this build would end the process."""
    if build not in _RUNTIMES:
        return
    symbol, library = _RUNTIMES[build]
    if not hasattr(c.CDLL(None), symbol):
        raise native.VariantLoadError(
            f"build {build!r} needs its sanitizer from the start of the process:"
            f' LD_PRELOAD="$(cc -print-file-name={library})" python ...'
        )


def load(name: str, *, build: Build = "timed") -> Variant:
    """Load one variant by name, or a user's own by the path of its C file; compiles if need be.

    ``IOVA_LAB_BUILD`` in the environment overrides ``build`` (the sanitizer tests use it).
    Raises `NotFoundError` for an unknown name, `BuildError` where the C does not compile,
    `VariantLoadError` where the contract's version does not match, `VariantCrashedError`
    where a user's own file does not survive being loaded, which is tried in a child process first.
    """
    override = cast(Build, os.environ.get("IOVA_LAB_BUILD", build))
    if override not in BUILDS:
        raise InvalidValueError(f"no build named {override!r}; there are: {', '.join(BUILDS)}")
    _check_runtime(override)
    source = find_source(name).resolve()
    return _load(source, override, source.stat().st_mtime_ns)
