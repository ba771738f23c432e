"""Is a soak possible, does it reach what can go wrong, and is what does found and named?"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import iova_variants
from iova_lab.checking import soak, soak_chunk
from iova_lab.checking.rcache_callers import check_callers
from iova_lab.checking.soak_chunk import Line
from iova_lab.checking.soak_streams import RCACHES, VERIFY_EVERY, Chunk, make_chunk
from iova_lab.commands.cli import main
from iova_variants import VariantError
from iova_variants.opstream import Op, OpFlag
from tests.support.lab import REAL, REFUSED, Row, alloc, find, free, stream_of

#: Chunks of 20,000 ops that are verified after every op; off, pre-6.7 and 6.7 are all in it.
SHORT = [VERIFY_EVERY * nr - 1 for nr in range(1, 9)]

MAINLINE = Path(iova_variants.__file__).with_name("mainline.c").read_text(encoding="utf-8")


@cache
def short_soak(variant: str) -> pd.DataFrame:
    """Replay the short chunks on one variant; one row each."""
    return pd.DataFrame(
        [soak_chunk.run_chunk(variant, make_chunk(0, index), timeout=300) for index in SHORT]
    )


@pytest.mark.slow
@pytest.mark.sanitize
@pytest.mark.parametrize("variant", REAL)
def test_a_short_soak_breaks_nothing(variant: str) -> None:
    lines = short_soak(variant)
    assert len(lines) == len(SHORT)
    whole = lines[lines["nr_endless"] == 0]  # the others end early, as declared
    assert whole["nr_verified"].min() > 10_000


@pytest.mark.parametrize("index", range(8))
def test_every_chunk_is_possible(index: int) -> None:
    iova_variants.check(make_chunk(7, index).stream)


def test_a_chunk_is_the_same_for_the_same_seed_and_index() -> None:
    digests = [make_chunk(*key).stream.digest() for key in [(1, 10), (1, 10), (1, 21), (2, 10)]]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_chunks_differ_in_geometry_and_ask_everything() -> None:
    chunks = [make_chunk(0, VERIFY_EVERY * nr - 1) for nr in range(1, 41)]
    ops = np.concatenate([chunk.stream.ops for chunk in chunks])
    requests = ops[ops["op"] == Op.ALLOC]
    assert {chunk.stream.granule for chunk in chunks} > {2**12, 2**16}
    assert {chunk.stream.start_pfn for chunk in chunks} > {0, 1}
    assert {chunk.reserves for chunk in chunks} == {"none", "apart", "anywhere"}
    assert set(ops["op"].tolist()) == set(Op)
    assert set(requests["flags"].tolist()) == {0, OpFlag.SIZE_ALIGNED}
    assert (np.bitwise_count(requests["size"]) == 1).mean() > 0.5
    assert requests["size"].min() == 1
    assert requests["size"].max() > 2**30
    assert len(np.unique(ops["cpu"])) == 16


@pytest.mark.slow
def test_the_short_chunks_reach_what_can_go_wrong() -> None:
    """A soak in which nothing is ever refused, retried, flushed or trimmed shows little."""
    lines = pd.concat([short_soak(variant) for variant in REAL])
    totals = lines.groupby("variant").sum(numeric_only=True)
    refused = totals["nr_refused"] / totals["nr_allocs"]
    assert refused.between(0.1, 0.6).all()
    assert (totals.loc[["anchor", "max32", "retry", "mainline", "maple"], "nr_spurious"] > 0).all()
    assert totals["nr_not_highest"]["mainline"] > 0
    assert totals["nr_above_limit"]["cached32"] > 0
    for event in ("nr_hits", "nr_flushes"):
        assert (totals[event] > 0).all(), event
    assert set(lines["rcache"]) == set(RCACHES)


@pytest.mark.parametrize(("index", "event"), [(45, "nr_overflows"), (135, "nr_trims")])
def test_a_long_chunk_overflows_a_depot_or_has_it_trimmed(index: int, event: str) -> None:
    assert soak_chunk.run_chunk("mainline", make_chunk(0, index), timeout=300)[event] > 100


# ---- what is wrong is found ----


def liar(folder: Path) -> str:
    """Write mainline with a claim that it can't hold; returns the path of the C file."""
    path = folder / "liar.c"
    text = MAINLINE.replace('= "mainline",', '= "liar",\n\t.flags\t\t= IOVA_V_COMPLETE,')
    path.write_text(text, encoding="utf-8")
    return str(path)


def lab(*arguments: object) -> Result:
    """Run ``iova-lab``."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_a_breach_is_one_line_with_seed_chunk_and_op(tmp_path: Path) -> None:
    path = liar(tmp_path)
    done = lab("soak", path, "no_cache", "--ops", 3e5, "--seed", 0, "--out", tmp_path)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()[-1:]
    assert line.startswith("iova-lab: op ")
    assert "is refused though a fit exists" in line
    again = line[line.index("soak ") : -1].split()
    alone = lab(*again, "--out", tmp_path)
    assert alone.exit_code == 1
    assert alone.stderr.strip().startswith(line[: line.index(" (again")])
    # The other one went on.
    assert len((tmp_path / "seed-0" / "no_cache.jsonl").read_text().splitlines()) == 2


def callers(rows: list[Row], pfns: list[int]) -> str:
    """What `check_callers` says of these answers."""
    with pytest.raises(VariantError) as caught:
        check_callers(stream_of(rows), np.array(pfns, np.uint64))
    return str(caught.value)


def test_what_the_rcache_does_wrong_is_found() -> None:
    two = [alloc(0, 1, 100), alloc(1, 1, 100)]
    assert "op 1: pfn 0x64 was handed out twice" in callers(two, [100, 100])
    freed = [alloc(0, 1, 100), free(0), alloc(1, 1, 100), alloc(2, 1, 100)]
    assert "op 3: pfn 0x64 was handed out twice" in callers(freed, [100] * 4)
    assert "op 0: pfn 0x64 is not aligned" in callers([alloc(0, 5, 200)], [100])
    assert "op 0: pfn 0x60 ends above its limit" in callers([alloc(0, 5, 99)], [96])


def test_what_the_rcache_does_right_is_let_through() -> None:
    rows = [alloc(0, 4, 99), alloc(1, 4, 99), free(0), alloc(0, 3, 99), find(0), free(0), free(1)]
    pfns = [96, REFUSED, 96, 96, 96, 96, REFUSED]
    check_callers(stream_of(rows), np.array(pfns, np.uint64))
    domains = [alloc(0, 1, 9), alloc(1, 1, 9, dom=1)]
    check_callers(stream_of(domains, nr_domains=2), np.array([9, 9], np.uint64))
    wraps = stream_of([alloc(0, 17, 20)])  # 32 pfns: the rcache's check wraps
    check_callers(wraps, np.array([64], np.uint64))
    assert "ends above its limit" in callers([alloc(0, 33, 20)], [64])


# ---- stopped and taken up again ----


def soaking(folder: Path, nr_ops: int = 300_000) -> soak.Soak:
    """Two variants, two chunks each."""
    return soak.Soak(["no_cache", "anchor"], seed=3, nr_ops=nr_ops, out=folder, timeout=300)


@pytest.mark.slow
def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = soaking(tmp_path)
    run.run()
    before = run.frame()
    assert len(before) == 4
    path = tmp_path / "seed-3" / "anchor.jsonl"
    rows = path.read_text().splitlines(True)
    path.write_text(rows[0] + rows[1][:30])  # killed while it wrote
    replayed: list[tuple[str, int]] = []
    run_chunk = soak_chunk.run_chunk

    def noted(variant: str, chunk: Chunk, **options: Any) -> Line:
        replayed.append((variant, chunk.index))
        return run_chunk(variant, chunk, **options)

    monkeypatch.setattr(soak, "run_chunk", noted)
    again = soaking(tmp_path)
    again.run()
    assert replayed == [("anchor", 1)]
    timeless = [frame.drop(columns=["ns"]).fillna("") for frame in (before, again.frame())]
    timeless = [frame.drop(columns=["built"], errors="ignore") for frame in timeless]
    assert timeless[0].equals(timeless[1])


def test_lines_of_another_build_do_not_count(tmp_path: Path) -> None:
    run = soaking(tmp_path, nr_ops=1)
    run.run()
    path = tmp_path / "seed-3" / "anchor.jsonl"
    line = json.loads(path.read_text())
    path.write_text(json.dumps(line | {"built": "anchor-older"}) + "\n")
    assert len(soaking(tmp_path, nr_ops=1).frame()) == 1


def test_an_interrupted_soak_shows_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_chunk = soak_chunk.run_chunk

    def interrupted(variant: str, chunk: Chunk, **options: Any) -> Line:
        if chunk.index == 1:
            raise KeyboardInterrupt
        return run_chunk(variant, chunk, **options)

    monkeypatch.setattr(soak, "run_chunk", interrupted)
    done = lab("soak", "anchor", "--ops", 1e6, "--out", tmp_path)
    assert done.exit_code == 130
    assert "| anchor " in done.stdout
    assert len((tmp_path / "seed-0" / "anchor.jsonl").read_text().splitlines()) == 1


ORPHAN = """
import os
from multiprocessing.connection import Connection

import iova_variants
from iova_variants.opstream import new_ops, OpStream

ops = new_ops(100_000, limit_pfn=2**36)
ops["slot"] = range(len(ops))
Connection.recv_bytes = lambda self: os._exit(0)
iova_variants.replay("null", OpStream(ops), pfns=True, timeout=60)
"""


def test_a_child_whose_parent_was_killed_ends_too() -> None:
    """It holds the other end of stderr, so that this returns only once it has."""
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
