"""Does the importer stand whatever broke it once, and a few thousand mutated inputs more?"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from iova_lab.traces.importer import write
from iova_lab.traces.importer.calls import Calls
from iova_lab.traces.importer.domains import Domains
from tests.support import fuzz_blind, fuzz_importer

ROOT = Path(__file__).resolve().parent.parent
FINDS = [path for path in sorted(fuzz_importer.FINDS.glob("*")) if path.suffix != ".md"]
_NR_MUTATED = 400
_NR_GUIDED = 1000


@pytest.mark.slow
@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.name)
def test_what_broke_it_once(path: Path, tmp_path: Path) -> None:
    fuzz_importer.check_input(path.read_bytes(), tmp_path / "t.npz")


@pytest.mark.slow
def test_mutated_text_of_every_tool(tmp_path: Path) -> None:
    rng = random.Random(1)
    nr_traces = 0
    for _ in range(_NR_MUTATED):
        nr_traces += fuzz_importer.check_input(fuzz_importer.mutated(rng), tmp_path / "t.npz")
    assert _NR_MUTATED // 4 < nr_traces < _NR_MUTATED  # some are traces still, some no longer


def test_the_check_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bounds of a request's numbers, limit_pfn 0 would get into a file."""
    alloc = b"  a-7 [000] 1.0: iova_alloc: dom=0xa size=0x1 limit=0x0 aligned=1 pfn=0x0\n"
    good = alloc.replace(b"limit=0x0", b"limit=0x9")
    assert fuzz_importer.check_input(good + alloc, tmp_path / "t.npz")
    monkeypatch.setattr(write, "Calls", lambda drops: Calls(drops, domains=Domains(start_pfn=0)))
    with pytest.raises(ValueError, match="limit_pfn lies below start_pfn"):
        fuzz_importer.check_input(good + alloc, tmp_path / "t.npz")


def test_a_find_is_kept_and_a_hang_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(data: bytes, number: int, folder: Path) -> bool:
        while number == 2:
            pass
        if number in (1, 3):
            raise ZeroDivisionError
        return True

    subject = fuzz_blind.Subject(lambda rng: b"%d" % rng.randrange(1 << 30), check)
    monkeypatch.setitem(fuzz_blind.SUBJECTS, "test", subject)
    monkeypatch.setattr(fuzz_blind, "MOST_S", 0.05)
    said: list[str] = []
    assert fuzz_blind.ask("test", 7, range(5), tmp_path, said.append) == 3
    assert [line.split(" in ")[0] for line in said[:2]] == [
        "test 1: ZeroDivisionError",
        "test 2: TooLongError",
    ]
    assert "2 inputs had a meaning, 3 broke it, in 2 places" in said[-1]
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept == {f"test-7-{number}": fuzz_blind.made("test", 7, number) for number in (1, 2)}


@pytest.mark.slow
def test_a_short_run_guided_by_coverage(tmp_path: Path) -> None:
    options = [f"-runs={_NR_GUIDED}", "-seed=1", "-max_len=4096", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fuzz_run", *options, tmp_path / "corpus"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # libFuzzer ends after the first batch that reaches the number.
    done_runs = re.search(r"Done (\d+) runs", done.stderr)
    assert done_runs
    assert int(done_runs[1]) >= _NR_GUIDED
