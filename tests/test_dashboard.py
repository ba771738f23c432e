"""Does the dashboard plugin fetch what it says, check it, and leave the page alone otherwise?"""

from __future__ import annotations

import copy
import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace

import asv
import pytest
from asv.machine import MachineCollection

from iova_lab import asv_axis, asv_machine, asv_offline
from iova_lab.asv_offline import PACKAGES, OfflineError, Package

PAGE = (Path(asv.__file__).parent / "www" / "index.html").read_text()


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    folder = tmp_path / "offline"
    folder.mkdir()
    for package in PACKAGES:
        for name in package.files:
            (folder / name).write_text("// a script")
    return folder


def test_nothing_of_the_page_is_loaded_from_elsewhere(vendor: Path) -> None:
    assert asv_offline.REMOTE_TAG.search(PAGE)
    page = asv_offline.localise(PAGE, vendor)
    assert not asv_offline.REMOTE_TAG.search(page)
    assert '<script src="offline/jquery-3.3.1.min.js"></script>' in page
    assert page.count("integrity=") == 0
    assert page.count("<script") == PAGE.count("<script")


def test_a_script_that_we_do_not_have_is_named(vendor: Path) -> None:
    (vendor / "md5.min.js").unlink()
    with pytest.raises(OfflineError, match=r"md5\.min\.js, which is not among our packages"):
        asv_offline.localise(PAGE, vendor)


def no_npm(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))


def fake_npm(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_npm_the_page_stays_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    no_npm(monkeypatch, tmp_path)
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text(PAGE)
    asv_offline.Offline.publish(SimpleNamespace(html_dir=str(html)))
    assert (html / "index.html").read_text() == PAGE
    assert "apt install npm" in caplog.text


def test_a_registry_out_of_reach_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_npm(monkeypatch, tmp_path, "exit 1")
    with pytest.raises(OfflineError, match="out of reach"):
        asv_offline.fetch(tmp_path / "cache")


def test_another_file_than_the_pinned_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for package in PACKAGES:
        (cache / package.archive).write_bytes(b"something else")
    fake_npm(monkeypatch, tmp_path, "exit 0")
    with pytest.raises(OfflineError, match="not the file that was expected"):
        asv_offline.fetch(cache)


def test_an_intact_archive_is_not_fetched_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_npm(monkeypatch, tmp_path)
    (tmp_path / "p-1.tgz").write_bytes(b"")
    # SHA-512 of nothing, in base64.
    nothing = (
        "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
    )
    asv_offline.fetch(tmp_path, (Package("p", "1", nothing, {}),))


def test_files_come_out_under_the_names_of_the_page(tmp_path: Path) -> None:
    package = Package("p", "1", "", {"p.min.js": "dist/p.js"})
    with tarfile.open(tmp_path / package.archive, "w:gz") as archive:
        member = tarfile.TarInfo("package/dist/p.js")
        member.size = 2
        archive.addfile(member, io.BytesIO(b"ok"))
    asv_offline.unpack(tmp_path, tmp_path / "offline", (package,))
    assert (tmp_path / "offline" / "p.min.js").read_bytes() == b"ok"


def test_the_axis_gets_logarithms_and_nothing_else_changes() -> None:
    grid = {"param_names": ["variant", "nr_live"], "params": [["'a'"], ["100", "1000", "2000"]]}
    plain: dict[str, list[str]] = {"param_names": [], "params": []}
    benchmarks = copy.deepcopy({"grid": grid, "plain": plain})
    asv_axis.LogSizes.publish(None, None, benchmarks)
    assert benchmarks["grid"] == {
        "param_names": ["variant", "log10(nr_live)"],
        "params": [["'a'"], ["2", "3", "3.301"]],
    }
    assert benchmarks["plain"] == plain


def test_a_machine_is_remembered_whole_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asv_machine.remember("lab-1")
    stored = MachineCollection.load("lab-1")
    assert set(stored) == {"machine", "os", "arch", "cpu", "num_cpu", "ram"}
    assert stored["machine"] == "lab-1"
    assert stored["ram"].endswith(" GiB")

    path = tmp_path / ".asv-machine.json"
    path.write_text(path.read_text().replace(stored["os"], "mine"))
    asv_machine.remember("lab-1")
    assert json.loads(path.read_text())["lab-1"]["os"] == "mine"
