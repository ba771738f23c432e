"""What does a booted kernel say of the same files?

Each file of the user's is a module of its own, in a guest of its own: two states of one patch have
one name, and headers of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.kernel import fidelity, packages
from iova_lab.kernel.replay import Job, replay

#: The common case, and a bad one that an emulated kernel goes through in seconds.
CELLS = (("near_empty", 100), ("random_replace", 1000))

OnProgress = Callable[[str, float], None]


@dataclass(frozen=True)
class InKernel:
    """One variant on one workload: instructions per op of the window, or what happened instead."""

    variant: str
    workload: str
    nr_live: int
    mean: float = 0.0
    worst: int = 0
    error: str = ""


def run(
    series: str, variants: Sequence[str], labels: Sequence[str], on_progress: OnProgress
) -> Iterator[InKernel]:
    """Replay `CELLS` on all variants; an address that differs from user space is an error."""
    found = packages.get(series)
    pairs = list(zip(variants, labels, strict=True))
    boots = [[pair] for pair in pairs if iova_variants.is_foreign(pair[0])]
    ours = [pair for pair in pairs if not iova_variants.is_foreign(pair[0])]
    boots = [ours, *boots] if ours else boots
    for done, boot in enumerate(boots):
        on_progress(f"kernel {found.release}", done / len(boots))
        cells = [(variant, label, *cell) for cell in CELLS for variant, label in boot]
        jobs = [Job(variant, workloads.generate(name, nr)) for variant, _, name, nr in cells]
        for (_, label, name, nr_live), result in zip(cells, replay(found, jobs), strict=True):
            if result.error:
                yield InKernel(label, name, nr_live, error=result.error)
                continue
            measured = result.cycles[result.job.stream.nr_ageing :].astype(np.float64)
            agreement = fidelity.addresses(result)
            yield InKernel(
                *(label, name, nr_live, float(measured.mean()), int(measured.max())),
                error=str(agreement) if agreement.differs else "",
            )
