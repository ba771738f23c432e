"""Are modules of one idea, private names private, and errors of one family?"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import iova_lab
import iova_variants
from iova_lab.basics.errors import IovaLabError

ROOT = Path(__file__).resolve().parent.parent
#: The most lines of one file, by its suffix; tests may be longer.
MAX_LINES = {".py": 300, ".c": 450, ".h": 450}
PACKAGES = (iova_lab, iova_variants)


def code(suffix: str) -> list[Path]:
    """All files of code that git has, without the tests."""
    command = ["git", "ls-files", "-z", f"*{suffix}"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.exists() and not path.is_relative_to(ROOT / "tests")]


@pytest.mark.parametrize("suffix", MAX_LINES)
def test_no_file_is_longer_than_one_idea_needs(suffix: str) -> None:
    nr_lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in code(suffix)}
    assert len(nr_lines) > 10
    assert {path: nr for path, nr in nr_lines.items() if nr > MAX_LINES[suffix]} == {}


def imported(path: Path) -> Iterator[str]:
    """Dotted names that a file imports: modules, and what is taken from them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_private_elsewhere(name: str, path: Path) -> bool:
    """Does this name have a private part, below another folder than the file's own?"""
    parts = name.split(".")
    private = next((at for at, part in enumerate(parts) if part.startswith("_")), None)
    if private is None or parts[0] not in ("iova_lab", "iova_variants"):
        return False
    return not path.parent.is_relative_to(ROOT.joinpath(*parts[:private]))


@pytest.mark.slow
def test_nothing_private_is_imported_from_another_package() -> None:
    variants = ROOT / "iova_variants" / "_variant.py"
    assert is_private_elsewhere(
        "iova_variants._rcache.OWN", ROOT / "iova_lab" / "commands" / "cli.py"
    )
    assert not is_private_elsewhere("iova_variants._rcache.OWN", variants)
    found = [
        (path, name)
        for path in code(".py")
        for name in imported(path)
        if is_private_elsewhere(name, path) and not name.endswith(("__version__", "__file__"))
    ]
    assert found == []


def modules() -> Iterator[ModuleType]:
    """Every module of both packages that can be imported without being run."""
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__") and ".guest" not in found.name:
                yield importlib.import_module(found.name)


def test_every_public_error_is_one_that_the_command_line_prints_as_a_line() -> None:
    errors = {
        member
        for module in modules()
        for name, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, BaseException) and member.__module__.split(".")[0].startswith("iova_")
    }
    public = {error for error in errors if not error.__name__.startswith("_")}
    assert len(public) > 20
    assert {error for error in public if not issubclass(error, IovaLabError)} == set()
