"""How long do the same streams take in user space?  Interleaved, so that ratios can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.basics.reading import Row
from iova_lab.kernel.fidelity import nodes, sizes
from iova_lab.measuring.code_digest import code_digest
from iova_lab.measuring.timing import fastest
from iova_variants.opstream import OpStream

#: Rounds over all variants; each takes the least of so many replays.
NR_ROUNDS = 15
NR_REPLAYS = 3


def _ns_per_op(variant: str, stream: OpStream) -> float:
    return iova_variants.replay(variant, stream).ns_per_op


def measure(workload: str, on_progress: Callable[[], object] = lambda: None) -> Iterator[Row]:
    """Nanoseconds and nodes per measured op of every variant at the workload's smallest size.

    The variants take turns, in another order each round, so whatever slows the machine for a while
    slows all of them; ``ns`` is the median over rounds, ``low`` and ``high`` are its quartiles.
    """
    nr_live = sizes(workload)[-1]
    stream = workloads.generate(workload, nr_live)
    variants = ["null", *iova_variants.names(fake=False)]
    rng = np.random.default_rng(0)
    samples: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(NR_ROUNDS):
        for name in rng.permutation(variants).tolist():
            samples[name].append(fastest(partial(_ns_per_op, name, stream), NR_REPLAYS))
        on_progress()
    for name, taken in samples.items():
        low, middle, high = (round(float(q), 2) for q in np.quantile(taken, [0.25, 0.5, 0.75]))
        row = {"workload": workload, "nr_live": nr_live, "variant": name}
        row["code"] = code_digest(name, "timed")
        yield row | {
            "ns": middle,
            "low": low,
            "high": high,
            "nodes": nodes(name, workload, nr_live),
        }
