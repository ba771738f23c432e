"""The subject of the lab: one IOVA allocator per C file, all behind this one interface.

>>> import iova_variants
>>> with iova_variants.Domain("mainline") as domain:
...     hex(domain.alloc(1, limit_pfn=0xFFFFF))
'0xfffff'
"""

from iova_variants._build import BuildError
from iova_variants._rcache import RCACHES, Rcache, RcacheReport
from iova_variants._replay import ReplayResult, TooLongError, VariantCrashedError, check, replay
from iova_variants._variant import Claim, Domain, Variant, VariantError, load, names

__all__ = [
    "RCACHES",
    "BuildError",
    "Claim",
    "Domain",
    "Rcache",
    "RcacheReport",
    "ReplayResult",
    "TooLongError",
    "Variant",
    "VariantCrashedError",
    "VariantError",
    "check",
    "load",
    "names",
    "replay",
]
