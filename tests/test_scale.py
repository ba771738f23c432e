"""Does a domain of ten million live ranges fit in 64 bytes per range, and 16 for the harness?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

NR_LIVE = 10**7
SLACK = 16 << 20  # the last arena, which is not full

#: Runs in a process of its own: its peak is not the test runner's.  The stream is there before.
PROGRAM = """
import resource, sys
import numpy as np
import iova_variants
from iova_variants.opstream import OpFlag, OpStream, new_ops

ops = new_ops(int(sys.argv[2]), limit_pfn=2**52 - 1)
ops["slot"] = np.arange(len(ops))
ops["flags"] = OpFlag.PACKED
ops["flags"][-1] = 0
stream = OpStream(ops, nr_ageing=len(ops) - 1)
iova_variants.load(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = iova_variants.replay(sys.argv[1], stream)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(result.nr_live, result.bytes, (after - before) * 1024)
"""


@pytest.mark.parametrize("variant", ["mainline"])
def test_ten_million_live_ranges(variant: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, variant, str(NR_LIVE)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    nr_live, nr_bytes, peak_growth = map(int, done.stdout.split())
    assert nr_live == NR_LIVE
    assert 64 * NR_LIVE <= nr_bytes <= 64 * NR_LIVE + 4096 + 4096
    assert peak_growth <= 80 * NR_LIVE + SLACK
