"""Are a package's files taken from apt, checked and kept, and none of them in the lab itself?"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import iova_variants
from iova_lab.debian import suites
from iova_lab.linux import debian, source
from iova_lab.linux.errors import SourceError
from tests.support import small_tree

ROOT = Path(__file__).resolve().parent.parent
#: Of the heads of the kernel's files, in parts: this file is looked at as well.
MARKS = [("Anil S ", "Keshavamurthy"), ("Andrea ", "Arcangeli"), ("2006-2009, ", "Intel Corp")]

needs_dpkg = pytest.mark.skipif(
    shutil.which("dpkg-deb") is None, reason="dpkg-deb: apt install dpkg"
)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose apt knows two suites, and in the second a source package; the package."""
    folder = tmp_path / "linux-source-9.9"
    small_tree.write(folder)
    small_tree.put(folder, "zzz/last", "not needed\n")
    root = tmp_path / "root"
    (root / "usr/src").mkdir(parents=True)
    with tarfile.open(root / "usr/src/linux-source-9.9.tar.xz", "w:xz") as archive:
        archive.add(folder, arcname=folder.name)
    control = "Package: linux-source-9.9\nVersion: 9.9-1\nArchitecture: all\n"
    small_tree.put(
        root, "DEBIAN/control", control + "Maintainer: T <t@localhost>\nDescription: t\n"
    )
    deb = tmp_path / "linux-source-9.9_9.9-1_all.deb"
    subprocess.run(["dpkg-deb", "-b", root, deb], check=True, capture_output=True)
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    small_tree.put(tmp_path, "archive/old", "")
    small_tree.put(tmp_path, "archive/new", f"{control}SHA256: {digest}\n")
    script = f"""#!/bin/sh
echo "$* $APT_CONFIG" >> {tmp_path}/asked
suite=$(basename "$APT_CONFIG" .conf)
lists={tmp_path}/build/debian/lists
case "$*" in
update*) cp {tmp_path}/archive/$suite $lists/x_dists_${{suite}}_main_binary-amd64_Packages ;;
download*) cp {deb} . ;;
esac
"""
    small_tree.put(tmp_path / "bin", "apt-get", script)
    (tmp_path / "bin/apt-get").chmod(0o755)
    monkeypatch.setattr(suites, "SUITES", {"old": ("old",), "new": ("new",)})
    monkeypatch.setattr(suites, "KEYRING", deb)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return deb


@needs_dpkg
def test_the_needed_files_are_fetched_once(apt: Path) -> None:
    variant = iova_variants.load("linux:debian-9.9")
    assert variant.name == "linux:debian-9.9"
    folder = debian.CACHE / "debian-9.9"
    assert (folder / "drivers/iommu/iova.c").exists()
    assert not (folder / "zzz").exists()
    assert not list(debian.CACHE.rglob("*.deb"))
    assert debian.known() == ["9.9"]
    debian.folder("9.9", ["lib/rbtree.c"])
    assert (apt.parent / "asked").read_text().count("download") == 1


@needs_dpkg
def test_a_package_with_another_sum_is_rejected(apt: Path) -> None:
    with apt.open("ab") as file:
        file.write(b"more")
    with pytest.raises(SourceError, match="is not what the signed list of the archive has"):
        debian.folder("9.9", source.NEEDED)
    assert not (debian.CACHE / "debian-9.9").exists()


@needs_dpkg
def test_a_series_that_no_suite_has_is_reported_with_those_that_there_are(apt: Path) -> None:
    with pytest.raises(SourceError, match=r"no package linux-source-0\.1; it has: debian-9\.9"):
        iova_variants.load("linux:debian-0.1")
    asked = (apt.parent / "asked").read_text().splitlines()
    assert [Path(line.split()[-1]).name for line in asked] == ["old.conf", "new.conf"]


@needs_dpkg
def test_lists_without_a_network_are_used_as_they_are(apt: Path) -> None:
    assert debian.known() == ["9.9"]
    (apt.parent / "archive/new").unlink()
    assert debian.folder("9.9", source.NEEDED).exists()


def has_a_mark(data: bytes) -> bool:
    return any("".join(parts).encode() in data for parts in MARKS)


def test_no_text_of_the_kernel_is_in_the_repository() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    files = [path for path in paths if path.is_file()]
    assert not [path for path in files if path.name in ("iova.c", "iova.h", "maple_tree.c")]
    assert not [path for path in files if has_a_mark(path.read_bytes())]


@pytest.mark.slow
def test_no_text_of_the_kernel_is_in_a_source_distribution(tmp_path: Path) -> None:
    """Not even where the caches hold some; of a wheel, tests/test_packaging.py sees to that."""
    ignore = shutil.ignore_patterns(".*", "build", "_built", "*.egg-info", "results", "reports")
    source = Path(shutil.copytree(ROOT, tmp_path / "source", ignore=ignore))
    for place in ("iova_variants/_built/linux/0", "build/linux/debian-6.12"):
        small_tree.put(source, f"{place}/drivers/iommu/iova.c", "".join(MARKS[0]))
    command = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        names = sources.getnames()
    assert any(name.endswith("harness/linux/variant.c") for name in names)
    assert not [name for name in names if "/_built/" in name or name.endswith("/iova.c")]
