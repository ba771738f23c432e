"""How does one C file become a shared object?

Used by the package build and, for a user's own file, at run time: both worlds compile the same
way.  A shared object is named after a digest of everything that went into it, so it is never
stale and never built twice.  The package build imports this file alone, so it needs the standard
library only, and of iova_lab the errors.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from iova_lab.basics.errors import IovaLabError

Build = Literal["timed", "counted", "sanitized", "threaded", "tsan", "traced"]
BUILDS: tuple[Build, ...] = get_args(Build)
#: Those that many threads may use at once: another lock and another slab, which are timed.
THREADED: tuple[Build, ...] = ("threaded", "tsan")

#: Behind the name of a source: an rcache in front of it is its own.
OWN_RCACHE = "+own-rcache"

VARIANT_DIR = Path(__file__).resolve().parent
HARNESS_DIR = VARIANT_DIR.parent / "harness"
BUILT_DIR = VARIANT_DIR / "_built"

#: As the kernel compiles for one processor: no floating-point or vector register, no red zone.
#: Landing pads for indirect calls depend on the kernel's configuration; a distribution's compiler
#: may add them unasked.  Which flags, and why not the others: docs/decisions/0021.
MACHINE_CFLAGS: dict[str, list[str]] = {
    "x86_64": "-mgeneral-regs-only -mno-red-zone -fcf-protection=none".split(),
    "aarch64": "-mgeneral-regs-only -mbranch-protection=none".split(),
}
# As the kernel compiles: its dialect, its optimisation, its promises about aliasing and overflow.
CFLAGS = [
    *"-std=gnu11 -O2 -g -fPIC -fvisibility=hidden -fno-common -funsigned-char".split(),
    *"-fno-strict-aliasing -fno-strict-overflow -fno-delete-null-pointer-checks".split(),
    *"-fno-stack-protector -fno-stack-clash-protection".split(),
    *MACHINE_CFLAGS.get(platform.machine(), []),
    *"-Wall -Wextra -Werror -Wno-unused-parameter".split(),
]
BUILD_CFLAGS: dict[Build, list[str]] = {
    "timed": [],
    "counted": ["-DIOVA_COUNTED"],
    # A call in the last line is a call here too, or the author's function is not in the report.
    "sanitized": (
        "-DIOVA_COUNTED -fsanitize=address,undefined -fno-sanitize-recover=all "
        "-fno-optimize-sibling-calls -fno-omit-frame-pointer"
    ).split(),
    "threaded": ["-DIOVA_THREADED", "-pthread"],
    "tsan": ["-DIOVA_THREADED", "-pthread", "-fsanitize=thread"],
    "traced": [],
}
#: For the variant alone, not for the harness around it.
VARIANT_CFLAGS: dict[Build, list[str]] = {
    "traced": ["-fsanitize-coverage=trace-pc", "-fsanitize=thread"]
}


class BuildError(IovaLabError, RuntimeError):
    """A C file did not compile; the message is the compiler's own, or names what is missing."""


def variant_sources() -> list[Path]:
    """Every variant of the lab: the C files beside this one, by name."""
    return sorted(VARIANT_DIR.glob("*.c"))


def compiler() -> str:
    """Path of the C compiler: ``$CC``, else ``cc``."""
    name = os.environ.get("CC", "cc")
    path = shutil.which(name)
    if path is None:
        raise BuildError(f"no C compiler {name!r}: apt install gcc, or set CC")
    return path


def include_dirs(build: Build) -> list[Path]:
    """Where headers are looked for; what the threaded shim has of its own comes first."""
    own = [HARNESS_DIR / "threaded"] if build in THREADED else []
    return [*own, HARNESS_DIR / "userspace", HARNESS_DIR, VARIANT_DIR]


def shared_headers(build: Build) -> list[Path]:
    """Every header that any variant can include.

    harness/linux is not among them: it is for a kernel's own text, whose unit names its digest.
    """
    folders = include_dirs(build)
    kernel_api = [folder / "linux" for folder in folders if folder != HARNESS_DIR]
    return sorted({path for folder in [*folders, *kernel_api] for path in folder.glob("*.h")})


def harness_sources(build: Build) -> list[Path]:
    """The C files that a variant is linked with; a build may replace some by its own."""
    shim = {path.name: path for path in HARNESS_DIR.glob("userspace/*.c")}
    own = {"threaded": "threaded", "tsan": "threaded", "traced": "traced"}.get(build)
    if own:  # its slab.c includes the other one
        shim |= {path.name: path for path in HARNESS_DIR.glob(f"{own}/*.c")}
    return sorted([*HARNESS_DIR.glob("*.c"), *shim.values()])


def shim_sources() -> list[Path]:
    """What of the kernel's API is no inline function."""
    return sorted(HARNESS_DIR.glob("userspace/*.c"))


@cache
def _common_digest(build: Build) -> bytes:
    """Digest of all that every shared object of this build holds or includes."""
    digest = hashlib.sha256()
    headers = sorted([*shared_headers(build), *HARNESS_DIR.glob("userspace/*.c")])
    for path in [*harness_sources(build), *headers]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    version = subprocess.run([compiler(), "--version"], capture_output=True, check=False)
    digest.update(
        version.stdout + repr((CFLAGS, BUILD_CFLAGS[build], VARIANT_CFLAGS.get(build))).encode()
    )
    return digest.digest()


def built_path(source: Path, build: Build) -> Path:
    """Where the shared object of this source, as it is now, is or will be."""
    digest = hashlib.sha256(_common_digest(build) + source.read_bytes())
    for header in sorted(source.parent.glob("*.h")):  # a user's own
        digest.update(header.read_bytes())
    for flags in _own_flags(source, build):
        digest.update(flags.read_bytes())
    return BUILT_DIR / build / f"{source.stem}-{digest.hexdigest()[:16]}.so"


def _own_flags(source: Path, build: Build) -> list[Path]:
    """Files beside a source with arguments for its compiler: of every build, and of this one."""
    names = (f"{source.stem}.flags", f"{source.stem}.{build}.flags")
    return [path for name in names if (path := source.with_name(name)).exists()]


#: Of what a compiler prints of one file.
MOST_LINES, LONGEST = 24, 200


def _compile(arguments: Iterable[str | Path], what: Path) -> None:
    command = [compiler(), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False
    )  # it quotes the file, which may be anything
    if done.returncode:
        raise BuildError(f"{what.name} does not compile:\n{_shown(done.stderr)}")


def _shown(diagnostics: str) -> str:
    """What a compiler printed, at most `MOST_LINES` lines of `LONGEST` characters."""
    lines = diagnostics.rstrip().splitlines()
    shown = [
        line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in lines[:MOST_LINES]
    ]
    more = len(lines) - len(shown)
    return "\n".join([*shown, *([f"... and {more:,} more lines"] if more else [])])


def _object(source: Path, build: Build) -> Path:
    """The harness is compiled once per build, so its machine code is the same in every variant."""
    target = BUILT_DIR / build / f"{source.stem}-{_common_digest(build).hex()[:16]}.o"
    if not target.exists():
        _atomically(target, source, build, ["-c", source])
    return target


def _atomically(target: Path, what: Path, build: Build, arguments: list[str | Path]) -> None:
    """Compile to a temporary name and rename: whoever finds ``target`` finds it whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Process numbers don't do: two containers with one folder have the same ones.
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    partial = Path(name)
    own = [f"@{path}" for path in _own_flags(what, build)]
    include = [f"-I{path}" for path in include_dirs(build)]
    try:
        _compile([*CFLAGS, *BUILD_CFLAGS[build], *own, *include, *arguments, "-o", partial], what)
        partial.chmod(0o755)  # mkstemp's is for its owner alone
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def compile_variant(source: Path, build: Build) -> Path:
    """Compile one variant with the harness around it; returns the shared object.

    Does nothing where that object exists.  Raises `BuildError`.
    """
    target = built_path(source, build)
    if not target.exists():
        objects = [_object(path, build) for path in harness_sources(build)]
        if build not in VARIANT_CFLAGS:
            _atomically(target, source, build, ["-shared", source, *objects])
            return target
        # In two steps, or the sanitizer's own library comes in; the harness stands in for it.
        with tempfile.TemporaryDirectory(prefix="iova-lab-") as folder:
            alone = Path(folder, f"{source.stem}.o")
            compile_object(source, alone, build)
            _atomically(target, source, build, ["-shared", "-Wl,-z,defs", alone, *objects])
    return target


def compile_object(source: Path, target: Path, build: Build) -> None:
    """Compile a variant alone, to see what it links to.  Raises `BuildError`."""
    _atomically(target, source, build, ["-c", *VARIANT_CFLAGS.get(build, []), source])


def harness_object(source: Path, build: Build) -> Path:
    """One file of the harness, compiled."""
    return _object(source, build)


@cache
def accepts(flag: str) -> bool:
    """Does the compiler know this flag?"""
    command = [compiler(), "-Werror", flag, "-x", "c", "-c", os.devnull, "-o", os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def compile_program(source: Path, build: Build) -> Path:
    """Compile a program of the harness that loads shared objects; does nothing where it exists."""
    digest = hashlib.sha256(_common_digest(build) + source.read_bytes()).hexdigest()[:16]
    target = BUILT_DIR / build / f"{source.stem}-{digest}"
    if not target.exists():
        _atomically(target, source, build, [source, "-ldl"])
    return target


#: Programs that hold one variant, in harness/standalone.
PROGRAMS: dict[Build, str] = {"sanitized": "main.c", "tsan": "threads.c"}


def compile_standalone(source: Path, build: Build = "sanitized") -> Path:
    """Compile one variant, with sanitizers, as a program of its own: one of `PROGRAMS`.

    Does nothing where that program exists.  Raises `BuildError`.
    """
    main = HARNESS_DIR / "standalone" / PROGRAMS[build]
    name = built_path(source, build).with_suffix("")
    parts = [main, *sorted(main.parent.glob("*.h"))]
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:8]
    target = name.with_name(f"{name.name}-{digest}")
    if not target.exists():
        objects = [_object(path, build) for path in harness_sources(build)]
        _atomically(target, source, build, [main, source, *objects])
    return target


def compile_behind(source: Path, main: Path, build: Build = "sanitized") -> Path:
    """Compile a program whose ``main`` sees all of ``source``; the headers are beside ``main``.

    Does nothing where that program exists.  Raises `BuildError`.
    """
    folders = (main.parent, main.parent.parent)
    parts = [main, *(path for folder in folders for path in sorted(folder.glob("*.[ch]")))]
    digest = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:8]
    name = built_path(source, build).with_suffix("")
    target = name.with_name(f"{name.name}-{main.parent.parent.name}-{digest}")
    if not target.exists():
        objects = [_object(path, build) for path in harness_sources(build)]
        include = [f"-I{folder}" for folder in folders]
        _atomically(target, source, build, [*include, "-include", source, main, *objects])
    return target


def compile_all(builds: Iterable[Build] = ("timed", "counted")) -> list[Path]:
    """Compile every variant of the lab, on all processors."""
    builds = list(builds)
    for build in builds:
        for path in harness_sources(build):
            _object(path, build)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [(source, build) for build in builds for source in variant_sources()]
        return list(pool.map(lambda job: compile_variant(*job), jobs))
