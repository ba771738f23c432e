"""Do threads share the caches of the kernel's own text as they share the lab's model of them?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.commands.cli import main
from iova_variants import building
from tests.support.debian_texts import RCACHES, text_of

ROOT = Path(__file__).resolve().parent.parent
WORKLOADS = {"cross_cpu": 500, "near_empty": 50, "trace_6_12": 100}
MAGAZINE = 127

WITH_TSAN = """
import sys
import iova_variants
from iova_lab import workloads
name, *names = sys.argv[1:]
for workload in names:
    stream = workloads.generate(workload, 100)
    iova_variants.replay_threads(name, stream, threads=2, build="tsan", rcache="own")
print("no race")
"""


@pytest.mark.slow
@pytest.mark.parametrize("series", RCACHES)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_one_thread_takes_each_lock_as_often(series: str, workload: str) -> None:
    stream = workloads.generate(workload, WORKLOADS[workload])
    text, model = (
        iova_variants.replay_threads(name, stream, threads=1, rcache=rcache)
        for name, rcache in ((text_of(series), "own"), ("mainline", RCACHES[series]))
    )
    for name in ("depot", "cpu_cache"):
        assert text.lock(name).nr == model.lock(name).nr
    assert text.lock("cpu_cache").nr >= stream.nr_measured
    # The text frees the ranges of a whole magazine in one hold, the model each in its own.
    assert text.lock().nr in (model.lock().nr, model.lock().nr / MAGAZINE)
    assert text.rcache is None  # no build with threads counts it


@pytest.mark.slow
@pytest.mark.parametrize("series", RCACHES)
@pytest.mark.parametrize("workload", WORKLOADS)
def test_two_threads_never_own_the_same(series: str, workload: str) -> None:
    stream = workloads.generate(workload, WORKLOADS[workload])
    result = iova_variants.replay_threads(
        text_of(series), stream, threads=2, rcache="own", judge=True
    )
    assert result.nr_ops == stream.nr_measured


@pytest.mark.slow
@pytest.mark.parametrize("series", RCACHES)
def test_under_thread_sanitizer_its_caches_have_no_race(series: str) -> None:
    command = [sys.executable, "-c", WITH_TSAN, text_of(series), "cross_cpu", "trace_6_12"]
    library = subprocess.check_output(
        [building.compiler(), "-print-file-name=libtsan.so"], text=True
    ).strip()
    environment = os.environ | {"LD_PRELOAD": library, "TSAN_OPTIONS": "halt_on_error=1"}
    environment |= {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT
    )
    if "FATAL: ThreadSanitizer" in done.stderr:
        pytest.skip("ThreadSanitizer does not run on this machine")
    assert done.stdout == "no race\n", done.stderr[-3000:]


@pytest.mark.slow
def test_the_command_shows_the_locks_of_its_caches() -> None:
    words = [text_of("6.12"), "cross_cpu@500", "--rcache", "own", "--seconds", "0.1"]
    done = CliRunner().invoke(main, ["contention", "run", *words])
    assert done.exit_code == 0, done.output
    assert "the CPUs' caches" in done.output
    assert "the depots' locks" in done.output


def test_what_has_no_caches_of_its_own_is_one_line() -> None:
    stream = workloads.generate("near_empty", 50)
    with pytest.raises(InvalidValueError, match="mainline has no rcache of its own"):
        iova_variants.replay_threads("mainline", stream, threads=1, rcache="own")
    words = ["contention", "run", "mainline", "near_empty", "--rcache", "own"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert "only linux:SOURCE has one" in line
