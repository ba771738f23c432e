"""Which space does an allocator lose above its cached node, and does the second pass find it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import iova_variants
from iova_lab.claims.claim import Claim, Finding, Verdict
from iova_lab.claims.measurement import Measured, Run
from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT

#: When the first of these was said; claims are listed by it.
YEAR = 2020

BEFORE, AFTER = ("anchor", "max32"), ("retry", "mainline")
MIB = 256  # pfns
GIB = 1024 * MIB


def robins_case(variant: str) -> bool:
    """Is the last of 4K, 2G, 4K served?  The domain has all 4 GiB: 2 GiB fit at its bottom only."""
    with iova_variants.Domain(variant, start_pfn=0) as domain:
        first, half = (domain.alloc(size, LIMIT_32BIT, True) for size in (1, 2 * GIB))
        if first is None or half is None:
            raise iova_variants.VariantError(f"{variant}: 4K or 2G is refused in an empty domain")
        return domain.alloc(1, LIMIT_32BIT, True) is not None


def jittas_case(variant: str) -> bool:
    """In 1 GiB: 500, 12, 499 MiB; the 12 go, 13 come; are 2 MiB served where the 12 were?"""
    with iova_variants.Domain(variant, start_pfn=DMA_32BIT_PFN - GIB) as domain:
        pfns = [domain.alloc(size * MIB, LIMIT_32BIT) for size in (500, 12, 499)]
        if None in pfns:
            raise iova_variants.VariantError(f"{variant}: 500, 12, 499 MiB don't fit in 1 GiB")
        domain.free(int(pfns[1] or 0))
        if domain.alloc(13 * MIB, LIMIT_32BIT) is None:
            raise iova_variants.VariantError(f"{variant}: 13 MiB are refused with 13 at the bottom")
        return domain.alloc(2 * MIB, LIMIT_32BIT) is not None


def _measure(case: Callable[[str], bool]) -> Callable[[Run], Measured]:
    return lambda run: {"served": {name: case(name) for name in (*BEFORE, *AFTER)}}


def _judge(measured: Measured) -> Finding:
    served: dict[str, bool] = measured["served"]
    refused = [name for name in BEFORE if not served[name]]
    mended = [name for name in AFTER if served[name]]
    verdict = Verdict.PARTLY
    if len(refused) == len(BEFORE) and len(mended) == len(AFTER):
        verdict = Verdict.REPRODUCED
    if not refused:
        verdict = Verdict.NOT
    return Finding(verdict, f"refused by {_list(refused)}; served by {_list(mended)}")


def _list(names: Sequence[str]) -> str:
    return " and ".join(names) or "none of those asked"


RULE = (
    "Reproduced if each allocator before the second pass (anchor, max32) refuses the last request "
    "and each with it (retry, mainline) serves it; not if none before refuses; partly otherwise."
)
WHY = "The claim is about an answer, not a cost: yes or no, for every variant of its time."
NOT_IN = "One domain, one thread, nothing else live."

_claim = partial(Claim, confidence="-", rule=RULE, why=WHY, not_in=NOT_IN, judge=_judge)

ROBIN = _claim(
    id="4k-2g-4k",
    claim="4K, 2G, 4K, naturally aligned: the third fails although almost 2 GiB are free above "
    "the cached node; a second pass finds them.",
    source="Robin Murphy, iommu list, 2020, on 4e89dce72521 (v5.11)",
    measure=_measure(robins_case),
)

JITTA = _claim(
    id="500-12-499",
    claim="In 1 GiB, 500, 12 and 499 MiB; 12 are freed, 13 allocated: then 2 MiB fail although 12 "
    "are free; a second pass finds them.",
    source="the case for 4e89dce72521 (Vijayanand Jitta, iommu list, 2020; in v5.11)",
    measure=_measure(jittas_case),
)
