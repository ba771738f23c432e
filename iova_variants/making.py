"""What workloads share: the window, device masks, packed filling, and random numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from iova_variants.opstream import Op, OpFlag, new_ops

#: Ops in every generated window, so that values compare across sizes and workloads; it divides
#: into cycles of 2, 3, 4, 5, 6, 8, 10, 12, 15 and 16 ops.
NR_MEASURED = 1200

#: First pfn above 4 GiB, at a granule of 4 KiB.
DMA_32BIT_PFN = 2**20

#: Highest pfn under a device's DMA mask, at a granule of 4 KiB.
LIMIT_24BIT = 2**12 - 1
LIMIT_32BIT = 2**20 - 1
LIMIT_40BIT = 2**28 - 1
LIMIT_48BIT = 2**36 - 1
LIMIT_64BIT = 2**52 - 1


def pack(ops: npt.NDArray[np.void]) -> None:
    """Turn ``ops`` into the start of an ageing: each range right below the one before."""
    ops["flags"] |= np.uint8(OpFlag.PACKED)


def replace(ops: npt.NDArray[np.void], victims: npt.NDArray[np.integer]) -> None:
    """Turn ``ops`` into pairs: free the range of slot ``victims[i]``, allocate it anew."""
    ops["op"][0::2] = Op.FREE
    ops["slot"][0::2] = victims
    ops["slot"][1::2] = victims


def random_below(high: int, count: int, seed: int) -> npt.NDArray[np.uint64]:
    """Return ``count`` integers in 0..``high``-1, the same on every machine and NumPy.

    NumPy promises a stable stream of raw bits but not a stable ``Generator.integers``, so the bits
    are scaled here (multiply and shift; the bias is below high / 2**32).
    """
    raw = np.random.PCG64(seed).random_raw(count) >> np.uint64(32)
    return (raw * np.uint64(high)) >> np.uint64(32)


def filled_then_replaced(
    nr_live: int, nr_pairs: int, *, limit_pfn: int, size: int = 1, seed: int = 0
) -> npt.NDArray[np.void]:
    """Return ops that fill ``nr_live`` slots, and then `replace` a random one, over and over."""
    ops = new_ops(nr_live + 2 * nr_pairs, limit_pfn=limit_pfn, size=size)
    ops["slot"][:nr_live] = np.arange(nr_live)
    replace(ops[nr_live:], random_below(nr_live, nr_pairs, seed))
    return ops


def replace_in_batches(
    ops: npt.NDArray[np.void], victims: npt.NDArray[np.integer], nr_batch: int
) -> None:
    """As `replace`, but ``nr_batch`` ranges go before as many come; the last batch may be smaller.

    ``ops`` has two rows per victim; no victim may appear twice in one batch.
    """
    index = np.arange(len(victims))
    begin = index - index % nr_batch
    length = np.minimum(nr_batch, len(victims) - begin)
    frees = index + begin  # each batch before this one has taken its length twice
    ops["op"][frees] = Op.FREE
    ops["slot"][frees] = victims
    ops["slot"][frees + length] = victims


def spread(high: int, count: int, seed: int, *, nr_rounds: int = 1) -> npt.NDArray[np.uint64]:
    """Return ``nr_rounds`` times ``count`` integers below ``high``, no two of a round the same.

    One is drawn from each of ``count`` equal parts, so they also lie all over the range.
    """
    part = high // count
    parts = np.tile(np.arange(count, dtype=np.uint64), nr_rounds)
    return parts * np.uint64(part) + random_below(part, count * nr_rounds, seed)
