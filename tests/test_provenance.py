"""Is it stored with a result how it was made?"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab.basics.packing import pack_rows
from iova_lab.basics.writing import append_row
from iova_lab.commands.cli import main
from iova_lab.measuring import provenance

FOUR = ["command", "commit", "machine", "load"]


def test_a_description_comes_back_whole(tmp_path: Path) -> None:
    made = provenance.here(["counts", "a b.c"], ["null"])
    assert made.command == "iova-lab counts 'a b.c'"
    assert made.digests["null"].startswith("null-")
    assert set(made.machine) == {"arch", "cpu", "num_cpu", "ram", "os"}
    assert "-O2" in made.compiler
    path = provenance.write(tmp_path / "x.csv", made)
    assert path.name == "x.csv.json"
    assert provenance.read(tmp_path / "x.csv") == made


def test_what_is_not_recorded_is_named(tmp_path: Path) -> None:
    assert provenance.read(tmp_path / "x.csv").lacks == FOUR
    path = tmp_path / "y.json"
    path.write_text('{"command": "c", "load": 0.0, "other": 1}')
    assert provenance.read_file(path).lacks == ["commit", "machine"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '"x"', '{"load": "high"}', '{"machine": null}', "[" * 99_999]
)
def test_a_broken_description_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.csv\.json: .*; the command that made") as error:
        provenance.read(tmp_path / "x.csv")
    assert "\n" not in str(error.value)


def test_counts_stores_how_it_was_made(tmp_path: Path) -> None:
    out = tmp_path / "counts.csv"
    arguments = ["counts", "candidate", "--largest", "100", "--rcache", "6.7", "--out", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    made = provenance.read(out)
    assert made.command == f"iova-lab counts candidate --largest 100 --out {out} --rcache 6.7"
    assert made.digests == {"candidate": iova_variants.load("candidate", build="counted").path.stem}
    assert "commit" not in made.lacks or not provenance.commit()
    rows = pd.read_csv(out, keep_default_na=False, na_values=[""], dtype={"rcache": str})
    rows = rows.set_index("workload")
    assert (rows["rcache"] == "6.7").all()
    assert rows["hit_rate"]["trace_6_12"] == pytest.approx(0.973, abs=0.001)


def test_instructions_have_no_rcache(tmp_path: Path) -> None:
    arguments = ["counts", "null", "--rcache", "6.7", "--instructions", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "instructions are counted without an rcache" in done.output


def test_a_soak_stores_how_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    arguments = ["soak", "anchor", "--ops", "1", "--seed", "3", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, [*arguments, "--json", str(path)])
    assert done.exit_code == 0, done.output
    stored = json.loads(path.read_text())
    assert (
        stored["command"] == f"iova-lab soak anchor --ops 1 --seed 3 --out {tmp_path} --json {path}"
    )
    assert stored["seed"] == 3
    assert stored["digests"]["anchor"].startswith("anchor-")
    found = stored["variants"]["anchor"]
    lines = [json.loads(row) for row in (tmp_path / "seed-3" / "anchor.jsonl").open()]
    assert found["nr_ops"] == sum(line["nr_ops"] for line in lines) > 0
    assert found["nr_judged"] == sum(line["nr_judged"] for line in lines)
    assert found["breach"] == ""
    assert not set(provenance.read_file(path).lacks) - {"commit"}


def test_a_file_of_rows_keeps_the_descriptions_of_its_earlier_runs(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with provenance.recorded([path, tmp_path / "none.jsonl"], ["first"]):
        path.write_text("1\n")
    assert not provenance.beside(tmp_path / "none.jsonl").exists()
    with provenance.recorded([path], ["second"]):
        path.write_text("1\n2\n")
    made = provenance.read(path)
    assert (made.command, [one.command for one in made.earlier]) == (
        "iova-lab second",
        ["iova-lab first"],
    )
    with provenance.recorded([path], ["nothing"]):
        pass
    assert provenance.read(path) == made
    with provenance.recorded([path], ["anew"]):
        path.write_text("3\n")
    assert (provenance.read(path).command, provenance.read(path).earlier) == ("iova-lab anew", [])


def test_rows_that_are_packed_are_rows_that_stay(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, {"n": 1})
    with provenance.recorded([path], ["packed"]):
        pack_rows(path, str)
    assert not provenance.beside(path).exists()
    with provenance.recorded([path], ["more"]):
        append_row(path, {"n": 2})
        pack_rows(path, str)
    assert provenance.read(path).command == "iova-lab more"
    assert len(provenance.read(path).earlier) == 1


def test_rows_of_a_run_that_recorded_nothing_stay_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("1\n")
    with suppress(ZeroDivisionError), provenance.recorded([path], ["cut-short"]):
        path.write_text("1\n2\n")
        raise ZeroDivisionError
    assert provenance.read(path).command == "iova-lab cut-short"
    (earlier,) = provenance.read(path).earlier
    assert earlier.lacks == FOUR


@pytest.mark.slow
def test_every_command_that_stores_rows_describes_them(tmp_path: Path) -> None:
    contention, promised = tmp_path / "contention", tmp_path / "promises"
    asked: dict[str, Path | None] = {
        "contention sweep --variants anchor --workloads near_empty --cpus 1 --handoff-ns 70"
        f" --remote-ns 60 --seconds 0.01 --jobs 1 --results {contention}": contention,
        f"promises --measure --largest 1000 --results {promised} --out {tmp_path}": promised,
        f"claims maple-memory --results {tmp_path}": None,
    }
    for words, folder in asked.items():
        done = CliRunner().invoke(main, words.split())
        assert done.exit_code == 0, done.output
        if folder is None:
            claim = json.loads((tmp_path / "claims" / "maple-memory.json").read_text())
            assert claim["command"] == "iova-lab claims maple-memory"
            assert not set(
                provenance.read_file(tmp_path / "claims" / "maple-memory.json").lacks
            ) - {"commit"}
            continue
        stores = [path for path in folder.iterdir() if path.stat().st_size]
        suffixes = ([".jsonl"], [".jsonl", ".gz"], [".json"], [".json", ".gz"])
        stores = [path for path in stores if path.suffixes in suffixes]
        assert stores
        for path in stores:
            made = provenance.read(path)
            assert not set(made.lacks) - {"commit"}, path
            assert sorted(made.command.split()) == sorted(f"iova-lab {words}".split())
