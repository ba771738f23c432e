"""Does the page on the search for the worst case say what its stores say?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iova_lab.basics.errors import NoResultsError
from iova_lab.checking.worst import bounded, study
from iova_lab.checking.worst.evolve import METHODS
from iova_lab.checking.worst.genome import Gene
from iova_lab.checking.worst.known import KNOWN
from iova_lab.measuring.code_digest import code_digest
from iova_lab.reports import worst
from tests.support.alike import assert_alike

ROOT = Path(__file__).resolve().parent.parent
RESULTS, REPORTS = ROOT / "results" / "worst", ROOT / "reports" / "worst"


def search(method: str, seed: int, found: dict[str, tuple[int, float]]) -> dict[str, Any]:
    row = {"method": method, "variant": "mainline", "rcache": "off", "seed": seed}
    return row | {"nr_tried": 1920, "seconds": 30.0, "found": found}


def hold(stream: str, hold: int, variant: str = "mainline") -> dict[str, Any]:
    code = code_digest(variant, "counted")
    row = {"variant": variant, "code": code, "stream": stream, "live": 1000, "hold": hold}
    return row | {"instructions": hold + 50, "nodes": hold // 10}


def find(goal: str, alike: list[str], code: str) -> dict[str, Any]:
    row = {"variant": "mainline", "rcache": "off", "seed": 0, "code": code, "goal": goal}
    row |= {"value": 0.5, "first_tried": 7, "first_seconds": 1.0, "fit": "linear: 0.50 n + 1"}
    return row | {"alike": alike, "also": [], "start_pfn": 1, "genes": [list(Gene("fill"))]}


def write(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def page(folder: Path) -> str:
    worst.write_worst(folder, folder / "out")
    return (folder / "out" / "worst.md").read_text(encoding="utf-8")


def cells(text: str, begin: str) -> list[str]:
    """The cells of the one row of a table that begins so."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    (row,) = [row for row in rows if row[0].startswith(begin)]
    return row


def test_medians_are_over_seeds_and_a_fault_that_is_missed_has_none(tmp_path: Path) -> None:
    rows = [
        search("islands", 0, {"odd-limit": (100, 2.0), "replace": (900, 9.0)}),
        search("islands", 1, {"odd-limit": (300, 4.0)}),
        search("islands", 2, {"odd-limit": (200, 3.0)}),
        search("random", 0, {"odd-limit": (50, 1.0)}),
    ]
    write(tmp_path, study.SEARCHES, *rows)
    text = page(tmp_path)
    assert "It finds 1 of 4 known faults, half of them within 200 streams" in text
    odd, replace = cells(text, "A limit of 33 to 56 bits"), cells(text, "Free one range")
    assert odd[2:5] == ["3 of 3", "200", "3"]
    assert odd[6:8] == ["not found published", "-"]
    assert replace[2:4] == ["1 of 3", "in 1 of 3"]
    assert replace[5:8] == ["4.15 (2018-01)", "2022-09", "5"]
    assert cells(text, "random")[1] == "1 of 4"
    assert "“islands” is not shown to find more faults than “random”" in text
    assert "## Longest lock hold" not in text


def test_the_longest_hold_of_each_variant_is_of_a_workload_and_of_a_find(tmp_path: Path) -> None:
    write(tmp_path, study.SEARCHES, search("islands", 0, {}))
    holds = [hold("ring", 900), hold("startup", 400), hold("find: grant", 1234)]
    write(tmp_path, study.HOLDS, *holds, hold("ring", 200, "candidate"))
    text = page(tmp_path)
    table = text[text.index("## Longest lock hold") :]
    assert cells(table, "mainline")[1:4] == ["900", "90", "ring"]
    assert cells(table, "mainline")[4:] == ["1,234", "123", "grant"]
    assert table.index("| candidate") < table.index("| mainline")


@pytest.mark.slow
def test_a_find_that_no_workload_has_is_named_with_its_stream(tmp_path: Path) -> None:
    write(tmp_path, study.SEARCHES, search("islands", 0, {}))
    code = code_digest("mainline", "counted")
    rows = [find("mean op, several sizes", [], code), find("free", ["ring"], code)]
    write(tmp_path, study.FINDS, *rows)
    text = page(tmp_path)
    assert "OLD CODE" not in text
    new = text[text.index("## Finds that no workload") :]
    assert "mainline: mean op, several sizes: linear: 0.50 n + 1" in new
    assert "5 x alloc 0x1, limit 0xfffffffff" in new
    assert "mainline: free" not in new
    write(tmp_path, study.FINDS, find("free", ["ring"], "other"))
    assert "**OLD CODE:** measured with code that has changed since: mainline." in page(tmp_path)


def test_the_bound_rises_with_the_levels_of_the_tree(tmp_path: Path) -> None:
    assert [bounded.levels(nr) for nr in (1, 29, 30, 210, 10**6)] == [1, 1, 2, 3, 7]
    assert bounded.most_visits(10**6 - 1) == 40
    write(tmp_path, study.SEARCHES, search("islands", 0, {}))
    row = {"variant": "candidate", "code": code_digest("candidate", "counted"), "seed": 3}
    row |= {"nr_tried": 4800, "seconds": 61.2, "live": 1000, "most_live": 1001}
    write(tmp_path, bounded.BOUND, row | {"alloc": 11, "free": 9})
    text = page(tmp_path)
    table = text[text.index("## The candidate's worst op") :]
    assert cells(table, "3") == ["3", "4,800", "61", "1,001", "11", "9", "20"]


def test_without_searches_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoResultsError, match="has no searches: `iova-lab worst-study` makes them"):
        worst.write_worst(tmp_path, tmp_path / "out")


def test_every_known_fault_has_a_source_and_a_date() -> None:
    assert len({one.key for one in KNOWN}) == len(KNOWN)
    for one in KNOWN:
        assert one.source
        assert one.years is None or 0 < one.years < 20


@pytest.mark.slow
def test_the_committed_page_is_made_of_the_committed_results(tmp_path: Path) -> None:
    worst.write_worst(RESULTS, tmp_path)
    for name in ("worst.md", "worst.png"):
        assert_alike(tmp_path / name, REPORTS / name)


def test_no_committed_op_of_the_candidate_is_above_its_bound() -> None:
    rows = study.stored(RESULTS, bounded.BOUND, bounded.BoundRow)
    assert rows
    for row in rows:
        assert max(row.alloc, row.free) <= bounded.most_visits(row.most_live)


def test_the_committed_searches_are_of_all_methods() -> None:
    rows = study.stored(RESULTS, study.SEARCHES, study.SearchRow)
    assert {row.method for row in rows} == set(METHODS)
