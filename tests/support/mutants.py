"""How many faults of the judge and of the statistics would their tests miss?

    make mutants

universalmutator changes one line at a time; a mutant with the original's machine code or bytecode
is no fault and is left out.  A seeded sample of the others is tested, each by the tests named in
`SUBJECTS`, which stop at the first failure.  A mutant that hangs is found as well.  Written to
results/mutants.json: how many were found, and every line that lived.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import CodeType
from typing import NamedTuple

import click
import pytest
from scipy import stats

from iova_lab.basics.writing import write_whole
from iova_lab.measuring import provenance
from iova_lab.rendering.console import progress
from iova_variants import building

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results/mutants.json"
#: A test of these takes seconds; an endless loop takes this long, in seconds.
_MOST_S = 45
_STATISTICS = "iova_lab.measuring.statistics"


class Subject(NamedTuple):
    """A ``source``, the mutator's name of its language, its ``tests``, and ``compiled`` code."""

    source: str
    language: str
    tests: str
    compiled: Callable[[Path], bytes | None]


def machine_code(source: Path) -> bytes | None:
    """The object file of C, None if the compiler refuses it."""
    flags = [flag for flag in building.CFLAGS if flag != "-g"]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "made.o")
        flags += [f"-I{building.HARNESS_DIR}", "-x", "c", "-c", "-", "-o", str(made)]
        text = source.read_bytes()
        command = [building.compiler(), *flags]
        done = subprocess.run(command, input=text, capture_output=True, check=False)
        return None if done.returncode else made.read_bytes()


def bytecode(source: Path) -> bytes | None:
    """What Python would run, None if it is no Python."""
    try:
        return repr(_parts(compile(source.read_text(), "", "exec", optimize=2))).encode()
    except SyntaxError:
        return None


def _parts(code: CodeType) -> tuple[object, ...]:
    constants = [_parts(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_exceptiontable


SUBJECTS = (
    Subject("harness/judge.c", "c", "tests/test_judge_alone.py", machine_code),
    Subject("iova_lab/measuring/statistics.py", "python", "tests/test_statistics.py", bytecode),
)


def mutants(subject: Subject, folder: Path) -> list[Path]:
    """One mutant of each code that differs from the original's and compiles."""
    source = ROOT / subject.source
    subprocess.run(
        [
            str(ROOT / "build/mutator/bin/mutate"),
            str(source),
            subject.language,
            "--noCheck",
            "--mutantDir",
            str(folder),
        ],
        check=True,
        capture_output=True,
    )
    paths = sorted(folder.iterdir())
    made = {subject.compiled(source): source, None: source}
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, code in zip(paths, pool.map(subject.compiled, paths), strict=True):
            made.setdefault(code, path)
    return [path for path in made.values() if path != source]


def is_found(subject: Subject, mutant: Path) -> bool:
    """Do the tests fail with ``mutant`` in the place of the source?"""
    command = [sys.executable, "-m", "tests.support.mutants", "--test", str(mutant), subject.tests]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=_MOST_S, check=False)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def _test(mutant: Path, tests: str) -> int:
    """Run ``tests`` in this process with the mutant, which nothing has imported yet."""
    if mutant.suffix == ".c":
        os.environ["IOVA_LAB_JUDGE_C"] = str(mutant)
    else:
        spec = importlib.util.spec_from_file_location(_STATISTICS, mutant)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[_STATISTICS] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", tests]))


def _changed(before: str, after: str) -> list[str]:
    """The line that a mutant changes: its number, as it was, as it is."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line.strip() for line in lines if not line.startswith(("---", "+++"))]


def survey(subject: Subject, nr: int, seed: int) -> dict[str, object]:
    """Test a sample of ``nr`` mutants of ``subject``, or all if there are no more."""
    with tempfile.TemporaryDirectory(prefix="iova-lab-mutants-") as folder:
        every = mutants(subject, Path(folder))
        tried = random.Random(seed).sample(every, min(nr, len(every)))
        with progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            task = bar.add_task(subject.source, total=len(tried))
            found = []
            for one in pool.map(lambda path: is_found(subject, path), tried):
                found.append(one)
                bar.advance(task)
        before = (ROOT / subject.source).read_text()
        lived = [path for path, one in zip(tried, found, strict=True) if not one]
        interval = stats.binomtest(len(lived), len(tried)).proportion_ci(0.95, "wilson")
        return {
            "source": subject.source,
            "tests": subject.tests,
            "nr_mutants": len(every),
            "nr_tried": len(tried),
            "nr_lived": len(lived),
            "lived_share": [round(interval.low, 4), round(interval.high, 4)],
            "lived": sorted(_changed(before, path.read_text()) for path in lived),
        }


@click.command()
@click.option("--sample", default=120, show_default=True, help="Mutants tested of each source.")
@click.option("--seed", default=1, show_default=True)
@click.option("--test", nargs=2, hidden=True)
def main(sample: int, seed: int, test: tuple[str, str] | None) -> None:
    """Test mutants of the judge and of the statistics, and store how many live."""
    if test:
        sys.exit(_test(Path(test[0]), test[1]))
    made = replace(provenance.here([], []), command="make mutants")
    found = [survey(subject, sample, seed) for subject in SUBJECTS]
    stored = {**asdict(made), "seed": seed, "found": found}
    write_whole(RESULTS, json.dumps(stored, indent=1) + "\n")
    for one in found:
        click.echo(f"{one['source']}: {one['nr_lived']} of {one['nr_tried']} mutants live")


if __name__ == "__main__":
    main()
