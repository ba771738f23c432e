"""The start-up of a 32-bit device: the case for which the kernel's first cached node was added.

A device with a 32-bit DMA mask, or any PCI device while the kernel tries 32-bit addresses first
(drivers/iommu/dma-iommu.c).  The kernel has remembered where the last such range went since
v2.6.24, so every variant with a cache should be flat here.
"""

from __future__ import annotations

from iova_lab.workloads import startup
from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT, NR_MEASURED
from iova_variants.opstream import OpStream

MAX_NR_LIVE = DMA_32BIT_PFN - 1 - NR_MEASURED


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """As `startup`, below 4 GiB."""
    return startup.generate(nr_live, seed=seed, limit_pfn=LIMIT_32BIT)
