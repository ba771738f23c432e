"""Does the candidate's page say what the results say, the inconvenient part too?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from iova_lab.cells import COMMON_CASE
from iova_lab.cli import main
from iova_lab.evidence import SUBJECT, bars, objections, page, sources
from iova_lab.pages import read_page

VARIANTS = ("mainline", "alignable", "augmented", "maple", "no_cache", SUBJECT)
PLACES = "needless refusals, and answers that are not the highest fit"
WORKLOADS = (*COMMON_CASE, *bars.TRAPS)


def counts(**ours: Any) -> pd.DataFrame:
    """Ours visits 2 nodes where mainline visits 4, and 20 at worst; some of ours replaced."""
    rows = []
    for workload in WORKLOADS:
        for size in (100, 1000, 100_000):
            for variant in VARIANTS:
                row = {"workload": workload, "nr_live": size, "variant": variant, "nodes": 4.0}
                row |= {"worst": size, "span": size, "bytes_per_range": 64.0, "spurious": 0}
                row |= {"not_highest": 0, "instructions": 100.0}
                if variant == SUBJECT:
                    row |= {"nodes": 2.0, "worst": 20, "instructions": 60.0} | ours
                rows.append(row)
    return pd.DataFrame(rows)


def write(folder: Path, frame: pd.DataFrame) -> Path:
    (folder / SUBJECT).mkdir(parents=True)
    frame.drop(columns="instructions").to_csv(folder / SUBJECT / sources.COUNTS, index=False)
    frame.to_csv(folder / SUBJECT / sources.INSTRUCTIONS, index=False)
    return folder


def words(folder: Path, **ours: Any) -> dict[str, str]:
    found = bars.bars(sources.load(write(folder, counts(**ours))))
    return {bar.asked.partition(":")[0]: bar.word for bar in found}


def test_bars_that_are_met(tmp_path: Path) -> None:
    assert set(words(tmp_path).values()) == {"met", "met, and the aim"}


@pytest.mark.parametrize(
    ("ours", "bar", "word"),
    [
        ({"nodes": 2.8}, "nodes per op, common case, user space", "met, and the aim"),
        ({"nodes": 2.9}, "nodes per op, common case, user space", "met"),
        ({"nodes": 4.01}, "nodes per op, common case, user space", "NOT met"),
        ({"instructions": 101}, "instructions per op, user space", "NOT met"),
        ({"worst": 33}, "nodes of the worst op in a trap, largest size", "NOT met"),
        ({"worst": 101}, "mainline's worst op in a trap, over ours", "NOT met"),
        ({"spurious": 1}, "needless refusals, and answers that are not the highest fit", "NOT met"),
        (
            {"not_highest": 1},
            "needless refusals, and answers that are not the highest fit",
            "NOT met",
        ),
        ({"span": 7}, "address span", "NOT met"),
    ],
)
def test_each_bar_has_two_sides(tmp_path: Path, ours: dict[str, Any], bar: str, word: str) -> None:
    assert words(tmp_path, **ours)[bar] == word


def test_one_window_over_the_bar_is_enough(tmp_path: Path) -> None:
    frame = counts()
    one = (frame["variant"] == SUBJECT) & (frame["workload"] == "ring") & (frame["nr_live"] == 100)
    frame.loc[one, "nodes"] = 5.0
    first = bars.bars(sources.load(write(tmp_path, frame)))[0]
    assert (first.met, "ring" in first.measured) == (False, True)


def test_twelve_objections_have_an_answer_or_say_that_they_have_none(tmp_path: Path) -> None:
    found = objections.objections(sources.load(write(tmp_path, counts())))
    assert len(found) >= 12
    answered = [one for one in found if one.verdict != objections.NOT_MEASURED]
    assert len(answered) >= 6
    assert all(any(char.isdigit() for char in one.verdict) for one in answered)


def test_where_it_is_dearer_is_told(tmp_path: Path) -> None:
    found = objections.objections(sources.load(write(tmp_path, counts(instructions=150))))
    dearer = next(one for one in found if one.question.startswith("Where is it dearer"))
    assert f"in {3 * len(WORKLOADS)} of {3 * len(WORKLOADS)} windows" in dearer.verdict
    assert "up to x1.50" in dearer.verdict


def test_a_page_of_counts_alone_names_what_is_missing(tmp_path: Path) -> None:
    out = page.write_evidence(write(tmp_path / "results", counts()), tmp_path / "out").parent
    text = read_page(out / "candidate.md")
    assert text.question == page.QUESTION
    assert "it meets 6 of 6." in text.answer
    mail = (out / "candidate.txt").read_text()
    assert max(map(len, mail.splitlines())) <= 72
    assert mail.isascii()
    assert mail.count(objections.NOT_MEASURED) >= 5


def test_a_bar_that_is_missed_stands_in_the_first_line(tmp_path: Path) -> None:
    results = write(tmp_path / "results", counts(worst=40))
    out = page.write_evidence(results, tmp_path / "out").parent
    assert "it misses: nodes of the worst op in a trap" in read_page(out / "candidate.md").answer


def test_without_counts_there_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, ["evidence", "--results", str(tmp_path), "--out", str(tmp_path)]
    )
    assert done.exit_code == 1
    assert len(done.output.strip().splitlines()) == 1
    assert "iova-lab counts" in done.output
