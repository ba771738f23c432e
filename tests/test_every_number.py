"""Every number in a table of a report comes from a stored value, not from a template.

The stores are copied with another value in every measured field, each by a factor of its own, and
the pages are made again.  A number that stays the same, in the same row and column, was typed in,
or names a cell.  Columns that name cells are listed here; tests/test_evidence.py does the same for
the sentences of the candidate's page.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from iova_lab.basics.reading import packed, read_rows, row_files
from iova_lab.commands.cli import main
from tests.support.committed import copy_results
from tests.support.drawn import draw_nothing

pytestmark = pytest.mark.slow

#: Fields that say which cell a row is, or with what it was measured.
KEYS = {"release", "workload", "nr_live", "variant", "code", "first", "seed", "max_sections"}
KEYS |= {"nr_cpus", "scenario", "service", "ns_per_node", "here", "think_ns", "handoff_ns"}
KEYS |= {"remote_ns", "threads", "nr_threads", "nr_ops", "nr_equal", "nr_measured", "key", "date"}
KEYS |= {"load", "cpus", "budget", "granule", "log", "text", "error", "bound", "cpu", "boot"}
KEYS |= {"source", "rcache", "domains", "used", "allocator", "scale"}

_STUCK = re.compile(r"(?<=stuck for )\d+(?=s!)")
#: What tells one row of a file from another.
CELL = ("release", "workload", "nr_live", "threads", "scenario", "nr_cpus", "service", "seed")
#: What ratios refer to.
BASELINES = ("mainline", "kernel")

#: What makes factors others than before.
SALT = {"salt": "none"}


def factor(variant: object, *key: object) -> float:
    """A factor that hangs on the cell: mainline's up to 2.1, others' up to 12, so ratios change."""
    spread = zlib.crc32(repr((SALT, variant, *key)).encode()) % 9973 / 10000
    return 1.2 + spread if variant in BASELINES else 3.0 + 10 * spread


def other(value: Any, by: float) -> Any:
    """Another value of the same type; NaN, None and text stay, but for a watchdog's seconds."""
    if isinstance(value, str):
        return _STUCK.sub(lambda found: str(other(int(found[0]), by)), value)
    if isinstance(value, dict):
        return {
            name: one if name in KEYS else other(one, by * factor("", value.get("phase"), name))
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [other(one, by) for one in value]
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return value
    return type(value)(value * by + 3) if isinstance(value, int) else value * by


def scramble_asv(folder: Path) -> None:
    """Other results, bounds and samples in every file of asv, but for the reasons of a gap."""
    for path in folder.glob("*-*.json"):
        stored = json.loads(path.read_text(encoding="utf-8"))
        columns = stored["result_columns"]
        for benchmark, row in stored["results"].items():
            if benchmark.startswith(("coverage", "drift")):
                continue
            variants, *others = row[columns.index("params")]
            nr_cells = math.prod(map(len, others))
            by = [
                factor(variant.strip("'"), folder.name, benchmark, index)
                for variant in variants
                for index in range(nr_cells)
            ]
            values = ("result", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25", "stats_q_75")
            for name in (*values, "samples"):
                place = columns.index(name)
                if place >= len(row) or not isinstance(row[place], list):
                    continue
                row[place] = [other(value, by[at]) for at, value in enumerate(row[place])]
        path.write_text(json.dumps(stored), encoding="utf-8")


def scramble_machines(folder: Path) -> None:
    """The same for each machine, by other factors."""
    for machine in ("reference", "xeon"):
        scramble_asv(folder / machine)


def scramble_rows(folder: Path) -> None:
    """Other values in all rows of all files of JSON lines."""
    for path in row_files(folder, "*.jsonl"):
        rows = read_rows(path)
        for row in rows:
            cell = [row.get(key) for key in ("variant", "allocator", *CELL)]
            for name in row.keys() - KEYS:
                row[name] = other(row[name], factor(*cell, name))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        packed(path).unlink(missing_ok=True)


def scramble_releases(folder: Path) -> None:
    """Other counts, and other times in pyperf's samples."""
    scramble_rows(folder)
    for path in folder.glob("compare/pyperf/*.json.gz"):
        suite = json.loads(gzip.decompress(path.read_bytes()))
        for index, benchmark in enumerate(suite["benchmarks"]):
            for number, run in enumerate(benchmark["runs"]):
                by = factor(path.name, index) * factor(path.name, index, number) ** 0.01
                run["values"] = [other(value, by) for value in run["values"]]
        path.write_bytes(gzip.compress(json.dumps(suite).encode()))


#: Columns of the table that says how each result was made: nothing of it is in a row.
MADE = r"results/|command|commit|machine|load"


@dataclass(frozen=True)
class Page:
    """How a kind of page is made, and which of its columns name cells."""

    folder: str
    command: tuple[str, ...]
    scramble: Callable[[Path], None]
    names: str = r"live|live ranges"
    results: str = ""
    least: int = 100  # numbers in its tables


PAGES = {
    "reference": Page(
        "reference",
        ("report", "--machine", "reference"),
        scramble_asv,
        r"live.*|.*class|vs .*|.*: exponent|nr_live",
    ),
    "machines": Page("", ("report", "machines"), scramble_machines, r"cell|cells|opposite"),
    "kernel": Page(
        "kernel",
        ("report", "kernel"),
        scramble_rows,
        r"live.*|.*: (live|ops)|workloads|cells|ops|.*equal|held against|.*CPUs?.*|kernel|.*code|"
        + MADE,
        "kernel",
    ),
    "io": Page(
        "kernel",
        ("report", "io"),
        scramble_rows,
        r"phase|allocator|kernel|p99|" + MADE,  # p99 is the edge of a bucket
        "kernel",
        least=80,
    ),
    "contention": Page(
        "contention",
        ("report", "contention"),
        scramble_rows,
        r"live.*|threads|CPUs|ns a node|.*published.*|what|figure|worst|" + MADE,
        "contention",
    ),
    "rcache": Page(
        "rcache",
        ("report", "rcache"),
        scramble_rows,
        r".*CPUs|domains|in it|not in it|" + MADE,
        "rcache",
        least=80,
    ),
    "releases": Page(
        "releases",
        ("report", "releases"),
        scramble_releases,
        r"workload|in it|not in it|" + MADE,
        "releases",
    ),
}


def made(page: Page, results: Path, out: Path) -> dict[str, str]:
    """The Markdown of a kind of page, by file."""
    where = ["--results", str(results / page.results), "--out", str(out)]
    done = CliRunner().invoke(main, [*page.command, *where])
    assert done.exit_code == 0, done.output
    return {str(path.relative_to(out)): path.read_text("utf-8") for path in out.rglob("*.md")}


def cells(text: str, names: str) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Each number of each table, under its heading, row and column."""
    heading = ""
    header: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            heading = re.sub(r"\d[\d,.]*", "#", line)
        if not line.startswith("|"):
            header = []
            continue
        parts = [part.strip() for part in line.strip("|").split("|")]
        if not header:
            header = parts
        elif not set(line) <= set("|:- "):
            fixed = [p for h, p in zip(header, parts, strict=True) if re.fullmatch(names, h)]
            row = " ".join([parts[0], *fixed])
            for head, part in zip(header[1:], parts[1:], strict=True):
                if not re.fullmatch(names, head) and re.search(r"\d", part):
                    yield (heading, row, head), part


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.long] * (kind == "reference")) for kind in PAGES]
)
def test_every_number_in_a_table_comes_from_a_stored_value(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_nothing(monkeypatch)
    page = PAGES[kind]
    stored = copy_results(tmp_path / "stored")
    before = made(page, stored, tmp_path / "before")
    kept, seen = numbers(page, before), set()
    for salt in ("one", "two", "three"):  # "43 %" may come out again twice
        monkeypatch.setitem(SALT, "salt", salt)
        shutil.copytree(stored, tmp_path / salt)
        page.scramble(tmp_path / salt / page.folder)
        now = numbers(page, made(page, tmp_path / salt, tmp_path / f"{salt}-out"))
        seen |= kept.keys() & now.keys()
        kept = {key: value for key, value in kept.items() if now.get(key) == value}
    assert not kept, "\n".join(map(str, kept.items()))
    assert len(seen) > page.least


def numbers(page: Page, texts: dict[str, str]) -> dict[tuple[str, ...], str]:
    """All numbers but 0 of all tables."""
    return {
        (name, *key): value
        for name, text in texts.items()
        for key, value in cells(text, page.names)
        if re.search(r"[1-9]", value)
    }


def test_a_number_that_was_typed_in_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = "## Typed in\n\n| what | ns |\n|:--|--:|\n| mainline | 19.4 |\n"
    page = PAGES["kernel"]
    make = made
    monkeypatch.setitem(
        globals(),
        "made",
        lambda *given: {name: text + typed for name, text in make(*given).items()},
    )
    monkeypatch.setitem(PAGES, "typed", page)
    with pytest.raises(AssertionError, match=r"mainline.*19\.4"):
        test_every_number_in_a_table_comes_from_a_stored_value("typed", tmp_path, monkeypatch)
