"""Does the second pass of v5.11 - v6.1.6 leave the domain, and does it always end?

The streams of the CVE's two effects, as small as they are, on `retry`, which has the fault, and on
`mainline`, which stands for the kernels that have the fix.
"""

from __future__ import annotations

import iova_variants
from iova_lab.claims.claim import Claim, Finding, Verdict
from iova_lab.claims.measurement import Measured, Run

#: When the first of these was said; claims are listed by it.
YEAR = 2023

FAULTY, FIXED = "retry", "mainline"
SOURCE = "CVE-2023-52910; fixed by dcdb3ba7e2a8 (v6.2-rc4, 6.1.7, 5.15.89)"

#: start_pfn; size and limit of a range that is allocated and freed first, if any; of the request.
Stream = tuple[int, tuple[int, int] | None, tuple[int, int]]
STREAMS: list[Stream] = [
    (0x1, None, (3, 0x2)),
    (0x100, None, (0x180, 0x1FF)),
    (0x100, (8, 0x107), (9, 0x107)),
]


def _answer(variant: str, stream: Stream) -> int | None:
    """The lowest pfn that the last request of ``stream`` gets, None if it is refused."""
    start_pfn, first, (size, limit_pfn) = stream
    with iova_variants.Domain(variant, start_pfn=start_pfn) as domain:
        if first and (pfn := domain.alloc(*first)) is not None:
            domain.free(pfn)
        return domain.alloc(size, limit_pfn)


def _below(run: Run) -> Measured:
    return {
        "start_pfns": [start_pfn for start_pfn, _, _ in STREAMS],
        "answers": {name: [_answer(name, one) for one in STREAMS] for name in (FAULTY, FIXED)},
    }


def _judge_below(measured: Measured) -> Finding:
    starts, answers = measured["start_pfns"], measured["answers"]
    below = {
        name: sum(pfn is not None and pfn < start for pfn, start in zip(got, starts, strict=True))
        for name, got in answers.items()
    }
    nr = len(starts)
    verdict = Verdict.PARTLY
    if below[FAULTY] == nr and not below[FIXED]:
        verdict = Verdict.REPRODUCED
    if not below[FAULTY]:
        verdict = Verdict.NOT
    counts = ", ".join(f"{name} {count} of {nr}" for name, count in below.items())
    return Finding(verdict, f"requests answered below start_pfn: {counts}")


def _ends(variant: str) -> bool:
    """Does a request of 2 pfns return, of which only pfn 0 is allowed and start_pfn is 0?"""
    domain = iova_variants.Domain(variant, start_pfn=0)
    try:
        domain.alloc(2, 0)
    except iova_variants.EndlessError:
        return False
    domain.close()
    return True


def _endless(run: Run) -> Measured:
    return {"ends": {name: _ends(name) for name in (FAULTY, FIXED)}}


def _judge_endless(measured: Measured) -> Finding:
    ends: dict[str, bool] = measured["ends"]
    verdict = Verdict.PARTLY
    if not ends[FAULTY] and ends[FIXED]:
        verdict = Verdict.REPRODUCED
    if ends[FAULTY]:
        verdict = Verdict.NOT
    words = {True: "returns", False: "does not return"}
    return Finding(verdict, ", ".join(f"{name} {words[ends[name]]}" for name in (FAULTY, FIXED)))


BELOW = Claim(
    id="cve-2023-52910-below",
    claim="A request that does not fit can get a range below start_pfn: the second pass takes "
    "pfn_hi + 1 of the anchor, 0, as its lower bound. The fix keeps to start_pfn.",
    source=SOURCE,
    confidence="H",
    rule="Three streams whose last request does not fit above start_pfn: reproduced if retry "
    "answers all three below start_pfn and mainline none; not if retry answers none there; partly "
    "otherwise.",
    why="The fault is an answer, not a cost; three streams because the first pass can start at "
    "the anchor in an empty domain and after a free.",
    not_in="How often a driver makes such a request: it must have failed in the first pass.",
    judge=_judge_below,
    measure=_below,
)

ENDLESS = Claim(
    id="cve-2023-52910-endless",
    claim="With start_pfn 0 a request that fails from the anchor never returns, with the lock "
    "held. With the fix it fails.",
    source=SOURCE,
    confidence="H",
    rule="A request of 2 pfns with limit 0 in an empty domain with start_pfn 0: reproduced if the "
    "lab stops retry as endless and mainline returns; not if retry returns; partly otherwise.",
    why="The lab stops a request after 10 million visited nodes; this domain has one node.",
    not_in="Domains of DMA drivers, whose start_pfn is at least 1.",
    judge=_judge_endless,
    measure=_endless,
)
