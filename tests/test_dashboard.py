"""Is what `asv publish` writes complete without a network, and does it draw what was measured?"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import asv
import pytest
import yaml
from asv.machine import MachineCollection
from asv.util import UserError
from click.testing import CliRunner

from iova_lab.commands.cli import main
from iova_lab.dashboard import offline, publish, report_pages, values, views
from iova_lab.dashboard.offline import PACKAGES, OfflineError, Package
from iova_lab.measuring import asv_machine
from iova_lab.measuring.results import ResultsError, nr_measured
from tests.support import asv_files, asv_site
from tests.support.asv_site import ROOT, Site
from tests.support.lab import take_interrupts

PAGE = (Path(asv.__file__).parent / "www" / "index.html").read_text()
NODES = "nodes.NodesMean.track_nodes_per_op"
LATENCY = "latency.Latency.time_window"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return asv_site.shared(tmp_path_factory)


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    folder = tmp_path / "offline"
    folder.mkdir()
    for package in PACKAGES:
        for name in package.files:
            (folder / name).write_text("// a script")
    return folder


def test_nothing_of_the_page_is_loaded_from_elsewhere(vendor: Path) -> None:
    assert offline.REMOTE_TAG.search(PAGE)
    page = offline.localise(PAGE, vendor)
    assert not offline.REMOTE_TAG.search(page)
    assert '<script src="offline/jquery-3.3.1.min.js"></script>' in page
    assert page.count("integrity=") == 0
    assert page.count("<script") == PAGE.count("<script")


def test_a_script_that_we_do_not_have_is_named(vendor: Path) -> None:
    (vendor / "md5.min.js").unlink()
    with pytest.raises(OfflineError, match=r"md5\.min\.js, which is not among our packages"):
        offline.localise(PAGE, vendor)


def no_npm(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(folder))


def fake_npm(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    no_npm(monkeypatch, folder)


def test_without_npm_the_page_stays_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_npm(monkeypatch, tmp_path)
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text(PAGE)
    with pytest.raises(OfflineError, match="apt install npm"):
        offline.add(html, tmp_path / "cache")
    assert (html / "index.html").read_text() == PAGE


def test_a_registry_out_of_reach_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_npm(monkeypatch, tmp_path, "exit 1")
    with pytest.raises(OfflineError, match="out of reach"):
        offline.fetch(tmp_path / "cache")


def test_another_file_than_the_pinned_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for package in PACKAGES:
        (cache / package.archive).write_bytes(b"something else")
    fake_npm(monkeypatch, tmp_path, "exit 0")
    with pytest.raises(OfflineError, match="not the file that was expected"):
        offline.fetch(cache)


def test_an_intact_archive_is_not_fetched_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_npm(monkeypatch, tmp_path)
    (tmp_path / "p-1.tgz").write_bytes(b"")
    # SHA-512 of nothing, in base64.
    nothing = (
        "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
    )
    offline.fetch(tmp_path, (Package("p", "1", nothing, {}),))


def archive_of(package: Package, folder: Path, *names: str) -> None:
    with tarfile.open(folder / package.archive, "w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(f"package/{name}")
            member.size = 2
            archive.addfile(member, io.BytesIO(b"ok"))


def test_files_come_out_under_the_names_of_the_page(tmp_path: Path) -> None:
    package = Package("p", "1", "", {"p.min.js": "dist/p.js"})
    archive_of(package, tmp_path, "dist/p.js")
    offline.unpack(tmp_path, tmp_path / "offline", (package,))
    assert (tmp_path / "offline" / "p.min.js").read_bytes() == b"ok"


def test_each_package_brings_its_licence_or_the_line_that_names_it(tmp_path: Path) -> None:
    licensed, named = Package("p", "1", "", {}), Package("q", "2", "", {})
    archive_of(licensed, tmp_path, "package.json", "LICENSE.txt", "docs/LICENSE")
    archive_of(named, tmp_path, "package.json")
    offline.licences(tmp_path, tmp_path / "licences", (licensed, named))
    found = {path.name for path in (tmp_path / "licences").iterdir()}
    assert found == {"p-1-LICENSE.txt", "q-2-package.json", f"asv-{asv.__version__}-LICENSE.rst"}


@pytest.mark.slow
def test_the_published_page_names_no_other_host_and_has_all_licences(site: Site) -> None:
    assert not offline.REMOTE_TAG.search((site.html / "index.html").read_text())
    licences = {path.name for path in (site.html / "offline" / "licences").iterdir()}
    for package in PACKAGES:
        assert any(name.startswith(f"{package.name}-{package.version}") for name in licences)


@pytest.mark.slow
def test_every_json_has_its_script(site: Site) -> None:
    paths = [path for path in site.html.rglob("*.json") if "offline" not in path.parts]
    assert len(paths) > 10
    for path in paths:
        script = path.with_name(path.name + ".js").read_text()
        data = script.removeprefix("iova_lab_data(").removesuffix(");\n")
        assert json.loads(data) == json.loads(path.read_text())


def points(site: Site) -> dict[int, list[float | None]]:
    (path,) = site.html.glob(f"graphs/arch-*/**/{NODES}.json")
    return dict(json.loads(path.read_text()))


@pytest.mark.slow
def test_a_commit_that_a_merge_brought_is_drawn(site: Site) -> None:
    line = asv_site.git(site.html.parents[1], "rev-list", "--first-parent", "HEAD").split()
    assert site.commits[2] not in line
    hashes = json.loads((site.html / "index.json").read_text())["revision_to_hash"]
    drawn = [hashes[str(revision)] for revision in points(site)]
    assert drawn == site.commits
    assert "not in the dashboard" not in site.said


@pytest.mark.slow
def test_results_of_a_commit_that_is_not_there_are_named(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(site.html.parents[1], folder, symlinks=True)
    machine = folder / "results" / asv_site.MACHINE
    path = next(machine.glob(f"{site.commits[0][:8]}-*.json"))
    lost = "1234abcd" + 32 * "0"
    path.with_name(f"{lost[:8]}-x.json").write_text(path.read_text().replace(site.commits[0], lost))
    said = asv_site.publish(folder)
    (line,) = [line for line in said.splitlines() if "not in the dashboard" in line]
    assert f"{asv_site.MACHINE}/1234abcd" in line
    assert "git fetch --unshallow" in line


def test_only_a_folder_without_results_is_left_out_unsaid(tmp_path: Path) -> None:
    line = f"Skipping results: could not load {tmp_path}/machine.json"
    record = logging.LogRecord("root", logging.WARNING, "", 0, line, None, None)
    (tmp_path / "pyperf-run.json").touch()
    assert not publish.is_about_results(record)
    (tmp_path / "0123abcd-virtualenv-py3.11.json").touch()
    assert publish.is_about_results(record)


def test_committed_results_are_of_commits_that_are_here() -> None:
    """Else nobody can measure them again, and the dashboard leaves them out."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    if asv_site.git(ROOT, "rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("a shallow clone: git fetch --unshallow")
    committed = asv_site.git(ROOT, "ls-files", "results/*/*.json").split()
    machines = {path.split("/")[1] for path in committed if not path.endswith("machine.json")}
    commits = set(asv_site.git(ROOT, "rev-list", "HEAD").split())
    unseen = publish.unseen_results(str(ROOT / "results"), commits)
    assert "reference" in machines
    # The series that it was measured at was landed as one commit: docs/asv.md, "Two machines".
    assert [name for name in unseen if name.split("/")[0] in machines] == ["xeon/97a8b8e9"]


@pytest.mark.slow
def test_a_view_has_every_variant_and_the_workload_that_tells_them_apart(site: Site) -> None:
    lab = json.loads((site.html / "index.json").read_text())["iova_lab"]
    view = lab["views"][NODES]
    assert view == {
        "x-axis": ["nr_live"],
        "p-variant": [repr(name) for name in site.variants],
        "p-workload": ["'startup'"],
        "y-axis-scale": ["log"],
    }
    spurious = lab["views"]["refusals.SpuriousFailures.track_spurious_failures"]
    assert spurious["p-workload"] == ["'lost_space'"]
    assert "y-axis-scale" not in spurious  # mainline has none: zero is not on a log axis
    assert lab["log_axes"] == {"nr_live": asv_site.SIZES}


def list_of(site: Site) -> list[dict[str, Any]]:
    """The rows of asv's list, of the one machine that there is."""
    (path,) = site.html.glob("graphs/arch-*/**/summary.json")
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows


@pytest.mark.slow
def test_times_are_those_of_the_reports(site: Site) -> None:
    """Seen: seconds per window, which nobody compares with anything."""
    benchmarks = json.loads((site.html / "index.json").read_text())["benchmarks"]
    assert benchmarks[LATENCY]["unit"] == "ns/op"
    assert "seconds" not in {one.get("unit") for one in benchmarks.values()}
    (graph,) = site.html.glob(f"graphs/arch-*/**/{LATENCY}.json")
    _, cells = json.loads(graph.read_text())[0]
    axes = [[text.strip("'") for text in axis] for axis in benchmarks[LATENCY]["params"]]
    found = dict(zip(itertools.product(*axes), cells, strict=True))
    # 10 ns an op, 2 ns a node, 2 nodes; a window of startup has as many ops as it says.
    window = asv_files.NR_MEASURED / nr_measured("startup")
    assert found["mainline", "startup", "1000"] == pytest.approx(14 * window, rel=0.02)
    (row,) = [
        row
        for row in list_of(site)
        if row["pretty_name"].startswith(LATENCY) and "'mainline'" in row["pretty_name"]
    ]
    assert 1 < row["last_value"] < 1e6


@pytest.mark.slow
def test_the_list_can_be_read(site: Site) -> None:
    """Seen: 18,980 rows, most of them without a value."""
    rows = list_of(site)
    benchmarks = json.loads((site.html / "index.json").read_text())["benchmarks"]
    changed = [row for row in rows if row["prev_value"] is not None]
    assert len(rows) - len(changed) <= len(benchmarks) * len(site.variants)
    assert all(row["last_value"] is not None for row in rows)
    assert not [row for row in rows if "'null'" in row["pretty_name"]]
    assert {row["name"] for row in rows} >= {NODES, LATENCY}


@pytest.mark.slow
def test_a_change_between_commits_is_one_of_counts(site: Site) -> None:
    """Seen: 94 "improvements", null among them, between two runs of the same code."""
    changed = {row["pretty_name"] for row in list_of(site) if row["prev_value"] is not None}
    assert changed == {f"{NODES}('mainline', 'ring', {size})" for size in asv_site.SIZES}
    found = json.loads((site.html / "regressions.json").read_text())["regressions"]
    assert {name for name, *_ in found} == changed


@pytest.mark.slow
def test_what_was_never_measured_is_listed_as_that(site: Site) -> None:
    index = json.loads((site.html / "index.json").read_text())
    assert index["iova_lab"]["unmeasured"] == [asv_site.UNMEASURED]


def test_a_workload_that_is_gone_is_one_line(tmp_path: Path) -> None:
    benchmark = {"unit": "seconds", "param_names": ["workload"], "params": [["'gone'"]]}
    index = {"benchmarks": {"one.Of.time_it": benchmark}, "graph_param_list": []}
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(ResultsError, match="gone"):
        values.per_op(tmp_path)


def test_no_two_variants_look_the_same() -> None:
    names = [f"variant_{index}" for index in range(20)]
    looks = [json.dumps(look) for look in views.looks([*names, "null"]).values()]
    assert len(set(looks)) == 21


@pytest.mark.slow
def test_reports_are_copied_and_only_the_copy_has_links(site: Site) -> None:
    index, ring = (
        f"reports/{asv_site.MACHINE}/{page}.html" for page in ("index", "workloads/ring")
    )
    assert f'<a href="{index}">Scaling report</a>' in (site.html / "index.html").read_text()
    assert '<a href="../../index.html">Dashboard</a>' in (site.html / index).read_text()
    links = re.findall(r'href="\.\./\.\./\.\./index\.html#([^"]+)"', (site.html / ring).read_text())
    assert [unquote(link) for link in links if link.startswith(NODES)] == [
        f"{NODES}?x-axis=nr_live&amp;"
        + "&amp;".join(f"p-variant='{name}'" for name in site.variants)
        + f"&amp;p-workload='ring'&amp;y-axis-scale=log&amp;machine={asv_site.MACHINE}"
    ]
    sources = [path for path in (site.html.parents[1] / "reports").rglob("*") if path.is_file()]
    assert {path.suffix for path in sources} == {".md", ".png", ".txt"}  # as in a fresh clone
    assert not any("index.html#" in path.read_text() for path in sources if path.suffix == ".md")


def test_html_is_copied_and_made_where_its_markdown_is_newer(tmp_path: Path) -> None:
    reports, html = tmp_path / "reports", tmp_path / "html"
    reports.mkdir()
    for name, written_at in (("written", 2), ("outdated", 0)):
        (reports / f"{name}.md").write_text("# Is it?\n\nOf Markdown.\n")
        page = reports / f"{name}.html"
        page.write_text("<html><head></head><body>Of make.</body></html>")
        os.utime(reports / f"{name}.md", (1, 1))
        os.utime(page, (written_at, written_at))
    report_pages.copy(reports, html, {"machines": []})
    for name, text in (("written", "Of make."), ("outdated", "Of Markdown.")):
        copied = (html / "reports" / f"{name}.html").read_text()
        assert text in copied
        assert '<a href="../index.html">Dashboard</a>' in copied
        assert "Dashboard" not in (reports / f"{name}.html").read_text()


def test_markdown_that_is_no_page_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "notes.md").write_text("of mine\n")

    class Conf:
        results_dir = html_dir = "html"
        project_url = show_commit_url = ""

    monkeypatch.setattr(publish, "_publish", lambda **_: None)
    (tmp_path / "html").mkdir()
    index: dict[str, Any] = {"benchmarks": {}, "graph_param_list": [], "params": {}}
    index["revision_to_hash"] = {}
    (tmp_path / "html" / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"^reports/notes\.md: begins with no '# question\?'"):
        publish.publish(Conf, range_spec="HEAD")


def test_commits_are_linked_on_github_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Conf:
        project_url = show_commit_url = ""

    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    publish.link_commits(Conf)
    assert Conf.show_commit_url == ""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/b")
    publish.link_commits(Conf)
    assert Conf.show_commit_url == "https://github.com/a/b/commit/"


def serve(html: Path, *arguments: str) -> subprocess.Popen[str]:
    program = str(Path(sys.executable).parent / "iova-lab")
    command = [program, "dashboard", "--no-browser", f"--html={html}", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=take_interrupts,
    )


@pytest.mark.slow
def test_the_server_says_where_it_is_and_ends_on_ctrl_c(site: Site) -> None:
    with serve(site.html, "--port=0") as server:
        assert server.stdout is not None
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
        with urllib.request.urlopen(address) as answer:
            assert b"lab/lines.js" in answer.read()
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate()
    assert (server.returncode, errors) == (0, "")


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line_or_another_port(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = CliRunner().invoke(main, ["dashboard", f"--html={site.html}", f"--port={port}"])
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert line.startswith(f"iova-lab: port {port}: Address already in use; give another")


def test_no_dashboard_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["dashboard", f"--html={tmp_path}"])
    assert done.exit_code == 1
    assert done.output.startswith(f"iova-lab: no dashboard in {tmp_path}: `make dashboard`")


def workflow_commands() -> list[str]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return [line for step in steps for line in step.get("run", "").splitlines()]


def test_the_workflow_runs_only_what_make_knows() -> None:
    commands = workflow_commands()
    assert "make reports site" in commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "make"
        done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True)
        assert done.returncode == 0, done.stderr


def test_a_machine_is_remembered_whole_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    asv_machine.remember("lab-1")
    stored = MachineCollection.load("lab-1")
    assert set(stored) == {"machine", "os", "arch", "cpu", "num_cpu", "ram", "compiler"}
    assert stored["machine"] == "lab-1"
    assert stored["ram"].endswith(" GiB")

    path = tmp_path / ".asv-machine.json"
    path.write_text(path.read_text().replace(stored["os"], "mine"))
    asv_machine.remember("lab-1")
    assert json.loads(path.read_text())["lab-1"]["os"] == "mine"
