"""Is `mainline` what kernels run, and does it cost what has been derived of it?"""

from __future__ import annotations

from iova_lab.basics.errors import NoResultsError
from iova_lab.claims import booted
from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.counting import growing, sizes_for
from iova_lab.claims.measurement import Measured, Run
from iova_lab.measuring import peng, rows
from iova_lab.measuring.growth import LINEAR

#: When the first of these was said; claims are listed by it.
YEAR = 2022

MAINLINE = "mainline"


def _same(run: Run) -> Measured:
    own = [row for row in rows.of_kernels(run.results / "kernel") if row["variant"] == "kernel"]
    found: Measured = {}
    for row in own:
        one = found.setdefault(row["release"], {"ops": 0, "equal": 0, "cells": 0, "errors": 0})
        one["cells"] += 1
        one["ops"] += row.get("nr_ops") or 0
        one["equal"] += row.get("nr_equal") or 0
        one["errors"] += bool(row.get("error"))
    if not found:
        raise NoResultsError(f"{run.results}/kernel: {booted.FIDELITY} asks the kernel's own")
    return found


def _judge_same(measured: Measured) -> Finding:
    differ = [one["ops"] - one["equal"] for one in measured.values()]
    said = "; ".join(
        f"{release}: {one['equal']:,} of {one['ops']:,} addresses in {one['cells']} cells"
        for release, one in measured.items()
    )
    if any(one["errors"] for one in measured.values()) or len(measured) < 2:
        return Finding(Verdict.UNDECIDED, f"not all cells of two kernels: {said}")
    return Finding(Verdict.NOT if any(differ) else Verdict.REPRODUCED, said)


def _sixth(run: Run) -> Measured:
    found: Measured = {"sizes": sizes_for(run, most=100_000), "ratio": [], "one_step": []}
    for done, nr_live in enumerate(found["sizes"]):
        one = peng.sixth(nr_live, run.least(peng.nr_calls_for(nr_live) // 4, 2_000))
        found["ratio"].append(one.ratio)
        found["one_step"].append(one.one_step)
        run.on_progress(done + 1, len(found["sizes"]))
    return found


def _judge_sixth(measured: Measured) -> Finding:
    ratios, steps = measured["ratio"], measured["one_step"]
    mean = all(abs(ratio - 1) <= LINEAR for ratio in ratios)
    half = all(abs(2 * share - 1) <= LINEAR for share in steps)
    said = (
        f"nodes searched per alloc over n/6: {min(ratios):.3f} to {max(ratios):.3f}; calls of one "
        f"step: {min(steps):.1%} to {max(steps):.1%}; at {measured['sizes'][0]:,} to "
        f"{measured['sizes'][-1]:,} live ranges"
    )
    verdict = (
        Verdict.REPRODUCED if mean and half else Verdict.PARTLY if mean or half else Verdict.NOT
    )
    return Finding(verdict, said, Quantity("ratio", min(ratios), max(ratios)))


SAME = Claim(
    id="mainline-is-the-kernel",
    claim="The allocator of Debian's kernels 6.1 and 6.12 is the one described as mainline.",
    source="the lab's reading of the kernel's source",
    confidence="H",
    rule="Addresses of the kernel's own allocator and of mainline in user space, all workloads, "
    "two kernels: reproduced if all are equal, not if one differs, undecided if cells are missing.",
    why="Identical means every address; one that differs refutes it.",
    not_in="Equal addresses do not mean equal cost; the fidelity page has the instructions.",
    judge=_judge_same,
    measure=_same,
    elsewhere=booted.FIDELITY,
)

SIXTH = Claim(
    id="mainline-sixth",
    claim="n live ranges, random replacement: mainline searches n/6 nodes on average, "
    "and half of the calls take one step. No fragmentation needed.",
    source="the lab's notes on mainline, from a simulation",
    confidence="D",
    rule="Nodes searched per alloc on `random_replace`, over n/6, and the share of calls of one "
    "step, over a half: reproduced if both are within 10 % of 1 at every size, partly if one is.",
    why="Stated as equalities; 10 % is the width that linear has everywhere in this lab.",
    not_in="Nodes, not time. A call of one step visits up to log2(n) more to insert its node.",
    judge=_judge_sixth,
    measure=_sixth,
    seconds=20,
    published=Quantity("ratio", 1, 1),
)

ODD_LIMIT = Claim(
    id="mainline-odd-limit",
    claim="A request with a limit of 33 to 56 bits steps over every node above that limit.",
    source="the lab's notes on mainline, from its source",
    confidence="D",
    why="Every node above is linear in what lives there.",
    not_in="Nodes, not time.",
    **growing(
        "Nodes of the worst op on `high_limit` (40 bits), mainline",
        *("linear", MAINLINE, "high_limit", "worst"),
    ),
)
