"""The subject of the lab: one IOVA allocator per C file, all behind this one interface.

>>> import iova_variants
>>> with iova_variants.Domain("mainline") as domain:
...     hex(domain.alloc(1, limit_pfn=0xFFFFF))
'0xfffff'
"""

from iova_variants._deal import Deal, deal
from iova_variants._rcache import OWN, RCACHES, Rcache, RcacheReport
from iova_variants._replay import ReplayResult, TooLongError, check, check_returns, replay
from iova_variants._threads import (
    LockTimes,
    ThreadShare,
    ThreadsResult,
    bare_lock,
    replay_threads,
)
from iova_variants._variant import (
    Claim,
    Domain,
    EndlessError,
    Variant,
    find_source,
    is_foreign,
    load,
    names,
    short_name,
)
from iova_variants.building import BuildError
from iova_variants.child import VariantCrashedError, VariantError
from iova_variants.native import REFUSED, VariantLoadError

__all__ = [
    "OWN",
    "RCACHES",
    "REFUSED",
    "BuildError",
    "Claim",
    "Deal",
    "Domain",
    "EndlessError",
    "LockTimes",
    "Rcache",
    "RcacheReport",
    "ReplayResult",
    "ThreadShare",
    "ThreadsResult",
    "TooLongError",
    "Variant",
    "VariantCrashedError",
    "VariantError",
    "VariantLoadError",
    "bare_lock",
    "check",
    "check_returns",
    "deal",
    "find_source",
    "is_foreign",
    "load",
    "names",
    "replay",
    "replay_threads",
    "short_name",
]
