"""Does a page tell which of its numbers are of code that this checkout does not have?"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from iova_lab.basics import repository
from iova_lab.measuring import code_digest, flags
from iova_lab.reports import mail, report, report_data
from iova_variants import building
from iova_variants.building import Build
from tests.support import asv_files


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_changed_variants_and_workloads_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["iova_variants/anchor.c", "iova_variants/maple.c", "iova_lab/workloads/ring.py"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "base")
    commit = git(tmp_path, "rev-parse", "HEAD")
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    assert flags.changed_since(commit) == "as in this checkout"
    for name in (names[0], names[2]):
        (tmp_path / name).write_text("after\n")
    assert flags.changed_since(commit) == "OLD CODE: anchor, ring have changed since"
    assert flags.changed_since("0" * 40) == "not known: the commit is not in this repository"


@pytest.mark.parametrize(
    ("path", "after", "old"),
    [
        ("iova_variants/anchor.c", '#include "tree.h"\nint a; /* the first */\n', []),
        ("iova_variants/anchor.c", '#include "tree.h"\nint b;\n', ["anchor"]),
        ("iova_variants/tree.h", "int\ttree; // one\n", []),
        ("iova_variants/tree.h", "long tree;\n", ["anchor"]),
        ("iova_variants/other.h", "long other;\n", []),
        ("iova_lab/workloads/ring.py", '"""New."""\nfrom b import c\n\nSIZE = 1  # page\n', []),
        ("iova_lab/workloads/ring.py", '"""Old."""\nfrom a import c\nSIZE = 2\n', ["ring"]),
        ("iova_lab/workloads/later.py", "SIZE = 1\n", []),
    ],
)
def test_what_counts_as_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, after: str, old: list[str]
) -> None:
    """Not comments, layout, imports or docstrings; a header counts for those that include it.

    A workload that came later was not measured, so it has not changed.
    """
    files = {
        "iova_variants/anchor.c": '#include "tree.h"\nint a;\n',
        "iova_variants/maple.c": "int m;\n",
        "iova_variants/tree.h": "int tree;\n",
        "iova_variants/other.h": "int other;\n",
        "iova_lab/workloads/ring.py": '"""Old."""\nfrom a import c\nSIZE = 1\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "base")
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    (tmp_path / path).write_text(after)
    git(tmp_path, "add", "-A")
    assert flags.old_names(git(tmp_path, "rev-parse", "HEAD")) == old


@pytest.mark.parametrize(
    ("name", "pins", "old"),
    [
        ("trace_6_1", {"trace_6_1 100 0": "a", "trace_6_1 100 1": "a"}, []),
        ("trace_6_1", {"trace_6_1 100 0": "a", "trace_6_1 100 1": "b"}, ["trace_6_1"]),
        ("trace_6_1", {"trace_6_1 100 0": "a", "trace_6_1 100 2": "a"}, ["trace_6_1"]),
        ("trace_6_1", {"trace_6_12 100 0": "a"}, ["trace_6_1"]),
        ("ring", {"ring 100 0": "a"}, ["ring"]),  # pinned at some of its sizes
    ],
)
def test_a_workload_that_is_written_anew_is_the_same_while_its_only_stream_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pins: dict[str, str], old: list[str]
) -> None:
    then = {"trace_6_1 100 0": "a", "trace_6_1 100 1": "a", "ring 100 0": "a"}
    module, golden = tmp_path / f"iova_lab/workloads/{name}.py", tmp_path / "tests/golden"
    for folder in (tmp_path / "iova_variants", module.parent, golden):
        folder.mkdir(parents=True)
    (tmp_path / "iova_variants/null.c").write_text("int a;\n")
    for text, streams in (("SIZE = 1\n", then), ("SIZE = 2\n", pins)):
        module.write_text(text)
        (golden / "streams.json").write_text(json.dumps(streams))
        if text == "SIZE = 1\n":
            git(tmp_path, "init", "-q")
            git(tmp_path, "add", "-A")
            git(tmp_path, "commit", "-q", "-m", "base")
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    assert flags.old_names(git(tmp_path, "rev-parse", "HEAD")) == old


def test_proven_code_is_not_old_until_the_c_changes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    now = {build: code_digest.text_digest("null", build) for build in ("timed", "counted")}
    proof = {"commit": commit} | {
        build: {"null": {"then": "then", "now": digest}} for build, digest in now.items()
    }
    path = tmp_path / "results" / "same_code.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"proofs": [proof]}))
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    assert code_digest.same_code(commit[:12]) == {"null"}
    assert code_digest.same_code("fedcba987654") == frozenset()
    assert not code_digest.is_old({"code": "then"}, "null", "timed")
    assert not code_digest.is_old({"code": "then", "rcache": "off"}, "null", "timed")
    assert code_digest.is_old({"code": "then", "rcache": "6.7"}, "null", "timed")
    assert code_digest.is_old({"code": "then"}, "null", "threaded")
    assert code_digest.is_old({"code": "other"}, "null", "timed")
    monkeypatch.setattr(code_digest, "text_digest", lambda variant, build: "changed since")
    assert code_digest.same_code(commit[:12]) == frozenset()
    assert code_digest.is_old({"code": "then"}, "null", "timed")


def test_a_label_follows_each_name_and_no_part_of_another() -> None:
    text = "alignable, peng_alignable and alignable.c: x0.5 of alignable's."
    assert flags.labelled(text, ["alignable"]) == (
        "alignable (OLD CODE), peng_alignable and alignable.c: x0.5 of alignable (OLD CODE)'s."
    )
    assert flags.labelled(flags.labelled("ring.", ["ring"]), ["ring"]) == "ring (OLD CODE)."
    assert flags.labelled(text, []) == text
    assert flags.labelled("`iova-lab compare ring`", ["ring"]) == "`iova-lab compare ring`"


@pytest.mark.slow
def test_every_text_of_a_report_has_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ["cached32", "ring"]
    monkeypatch.setattr(flags, "old_names", lambda commit: old)
    asv_files.suite().write(tmp_path)
    data = report_data.gather(tmp_path, "lab-1", "mainline", None)
    texts = mail.render(data, report.headline(data)) | {"headline": report.headline(data)}
    for section in data.sections:
        shown = [section.finding, *section.faults, *section.costs["variant"]]
        texts |= {f"{section.workload} {i}": text for i, text in enumerate(shown)}
    (page,) = (one for one in data.variants if one.variant == "cached32")
    assert page.finding.startswith("OLD CODE")
    assert "ring (OLD CODE)" in " ".join(page.growth["workload"])
    assert sum("cached32 (OLD CODE)" in " ".join(text.split()) for text in texts.values()) > 3
    # A thread names variants in its questions as well, and every mail those that have changed.
    for path, text in texts.items():
        if not path.startswith("thread"):
            bare = re.search(r"\bcached32\b(?!\s+\(OLD\s+CODE\)|, ring have)", text)
            assert not bare, (path, text[bare.start() - 60 : bare.end() + 60])


@pytest.mark.parametrize("place", [flags.SOURCE, flags.OLD_SOURCE])
def test_old_flags_are_shown_where_they_were(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def show(command: str, what: str) -> str | None:
        return "CFLAGS = ['-O0']" if what.endswith(f":{place}") else None

    monkeypatch.setattr(repository, "output", show)
    assert flags.at("0" * 40).endswith(f"(`git show {'0' * 12}:{place}`)")


@pytest.mark.parametrize("build", ["timed", "counted", "threaded"])
def test_the_shim_of_a_kernels_text_is_no_part_of_a_variants_code(build: Build) -> None:
    """Seen: a header of harness/linux changed, and every stored result was labelled old code."""
    headers = building.shared_headers(build)
    assert building.HARNESS_DIR / "userspace" / "linux" / "spinlock.h" in headers
    assert not any(path.is_relative_to(building.HARNESS_DIR / "linux") for path in headers)
