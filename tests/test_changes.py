"""A number that moved between two revisions is listed once, with its reason if one is known."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from iova_lab.basics import repository
from iova_lab.commands.cli import main
from iova_lab.reports import changes
from iova_lab.reports.changes import Reason, by_variant, counts, headline, moved, read, reasons
from tests.support import asv_files


def stored(root: Path, **replaced: object) -> pd.DataFrame:
    asv_files.suite(**replaced).write(root)
    (root / "candidate").mkdir(exist_ok=True)
    (root / "candidate" / "counts.csv").write_text(
        "workload,nr_live,variant,nodes,reason\nring,100,null,3.5,\nring,100,mainline,,too long\n"
    )
    return read(root)


def one_more(variant: str, workload: str, nr_live: int) -> float:
    count = asv_files.nodes(variant, workload, nr_live)
    return count + ((variant, workload, nr_live) == ("anchor", "ring", 100))


def twice(variant: str, workload: str, nr_live: int) -> asv_files.Value:
    cost = asv_files.seconds(variant, workload, nr_live)
    factor = 2.0 if (variant, workload) == ("mainline", "startup") else 1.005
    return [factor * x for x in cost] if isinstance(cost, list) else cost


def test_the_same_results_have_not_moved(tmp_path: Path) -> None:
    old, new = stored(tmp_path / "old"), stored(tmp_path / "new")
    assert len(old) > 100
    assert moved(old, new, []).empty
    assert counts(old, new) == {"both": len(old), "new": 0, "old": 0}


def test_counts_move_by_anything_and_times_beyond_their_intervals(tmp_path: Path) -> None:
    old = stored(tmp_path / "old")
    new = stored(tmp_path / "new", nodes_per_op=one_more, ns_per_op=twice)
    known = [Reason("a flag", metrics=["ns*"]), Reason("never", variants=["gone"])]
    found = moved(old, new, known)
    counted = found[found["metric"] == "nodes_per_op"]
    assert counted[["variant", "workload", "nr_live"]].to_numpy().tolist() == [
        ["anchor", "ring", 100]
    ]
    assert counted["why"].tolist() == [changes.UNEXPLAINED]
    times = found[found["metric"] == "ns_per_op"]
    assert set(zip(times["variant"], times["workload"], strict=True)) == {("mainline", "startup")}
    assert set(times["why"]) == {"a flag"}
    assert headline(found, counts(old, new)).endswith("no reason is known for 1 of them.")
    (row,) = by_variant(counted).to_dict("records")
    assert row["live ranges: old -> new"] == "100: 8.64 -> 9.64"


def test_csv_files_count_and_a_variant_may_be_called_null(tmp_path: Path) -> None:
    rows = stored(tmp_path)
    rows = rows[rows["source"] == "candidate/counts.csv"]
    assert rows[["variant", "metric", "value"]].to_numpy().tolist() == [["null", "nodes", 3.5]]


def test_a_change_from_none_has_no_ratio(tmp_path: Path) -> None:
    some = {"spurious_failures": lambda *_: 0.0}
    found = moved(stored(tmp_path / "old", **some), stored(tmp_path / "new"), reasons())
    assert len(found) == 12
    assert found["ratio"].isna().all()


def test_a_small_reason_does_not_explain_a_large_change() -> None:
    row = pd.DataFrame(
        {"variant": ["a"], "workload": ["w"], "metric": ["m"], "old": 1.0, "new": 1.1}
    )
    one = next(row.itertuples(index=False))
    assert Reason("all").explains(one)
    assert not Reason("little", at_most=0.02).explains(one)


def test_an_unknown_revision_is_one_line() -> None:
    done = CliRunner().invoke(main, ["changes", "--from", "no-such-revision"])
    assert done.exit_code == 1
    assert done.output.startswith("iova-lab: revision 'no-such-revision'")
    assert len(done.output.splitlines()) == 1


def test_every_reason_can_fit_something() -> None:
    assert all(one.why and (one.variants or one.workloads or one.metrics) for one in reasons())


def test_a_reason_holds_only_if_its_file_differs() -> None:
    known = [Reason("a", ("iova_variants/retry.c",)), Reason("b")]
    assert [one.why for one in changes.holding(known, "HEAD", "HEAD")] == ["b"]
    assert all((repository.ROOT / one.files[0]).exists() for one in reasons() if one.files)


def test_an_rcache_a_kernel_and_the_grid_of_promises_are_compared(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, count in ((old, 2.0), (new, 3.0)):
        stored(folder)
        (folder / "candidate" / "rcache.csv").write_text(
            "workload,nr_live,variant,nodes,rcache,hit_rate\n"
            f"ring,100,maple,{count},6.7,0.5\nring,100,maple,9,off,\n"
        )
        (folder / "kernel").mkdir()
        row = '"workload": "ring", "nr_live": 100, "variant": "maple"'
        (folder / "kernel" / "6.1.jsonl").write_text(
            f'{{{row}, "release": "6.1", "instructions": {1000 + count / 100}, "p50": {count}}}\n'
        )
        (folder / "kernel" / "user.jsonl").write_text(
            f'{{{row}, "ns": {count}, "low": {count - 0.4}, "high": {count + 0.4}}}\n'
        )
    found = moved(read(old), read(new), [])
    assert found[["source", "metric", "old", "new"]].to_numpy().tolist() == [
        ["candidate/rcache.csv, rcache 6.7", "nodes", 2.0, 3.0],
        ["kernel/6.1.jsonl", "p50", 2.0, 3.0],
        ["kernel/user.jsonl", "ns", 2.0, 3.0],
    ]
    (line, *_) = changes.by_metric(found).to_dict("records")
    assert line["greatest new / old"] == "x1.50"


@pytest.mark.slow
def test_the_committed_promises_are_compared() -> None:
    rows = read(repository.ROOT / "results")
    grid = rows[rows["source"] == "promises/promises.json"]
    assert {"nodes_per_op", "worst_nodes", "bytes_per_range"} <= set(grid["metric"])
    assert grid["value"].notna().all()


def test_the_greatest_change_comes_first() -> None:
    row = {"variant": "a", "workload": "w", "source": "s", "nr_live": 100, "metric": "nodes"}
    rows = [row | {"workload": str(r), "old": 1.0, "new": r, "ratio": r} for r in (1.1, 0.1, 2.0)]
    assert list(changes.by_variant(pd.DataFrame(rows))["workload"]) == ["0.1", "2.0", "1.1"]
