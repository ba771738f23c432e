"""What is a program outside this process, harness/instructions/, given to replay with an rcache?"""

from __future__ import annotations

from iova_variants._rcache import OWN, NativeRcache, Rcache, rcache_of
from iova_variants._variant import with_own_rcache
from iova_variants.opstream import OpStream


def with_rcache(
    variant: str, stream: OpStream, rcache: Rcache | str = "off"
) -> tuple[str, list[str]]:
    """The variant that it loads, and ``struct rcache_config`` in words; none for "off"."""
    cache = rcache_of(rcache)
    if not cache:
        return variant, []
    if cache.kernel == OWN:
        variant = with_own_rcache(variant)
    config = NativeRcache(cache, stream, tree_ops=False).native
    names = ("nr_cpus", "nr_possible", "lazy", "magazine_size", "depot_max", "flush")
    return variant, [" ".join(str(getattr(config, name)) for name in (*names, "flush_depots"))]
