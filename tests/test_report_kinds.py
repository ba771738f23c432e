"""`iova-lab report`: one module a kind, found by listing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iova_lab.commands import report
from iova_lab.commands.cli import main
from iova_lab.reports import kinds as package
from iova_lab.reports.kinds import Kind, kinds

ROOT = Path(__file__).parent.parent
MEASURED = [name for name, kind in kinds().items() if kind.needs]

ONE_FILE = """
from iova_lab.reports.kinds import Kind

def _write(results, out):
    out.mkdir(parents=True)
    page = out / "added.md"
    page.write_text((results / "counted.txt").read_text())
    return {"added": page}

KIND = Kind(
    summary="a kind that one file adds", results="added", out="added",
    needs={"counted.txt": "iova-lab count-it"}, write=_write,
)
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[str, Path, Path | None, dict[str, str]]]:
    """Kinds that write nothing, and a list of the calls that they get."""
    calls: list[tuple[str, Path, Path | None, dict[str, str]]] = []

    def fake(name: str, kind: Kind) -> Kind:
        def write(results: Path, out: Path | None, **options: str) -> dict[str, Path]:
            calls.append((name, results, out, options))
            return {}

        return Kind(kind.summary, kind.results, kind.out, {}, write, kind.options, kind.of_pages)

    for name, kind in report.KINDS.items():
        monkeypatch.setitem(report.KINDS, name, fake(name, kind))
    return calls


def test_one_file_adds_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "added.py").write_text(ONE_FILE)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    found = kinds()
    sys.modules.pop(f"{package.__name__}.added")
    assert list(found)[:1] == ["added"]
    assert list(found)[-1] == "contents"
    (tmp_path / "counted.txt").write_text("19 nodes")
    report.write(found["added"], tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "added.md").read_text() == "19 nodes"


def test_all_writes_every_kind_and_the_index_last(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch)
    assert run("report", "all").exit_code == 0
    assert [name for name, *_ in calls] == list(kinds())
    by_name = {name: rest for name, *rest in calls}
    assert by_name["reference"] == [
        Path("results"),
        Path("reports/reference"),
        {"machine": "reference"},
    ]
    assert by_name["kernel"] == [Path("results/kernel"), Path("reports/kernel"), {}]
    assert by_name["contents"] == [Path("results"), Path("reports"), {}]


def test_all_takes_other_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch)
    run("report", "all", "--results", "/r", "--out", "/o", "--machine", "lab-1")
    by_name = {name: rest for name, *rest in calls}
    assert by_name["reference"] == [Path("/r"), Path("/o/lab-1"), {"machine": "lab-1"}]
    assert by_name["promises"] == [Path("/r/promises"), Path("/o/promises"), {}]


def test_the_pages_of_a_machine_lie_in_a_folder_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = recorded(monkeypatch)
    run("report", "--baseline", "maple")
    assert calls == [("reference", Path("results"), None, {"baseline": "maple"})]


def test_an_option_of_another_kind_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = recorded(monkeypatch)
    done = run("report", "kernel", "--machine", "lab-1")
    assert done.exit_code == 2
    assert "takes no --machine" in done.stderr
    assert not calls


@pytest.mark.parametrize("name", MEASURED)
def test_without_results_the_command_that_measures_is_named(name: str, tmp_path: Path) -> None:
    done = run("report", name, "--results", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert next(iter(kinds()[name].needs.values())) in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"[" * 99_999, b'["a", 1]\n3\n'])
@pytest.mark.parametrize("name", MEASURED)
def test_odd_results_of_every_kind_are_rejected(name: str, content: bytes, tmp_path: Path) -> None:
    stored = ROOT / "results" / kinds()[name].results
    for path in stored.rglob("*"):
        if path.is_file() and path.parent.name not in ("ops", "pyperf"):
            copy = tmp_path / "results" / path.relative_to(stored)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
    where = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    done = run("report", name, *where)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1, done.output
