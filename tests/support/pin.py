"""What must be the same on every machine, and from version to version?

The op streams of all workloads, by digest, and what each variant answers and visits on them.
``python -m tests.support.pin`` (from the top of the repository) makes the files anew, after a
change that is meant to change them; the diff then shows what it changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import iova_variants
from iova_lab import workloads

GOLDEN = Path(__file__).parents[1] / "golden"
STREAMS, ANSWERS = GOLDEN / "streams.json", GOLDEN / "answers.json"


def sizes(workload: str) -> list[int]:
    """Numbers of live ranges that are pinned, where the workload has them."""
    return [n for n in (20, 100, 1000, 10_000) if workloads.get(workload).why_not(n) is None]


def streams(workload: str) -> dict[str, str]:
    """``workload nr_live seed``: digest."""
    return {
        f"{workload} {nr_live} {seed}": workloads.generate(workload, nr_live, seed).digest()
        for nr_live in sizes(workload)
        for seed in (0, 1)
    }


def answers() -> dict[str, dict[str, int | str]]:
    """``variant workload``, at 100 live ranges: nodes visited, and a digest of all answers."""
    cells: dict[str, dict[str, int | str]] = {}
    for variant in iova_variants.names():
        for workload in workloads.names():
            stream = workloads.generate(workload, 100)
            result = iova_variants.replay(variant, stream, pfns=True, build="counted")
            digest = hashlib.sha256(result.pfns.tobytes()).hexdigest()[:16]
            cells[f"{variant} {workload}"] = {"pfns": digest, **result.visits}
    return cells


def main() -> None:
    """Write both files."""
    GOLDEN.mkdir(exist_ok=True)
    of_all = {cell: digest for name in workloads.names() for cell, digest in streams(name).items()}
    for path, content in ((STREAMS, of_all), (ANSWERS, answers())):
        path.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
