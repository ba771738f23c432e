"""Do the tests marked `sanitize` also pass with address and undefined-behaviour sanitizers?

They run in processes of their own, because the sanitizer has to be there before Python is; in few,
because the start of one takes as long as most modules; with fewer examples, and without those
marked `long`.  `make test-all` runs them so; `make sanitize` runs all of them, with
HYPOTHESIS_PROFILE=long as many as are wanted.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import debian_texts
from tests.support.sanitizers import sanitizer_environment

TESTS = Path(__file__).parent
MARKED = sorted(
    path.name
    for path in TESTS.glob("test_*.py")
    if re.search(r"^(pytestmark = |@)pytest\.mark\.sanitize$", path.read_text("utf-8"), re.M)
)


NR_PROCESSES = 3
PARTS = [MARKED[first::NR_PROCESSES] for first in range(NR_PROCESSES)]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("names", PARTS, ids="+".join)
def test_marked_tests_pass_with_sanitizers(names: list[str]) -> None:
    debian_texts.fetch_all()
    environment = os.environ | sanitizer_environment()
    environment |= {"IOVA_LAB_BUILD": "sanitized", "HYPOTHESIS_PROFILE": "few"}
    environment = {k: v for k, v in environment.items() if not k.startswith("PYTEST_")}
    options = ["-m", "sanitize and not long", "-p", "no:cacheprovider", "--capture=sys"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *(TESTS / name for name in names)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=TESTS.parent,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for name in names:
        assert re.search(rf"tests/{name} s*\.", done.stdout), f"no test of {name} has passed"
