"""Is what gets installed complete, compiled, and of the versions that were tried?"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from asv.util import load_json
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import iova_variants
from iova_lab.measuring import asv_machine
from iova_variants.building import HARNESS_DIR
from tests.support import small_tree

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def requirements() -> list[Requirement]:
    project = PYPROJECT["project"]
    lists = [PYPROJECT["build-system"]["requires"], project["dependencies"]]
    lists += project["optional-dependencies"].values()
    return [Requirement(text) for one in lists for text in one if "iova-lab[" not in text]


def pins() -> dict[str, Requirement]:
    """Every line of constraints.txt, by canonical name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="ascii").splitlines()
    found = [Requirement(line) for line in lines if not line.lstrip().startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


def test_every_dependency_is_a_range_whose_least_version_is_named() -> None:
    for requirement in requirements():
        operators = {specifier.operator for specifier in requirement.specifier}
        assert ">=" in operators, requirement
        assert "==" not in operators, requirement


def test_the_lock_file_has_one_version_of_each_inside_its_range() -> None:
    locked = pins()
    for requirement in requirements():
        pin = locked[canonicalize_name(requirement.name)]
        (version,) = pin.specifier
        assert version.operator == "=="
        assert requirement.specifier.contains(version.version), requirement


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_lock_file_leaves_out_what_a_python_has_itself(python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    zstd = pins()["backports-zstd"]
    assert zstd.marker is not None
    assert zstd.marker.evaluate(environment) == (python != "3.14")


def test_asv_measures_with_the_versions_of_the_lock_file() -> None:
    conf = load_json(str(ROOT / "asv.conf.json"), js_comments=True)
    used = {name.removeprefix("pip+"): values for name, values in conf["matrix"]["req"].items()}
    assert set(used) == {"numpy", "asv_runner"}
    for name, values in used.items():
        assert [f"=={value}" for value in values] == [
            str(pins()[canonicalize_name(name)].specifier)
        ]


def copy_of_the_sources(folder: Path) -> Path:
    ignore = shutil.ignore_patterns(".*", "build", "_built", "*.egg-info", "results", "reports")
    return Path(shutil.copytree(ROOT, folder / "source", ignore=ignore))


def install(source: Path, folder: Path) -> tuple[Path, str]:
    """Build the wheel as asv does, unpack it; returns where, and what the build said."""
    pip = [sys.executable, "-m", "pip", "wheel", "-v", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "--no-index", "-w", folder, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("iova_lab-*-py3-none-linux_*.whl")
    site = folder / "site"
    zipfile.ZipFile(wheel).extractall(site)
    return site, done.stdout + done.stderr


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_the_sources(folder)
    for cache in ("iova_variants/_built/linux/0", "build/linux/debian-6.12"):
        text = source / cache / "drivers/iommu/iova.c"  # as `linux:SOURCE` leaves it there
        text.parent.mkdir(parents=True)
        text.write_text("a user's own\n", encoding="utf-8")
    return install(source, folder)[0]


def python(site: Path, code: str) -> str:
    """Run ``code`` with the installed package and not with this checkout."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{code}"],
        cwd=site,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.slow
def test_the_wheel_has_every_source_and_every_trace(installed: Path) -> None:
    sources = (".c", ".h", "Kbuild")
    harness = {f"harness/{name}" for name in files(HARNESS_DIR) if name.endswith(sources)}
    assert len(harness) > 10
    variants = {f"iova_variants/{name}.c" for name in iova_variants.names()}
    traces = {f"iova_lab/traces/{path.name}" for path in (ROOT / "iova_lab/traces").glob("*.npz")}
    pages = {
        f"iova_lab/dashboard/www/{path.name}"
        for path in (ROOT / "iova_lab/dashboard/www").iterdir()
    }
    folder = ROOT / "iova_lab" / "pathologies"
    known = {str(path.relative_to(ROOT)) for path in folder.rglob("*.toml")}
    assert len(known) > 50
    assert harness | variants | traces | pages | known <= files(installed)


@pytest.mark.slow
def test_the_wheel_holds_no_text_of_the_kernel(installed: Path) -> None:
    names = files(installed)
    assert "harness/linux/variant.c" in names
    assert not [name for name in names if name.endswith("/iova.c") or "_built/linux" in name]


@pytest.mark.slow
def test_an_installed_variant_is_not_compiled_again(installed: Path) -> None:
    built = installed / "iova_variants" / "_built"
    before = {name: (built / name).stat().st_mtime_ns for name in files(built)}
    shared = [name for name in before if name.endswith(".so")]
    assert len(shared) == 2 * len(iova_variants.names())
    code = """
import iova_variants
from iova_lab.measuring import asv_machine
for name in iova_variants.names():
    for build in ("timed", "counted"):
        print(iova_variants.load(name, build=build).library._name)
"""
    assert sorted(python(installed, code).split()) == sorted(str(built / name) for name in shared)
    assert before == {name: (built / name).stat().st_mtime_ns for name in files(built)}


@pytest.mark.slow
def test_an_installed_lab_compiles_a_users_file(installed: Path, tmp_path: Path) -> None:
    source = (ROOT / "iova_variants" / "null.c").read_text()
    mine = tmp_path / "mine.c"
    mine.write_text(source.replace('"null"', '"mine"'))
    code = f"import iova_variants; print(iova_variants.load({str(mine)!r}).name)"
    assert python(installed, code) == "mine\n"


@pytest.mark.slow
def test_an_installed_lab_compiles_a_tree_of_the_users_own(installed: Path, tmp_path: Path) -> None:
    tree = small_tree.write(tmp_path / "tree")
    code = f"import iova_variants as v; print(v.load('linux:{tree}').name, v.__file__)"
    name, where = python(installed, code).split()
    assert name == "linux:tree"
    assert where.startswith(str(installed))


@pytest.mark.slow
@pytest.mark.long
def test_an_installed_lab_checks_a_new_users_file(installed: Path, tmp_path: Path) -> None:
    """In an empty folder: `new`, then `try` on what it wrote, and on the same with a mistake."""
    code = f"""
import os
from iova_lab.commands.cli import main
os.chdir({str(tmp_path)!r})
for line in (["new", "mine"], ["try", "mine.c", "--check-only", "--budget", "5"]):
    main(line, standalone_mode=False)
text = open("mine.c").read()
open("mine.c", "w").write(text.replace("(*link)->pfn_hi + 1 : 0", "(*link)->pfn_hi : 0"))
try:
    main(["try", "mine.c", "--check-only", "--budget", "600"], standalone_mode=False)
except SystemExit as error:
    print("status", error.code)
"""
    output = python(installed, code)
    assert "mine.c: nothing wrong found" in output
    assert output.endswith("status 1\n")
    assert (tmp_path / "try" / "mine" / "mine-broken.json").exists()


@pytest.mark.slow
def test_a_variant_that_does_not_compile_takes_no_other_with_it(tmp_path: Path) -> None:
    source = copy_of_the_sources(tmp_path)
    kept = {"anchor", "null"}  # one before the broken one, one after
    for path in (source / "iova_variants").glob("*.c"):
        if path.stem not in kept:
            path.unlink()
    (source / "iova_variants" / "broken.c").write_text("int x = y;\n")
    site, output = install(source, tmp_path)
    assert "broken.c does not compile" in output
    names = {name.rsplit("-", 1)[0] for name in files(site / "iova_variants" / "_built" / "timed")}
    assert names & {"broken", *iova_variants.names()} == kept


def test_the_makefile_names_the_package_of_a_missing_tool(tmp_path: Path) -> None:
    for tool in ("make", "sh", "bash", "uname", "git", "cc", "gcc", sys.executable):
        path = shutil.which(tool)
        assert path is not None
        (tmp_path / Path(tool).name).symlink_to(path)
    for tool, package in [("git", "git"), ("cc", "gcc")]:
        (tmp_path / tool).unlink()
        done = subprocess.run(
            ["make", "tools", f"PYTHON={sys.executable}"],
            cwd=ROOT,
            env={"PATH": str(tmp_path), "SHELL": "/bin/sh"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert re.search(rf"is missing: apt install {package}$", done.stderr, re.MULTILINE)
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))


def test_a_machine_is_not_taken_for_the_only_one_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asv_machine.remember("reference")
    asv_machine.remember(platform.node())
    known = json.loads((tmp_path / ".asv-machine.json").read_text(encoding="utf-8"))
    assert known[platform.node()]["machine"] == platform.node()
    assert known["reference"]["machine"] == "reference"
