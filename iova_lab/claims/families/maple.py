"""How long does a gap-tracking B-tree take (Rik van Riel, June 2026, v3 and later)?"""

from __future__ import annotations

from collections.abc import Callable

from iova_lab.claims import booted
from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict, no_rule
from iova_lab.claims.families.typical import near_empty
from iova_lab.claims.judging import judge_kind
from iova_lab.claims.measurement import Measured, Run
from iova_lab.claims.rules import band, compare, ratio_of
from iova_lab.claims.timing import paired
from iova_lab.measuring.statistics import Interval

#: When the first of these was said; claims are listed by it.
YEAR = 2026

OTHERS = "measured by others, iommu list, August 2026: 16-core EPYC, unfragmented domain"
MAINLINE, MAPLE = PAIR = ("mainline", "maple")
#: The same two where the tree is the kernel's own.
IN_KERNEL = ("kernel", "maple_kernel")
OURS = "`maple` stands on a B-tree of the lab's own; the kernel's maple tree is in the guest only."


def _times(run: Run) -> Measured:
    kernel = booted.instructions(run.results, IN_KERNEL, "near_empty", 100)
    times = run.once("maple", lambda: paired(run, PAIR, near_empty, short=True))
    return times | {"kernel": kernel}


def _judge_time(kind: str, published: float) -> Callable[[Measured], Finding]:
    def judge(measured: Measured) -> Finding:
        found = judge_kind(measured, kind, *band(published))
        low, high = _guest(measured, kind)
        sides = [compare(ratio_of(measured["log_ratios"][kind]), *band(published))]
        sides += [compare(Interval.exact(ratio), *band(published)) for ratio in (low, high)]
        verdict = found.verdict
        if "other side" in sides or "absent" in sides:
            verdict = Verdict.NOT
        elif "undecided" not in sides:
            same = all(side == "in" for side in sides)
            verdict = Verdict.REPRODUCED if same else Verdict.PARTLY
        beside = booted.said(measured["kernel"], IN_KERNEL, kind)
        return Finding(verdict, f"{found.answer}; {beside}", found.measured)

    return judge


def _guest(measured: Measured, kind: str) -> tuple[float, float]:
    base, other = IN_KERNEL
    ratios = [both[other][kind] / both[base][kind] for both in measured["kernel"].values()]
    return min(ratios), max(ratios)


TIME_RULE = (
    "On near_empty, two witnesses: time, maple over mainline in user space, and instructions in "
    "booted kernels, the kernel's maple tree over the kernel's allocator. Each is held against the "
    "rule of change for {}. Reproduced if all lie in the band, partly if all lie on the same side "
    "of 1, not if one does not, undecided if an interval contains 1."
)
TIME_WHY = (
    "Neither witness is enough: the one is time and not the kernel's tree, the other the kernel's "
    "tree and not time. near_empty is the lab's common case, and unfragmented."
)


def _time_claim(kind: str, published: float, band: str) -> Claim:
    """So much longer an alloc or a free takes than mainline's; ``band`` is of the rule."""
    longer = round(100 * (published - 1))
    return Claim(
        id=f"maple-{kind}",
        claim=f"On an unfragmented domain {kind} takes {longer} % longer than mainline's.",
        source=OTHERS,
        confidence="-",
        rule=TIME_RULE.format(band),
        why=TIME_WHY,
        not_in=OURS + " One thread, warm caches, an idle lock.",
        judge=_judge_time(kind, published),
        measure=_times,
        seconds=12,
        published=Quantity("ratio", published, published),
    )


ALLOC = _time_claim("alloc", 1.44, "+44 % (+22 % to +88 %)")
FREE = _time_claim("free", 2.22, "+122 % (+61 % to +244 %)")


def _whole_request(run: Run) -> Measured:
    kernel = booted.instructions(run.results, IN_KERNEL, "near_empty", 100)
    said = booted.said(kernel, IN_KERNEL, "alloc")
    return {"kernel": kernel, "beside": f"beside it, a whole alloc, lock or not: {said}"}


HOLD = Claim(
    id="maple-hold",
    claim="The lock is held for 1.56 us instead of 0.32 us: x4.9.",
    source=OTHERS,
    confidence="-",
    rule="None: a hold is of 16 cores that contend for the lock, and the clock here is around "
    "whole requests.",
    why="Instructions of a whole request show the direction, not how long a lock is held.",
    not_in="Waiting, cache lines that move between cores, and where in a request the lock is held.",
    judge=no_rule,
    measure=_whole_request,
    elsewhere=booted.FIDELITY,
    cannot="the hold of a contended lock on 16 cores; this machine has two",
)
