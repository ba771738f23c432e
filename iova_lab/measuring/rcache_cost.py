"""What does a hit in the rcache cost?

`python -m iova_lab.measuring.rcache_cost` prints ns per op of a stream that hits only, with every
rcache over `null` and over `mainline`, beside `null` without one: the difference is the layer.
"""

from __future__ import annotations

from functools import partial

import numpy as np

import iova_variants
from iova_lab.measuring.timing import in_turn
from iova_variants.opstream import Op, OpStream, new_ops

NR_OPS = 20_000
NR_AGEING = 1_000
NR_REPLAYS = 200
#: `null` hands out falling addresses from here, whatever the limit.
LIMIT_PFN = 2**52 - 1


def hits(nr_in_flight: int) -> OpStream:
    """Free the oldest of ``nr_in_flight`` ranges and allocate one, over and over, on one CPU."""
    ops = new_ops(nr_in_flight + NR_AGEING + NR_OPS, limit_pfn=LIMIT_PFN)
    ops["slot"][:nr_in_flight] = np.arange(nr_in_flight)
    pairs = ops[nr_in_flight:]
    pairs["slot"] = np.arange(len(pairs)) // 2 % nr_in_flight
    pairs["op"][::2] = Op.FREE
    return OpStream(ops, nr_ageing=nr_in_flight + NR_AGEING)


def _ns_per_op(variant: str, rcache: str, stream: OpStream) -> float:
    result = iova_variants.replay(variant, stream, rcache=rcache)
    if result.rcache and result.rcache.nr_tree_allocs:
        raise ValueError(f"{variant}: {result.rcache.nr_tree_allocs} requests were no hits")
    return result.ns_per_op


def least_ns(pairs: list[tuple[str, str]], nr_in_flight: int = 1) -> dict[tuple[str, str], float]:
    """Return ns per op of each pair of variant and rcache: the least of many, taken in turn."""
    stream = hits(nr_in_flight)
    takes = [partial(_ns_per_op, *pair, stream) for pair in pairs]
    rounds = [in_turn(takes, turn) for turn in range(NR_REPLAYS)]
    return dict(zip(pairs, np.min(rounds, axis=0).tolist(), strict=True))


def main() -> None:
    """Print the costs."""
    pairs = [(name, rcache) for name in ("null", "mainline") for rcache in iova_variants.RCACHES]
    for nr_in_flight in (1, 100):
        least = least_ns(pairs, nr_in_flight)
        for (variant, rcache), ns_per_op in least.items():
            over = ns_per_op - least["null", "off"]
            print(
                f"{nr_in_flight:4} in flight  {variant:9} rcache={rcache:8} {ns_per_op:6.2f} ns/op"
                f"  {over:+6.2f} over null"
            )


if __name__ == "__main__":
    main()
