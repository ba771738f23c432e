"""Is what `iova-lab promises NAME...` prints of a file or a kernel's text what the table has?"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iova_lab.checking import promises, promises_of
from iova_lab.checking.counterexamples import examples
from iova_lab.checking.drawing import draw
from iova_lab.commands.cli import main
from tests.support import small_tree
from tests.support.lab import source_of


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count where the table reads a figure, and nowhere else."""
    cells = [promises.COMMON, promises.MEMORY, promises.ANY_MASK]
    monkeypatch.setattr(promises, "grid", lambda: cells)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["promises", *words])


def answers(output: str) -> dict[str, str]:
    """The table's rows of one variant, by column."""
    lines = output.split("\n\n")[0].splitlines()[1:]
    rows = [line.rstrip().rsplit("  ", 1) for line in lines]
    return {row[0].strip(): row[1].strip() for row in rows}


@pytest.mark.long
@pytest.mark.slow
def test_a_copy_of_a_variant_has_its_row_and_its_examples(tmp_path: Path) -> None:
    copy = tmp_path / "mine.c"
    copy.write_text(source_of("anchor").replace('"anchor"', '"mine"'))
    mine, anchor = (run(name, "--largest", "1000") for name in (str(copy), "anchor"))
    assert (mine.exit_code, anchor.exit_code) == (0, 0), mine.output + anchor.output
    assert answers(mine.output) == answers(anchor.output)
    assert answers(mine.output)["complete"] == "no"
    for name, example in examples().items():
        if example.variant == "anchor":
            assert draw(example) in anchor.output
            assert draw(example).partition("\n")[2] in mine.output, name


@pytest.mark.slow
@pytest.mark.long
def test_a_text_that_keeps_all_is_not_said_to_break_any(tmp_path: Path) -> None:
    tree = small_tree.write(tmp_path / "tree")
    done = run(f"linux:{tree}", "--largest", "1000")
    assert done.exit_code == 0, done.output
    found = answers(done.output)
    assert found["complete"] == found["exact top-down"] == "none found"
    assert found["respects the limit"] == "yes"
    assert found["any mask"] == "no"  # it walks over what lies above
    assert "linux:tree" in done.output.splitlines()[0]


@pytest.mark.slow
def test_what_breaks_the_contract_is_one_line(tmp_path: Path) -> None:
    tree = small_tree.write(
        tmp_path / "tree", changes={"limit_pfn + 1, mask": "limit_pfn + 2, mask"}
    )
    done = run(f"linux:{tree}", "--largest", "1000")
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("iova-lab: op ")
    assert "limit" in line


def test_what_goes_with_no_name_is_rejected() -> None:
    for words in (["--measure"], ["--out", "x"], ["--results", "x"]):
        done = run("anchor", *words)
        assert (done.exit_code, "name none" in done.stderr) == (2, True)
    assert run("anchor", "--largest", "100").exit_code == 1
    assert run("no_such").exit_code == 1


def test_progress_counts_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[None] = []
    monkeypatch.setattr(promises_of, "_examples_of", lambda variant, on_progress: {})
    monkeypatch.setattr(promises, "answers", lambda *given: [])
    promises_of.promises_of(["null"], [100, 1000], lambda: steps.append(None))
    assert len(steps) == promises_of.nr_steps(["null"], [100, 1000])
