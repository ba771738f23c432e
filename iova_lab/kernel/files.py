"""The files of one kernel: its image, its modules, and what modules are built with."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from iova_lab.kernel import tools

#: Where kernels, modules of the lab and runs of guests lie.
CACHE = Path("build/kernel")
#: gcc or clang as a kernel's configuration names it, with its version where that is in the name.
_COMPILER = re.compile(r"\b(gcc-\d+|gcc|clang-\d+|clang)\b")


@dataclass(frozen=True)
class Kernel:
    """One kernel that can be booted.

    ``packages`` has Debian's packages and their SHA-256, ``suite`` the suite that they are of, and
    ``needs`` the packages that a build of modules takes; all are empty for a kernel of your own,
    whose ``digest`` distinguishes builds of one release.
    """

    release: str
    root: Path
    vmlinuz: Path
    modules: Path
    headers: Path
    packages: Mapping[str, str] = field(default_factory=dict)
    suite: str = ""
    needs: tuple[str, ...] = ()
    digest: str = ""

    @cached_property
    def compiler(self) -> str:
        """What its modules must be compiled with, as its headers have it: ``gcc-12``."""
        variables = _text(self.headers / ".kernelvariables")
        if named := re.search(r"^(?:override )?CC *=.*\b(gcc-\d+)", variables, re.MULTILINE):
            return named[1]
        named = _COMPILER.search(self.configuration.get("CONFIG_CC_VERSION_TEXT", ""))
        return named[1] if named else tools.compiler_here()

    @property
    def make_arguments(self) -> list[str]:
        """What make is given to take the same compiler; Debian's headers name theirs."""
        if (self.headers / ".kernelvariables").exists():
            return []
        name, _, number = self.compiler.partition("-")
        llvm = f"LLVM=-{number}" if number else "LLVM=1"
        return [llvm] if name == "clang" else [f"CC={self.compiler}"]

    @cached_property
    def configuration(self) -> dict[str, str]:
        """Its options and their values, without quotes; none where its headers have no .config."""
        found = re.findall(r"^(CONFIG_\w+)=\"?(.*?)\"?$", _text(self.headers / ".config"), re.M)
        return dict(found)

    @cached_property
    def dependencies(self) -> dict[str, list[Path]]:
        """Per module, the files to load, in this order; none where it is built in."""
        found: dict[str, list[Path]] = {}
        for line in _text(self.modules / "modules.dep").splitlines():
            path, _, needs = line.partition(":")
            order = [*reversed(needs.split()), path]
            found[_module_name(path)] = [self.modules / part for part in order]
        for line in _text(self.modules / "modules.builtin").splitlines():
            found.setdefault(_module_name(line), [])
        return found


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder for what one guest is made of; it goes with the block."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".run-") as name:
        yield Path(name)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")
