"""How often does the second pass run, how often does it fail, and what does it cost?

A copy of retry.c with one line more marks every request whose second pass begins: it counts 2^24
nodes at once, more than any request here visits.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import NotFoundError
from iova_lab.claims.claim import Claim, Finding, Verdict, no_rule
from iova_lab.claims.measurement import Measured, Run
from iova_lab.measuring.cells import number
from iova_lab.measuring.counts import count
from iova_variants import REFUSED
from iova_variants.opstream import Op, OpStream

#: When the first of these was said; claims are listed by it.
YEAR = 2021

MAIL = "Zhen Lei, iommu list, January 2021 (fio 4k randread on 12 SSDs)"
MARK = 1 << 24
BRANCH = "\t\tlow_pfn = retry_pfn;\n"
MARKED = f"{BRANCH}#ifdef IOVA_COUNTED\n\t\tiova_visits.update += {MARK};\n#endif\n"

TRACES = {"trace_6_1": "debian-6.1.npz", "trace_6_12": "debian-6.12.npz"}


def marked_source() -> str:
    """The C of retry, with the mark.  Raises `NotFoundError` if there is no such place in it."""
    path = Path(iova_variants.__path__[0], "retry.c")
    if not path.exists():
        raise NotFoundError("no variant named 'retry'")
    text = path.read_text(encoding="utf-8")
    if text.count(BRANCH) != 1:
        raise NotFoundError("retry.c has no longer the one place where its second pass begins")
    return text.replace(BRANCH, MARKED)


def second_passes(source: Path, stream: OpStream) -> dict[str, int]:
    """Allocs of the window, second passes among them, and how many of these found something."""
    result = iova_variants.replay(str(source), stream, op_visits=True, pfns=True)
    is_alloc = stream.ops["op"][stream.nr_ageing :] == Op.ALLOC
    again = is_alloc & (result.op_visits >= MARK)
    found = again & (result.pfns[stream.nr_ageing :] != REFUSED)
    return {
        "allocs": int(is_alloc.sum()),
        "second": int(np.sum(again)),
        "found": int(np.sum(found)),
    }


def _on(streams: Mapping[str, OpStream]) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "retry.c")
        source.write_text(marked_source(), encoding="utf-8")
        return {name: second_passes(source, stream) for name, stream in streams.items()}


def _share(run: Run) -> Measured:
    # All that reached the tree; the workloads of these names are what one driver asked.
    return _on({name: workloads.recording(file) for name, file in TRACES.items()})


def _judge_share(measured: Measured) -> Finding:
    shares = {name: one["second"] / one["allocs"] for name, one in measured.items()}
    said = ", ".join(
        f"{name} {one['second']:,} of {one['allocs']:,} requests ({shares[name]:.1%})"
        for name, one in measured.items()
    )
    if not any(shares.values()):
        why = "on neither trace does a first pass fail, for no space below a mask is full"
        return Finding(Verdict.CANNOT, f"{why}: second passes on {said}")
    inside = [0.1 <= share <= 0.4 for share in shares.values()]
    verdict = Verdict.REPRODUCED if all(inside) else Verdict.PARTLY if any(inside) else Verdict.NOT
    return Finding(verdict, said)


def _success(run: Run) -> Measured:
    nr_live = run.least(10_000, 1_000)
    recipes = map(workloads.get, set(workloads.names()) - set(TRACES))
    sizes = {recipe.name: min(nr_live, recipe.max_nr_live) for recipe in recipes}
    return _on({name: workloads.generate(name, sizes[name]) for name in sorted(sizes)})


def _judge_success(measured: Measured) -> Finding:
    ran = {name: one for name, one in measured.items() if one["second"]}
    said = "; ".join(
        f"{name}: {one['found']:,} of {one['second']:,} second passes succeed ({_rate(one):.1%})"
        for name, one in ran.items()
    )
    if not ran:
        return Finding(Verdict.CANNOT, "no workload here makes a second pass")
    few = [_rate(one) < 0.01 for one in ran.values()]
    verdict = Verdict.REPRODUCED if all(few) else Verdict.PARTLY if any(few) else Verdict.NOT
    return Finding(verdict, said)


def _rate(one: dict[str, int]) -> float:
    return one["found"] / one["second"]


def _cost(run: Run) -> Measured:
    nr_live = run.least(100_000, 1_000)
    stream = workloads.generate("sac_first", nr_live)
    nodes = {name: count(name, stream).kinds["alloc"].mean for name in ("max32", "retry")}
    said = ", ".join(f"{name} {number(cost)}" for name, cost in nodes.items())
    return {
        "nodes": nodes,
        "beside": f"beside it, nodes per request on sac_first at {nr_live:,} live ranges: {said}",
    }


SHARE = Claim(
    id="retry-share",
    claim="About 20 % of all allocations come to the second pass.",
    source=MAIL,
    confidence="-",
    rule="Share of the tree's requests that come to the second pass, on both recorded traces: "
    "reproduced if 10 % to 40 % on both, partly on one, not on none; if no request does on either, "
    "the claim's case (a space below the mask that is full) is not among them: cannot be tested.",
    why="The share on a generated workload is chosen by its author, so only recorded requests can "
    "decide. For 20 %: half of it to twice as much.",
    not_in="A machine with 12 SSDs: the traces are of emulated devices, in QEMU.",
    judge=_judge_share,
    measure=_share,
)

SUCCESS = Claim(
    id="retry-in-vain",
    claim="Under 1 % of the second passes find anything.",
    source=MAIL,
    confidence="-",
    rule="Second passes that succeed, on every generated workload of the lab at 10,000 live ranges "
    "(or as many as it has): reproduced if under 1 % on each that makes second passes, partly on "
    "some, not on none.",
    why="Under 1 % is the claim's own bound. All workloads, so that none is picked: lost_space, "
    "which was made for the second pass, is among them.",
    not_in="How often a space is full on a real machine. A window has 1200 ops and few second "
    "passes (retry records a failed size); whether they succeed is a choice of each workload.",
    judge=_judge_success,
    measure=_success,
)

IOPS = Claim(
    id="retry-iops",
    claim="fio 4k randread on 12 SSDs: 1655.6K IOPS before the second pass came in, 893.5K after.",
    source=MAIL,
    confidence="-",
    rule="None: IOPS are of a machine with its disks, drivers and CPUs that contend for the lock.",
    why="Visited nodes of one thread show the direction, not how many IOPS are lost.",
    not_in="Everything but the tree.",
    judge=no_rule,
    measure=_cost,
    cannot="IOPS of 12 disks are of a whole machine",
)
