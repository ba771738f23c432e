"""Is it stored with a result how it was made?"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import provenance
from iova_lab.cli import main

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
    assert stored["command"] == f"iova-lab soak anchor --ops 1 --seed 3 --json {path}"
    assert stored["seed"] == 3
    assert stored["digests"]["anchor"].startswith("anchor-")
    found = stored["variants"]["anchor"]
    lines = [json.loads(row) for row in (tmp_path / "seed-3" / "anchor.jsonl").open()]
    assert found["nr_ops"] == sum(line["nr_ops"] for line in lines) > 0
    assert found["nr_judged"] == sum(line["nr_judged"] for line in lines)
    assert found["breach"] == ""
    assert not set(provenance.read_file(path).lacks) - {"commit"}
