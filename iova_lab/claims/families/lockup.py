"""Is the soft lockup reproduced on demand, and what is published on queues beyond this machine?"""

from __future__ import annotations

from iova_lab.basics.errors import NoResultsError
from iova_lab.claims.claim import Claim, Finding, Verdict, no_rule
from iova_lab.claims.measurement import Measured, Run
from iova_lab.measuring import rows

#: When the first of these was said; claims are listed by it.
YEAR = 2026

COMMAND = "iova-lab kernel lockup --kernel 6.1"


def _stored(run: Run) -> Measured:
    results = run.results / "kernel"
    stock = [row for row in rows.lockups(results) if row["variant"] == "stock"]
    if not stock:
        raise NoResultsError(f"{results}/lockup.jsonl has no stock kernel: {COMMAND} boots one")
    return {
        "runs": [
            {
                "release": row["release"],
                "nr_live": row["nr_live"],
                "cpus": row["cpus"],
                "uptime": row["uptime"],
                "words": row["words"][0] if row["words"] else "",
            }
            for row in stock
        ]
    }


def _judge_at_will(measured: Measured) -> Finding:
    runs = measured["runs"]
    locked = [run for run in runs if run["words"]]
    said = "; ".join(
        f"{run['release']} {run['uptime']:.0f} s after boot, {run['cpus']} CPUs, "
        f"{run['nr_live']:,} live ranges"
        for run in locked
    )
    answer = f"{len(locked)} of {len(runs)} runs of stock kernels locked up: {said or 'none'}"
    if locked and len(locked) == len(runs):
        return Finding(Verdict.REPRODUCED, f"the lock-up is reproduced on demand: {answer}")
    return Finding(Verdict.PARTLY if locked else Verdict.NOT, answer)


AT_WILL = Claim(
    id="lockup-at-will",
    claim='"I do not know of any way to reproduce the linear search soft lockups at will."',
    source="Rik van Riel, iommu list, 2026",
    confidence="-",
    rule="Stored runs of the lab's recipe on stock kernels, at the watchdog's own 20 s: the "
    "lock-up is reproduced if every run locks up, partly if some do, not reproduced if none does.",
    why="On demand means every time. The lock-up is tested; whether its author had a way to "
    "reproduce it cannot be measured.",
    not_in="That any driver does this. QEMU's CPUs are slow, so fewer requests are enough; on "
    "hardware it takes a longer burst or queue: see the page on the soft lockup.",
    judge=_judge_at_will,
    measure=_stored,
    elsewhere=COMMAND,
)

CONVOY = Claim(
    id="convoy-448",
    claim="448 cores on NVMe: 31 s in one flush, a single wait of 85.6 ms, about 36,300 hand-overs "
    "of 2.36 us.",
    source="iommu list, 2026, from the lab's notes",
    confidence="-",
    rule="None: it takes the cores.",
    why="A model of the queue can be compared with it, but is not a measurement.",
    not_in="Everything.",
    judge=no_rule,
    cannot="two cores; 36,300 x 2.36 us are 85.7 ms, which shows only that the published "
    "numbers agree with each other",
)
