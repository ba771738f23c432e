"""The subject of the lab: one IOVA allocator per C file, all behind this one interface.

>>> import iova_variants
>>> with iova_variants.Domain("mainline") as domain:
...     hex(domain.alloc(1, limit_pfn=0xFFFFF))
'0xfffff'
"""

import warnings
from typing import TYPE_CHECKING

from iova_variants._deal import Deal, deal
from iova_variants._domain import Domain
from iova_variants._possible import check
from iova_variants._rcache import OWN, RCACHES, Rcache, RcacheReport
from iova_variants._replay import TooLongError, check_returns, replay
from iova_variants._replayed import CountedReplay, Judged, TimedReplay, Watched
from iova_variants._threads import bare_lock, replay_threads
from iova_variants._threads_result import LockTimes, PerOp, ThreadShare, ThreadsResult
from iova_variants._variant import (
    LINUX,
    Claim,
    EndlessError,
    Variant,
    find_source,
    is_foreign,
    is_resolved,
    load,
    names,
    short_name,
)
from iova_variants.building import BuildError
from iova_variants.child import VariantCrashedError, VariantError
from iova_variants.native import REFUSED, VariantLoadError

__all__ = [
    "LINUX",
    "OWN",
    "RCACHES",
    "REFUSED",
    "BuildError",
    "Claim",
    "CountedReplay",
    "Deal",
    "Domain",
    "EndlessError",
    "Judged",
    "LockTimes",
    "PerOp",
    "Rcache",
    "RcacheReport",
    "ReplayResult",
    "ThreadShare",
    "ThreadsResult",
    "TimedReplay",
    "TooLongError",
    "Variant",
    "VariantCrashedError",
    "VariantError",
    "VariantLoadError",
    "Watched",
    "bare_lock",
    "check",
    "check_returns",
    "deal",
    "find_source",
    "is_foreign",
    "is_resolved",
    "load",
    "names",
    "replay",
    "replay_threads",
    "short_name",
]

if TYPE_CHECKING:
    ReplayResult = TimedReplay
    """Deprecated name of `TimedReplay`, for one release more."""
else:

    def __getattr__(name: str) -> type[TimedReplay]:
        if name != "ReplayResult":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        text = "iova_variants.ReplayResult is deprecated: use TimedReplay or CountedReplay"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return TimedReplay
