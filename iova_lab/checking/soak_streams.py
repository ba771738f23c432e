"""Which requests would nobody think of?  Random op streams, whose geometry is random too.

One chunk is one op stream: its granule, start_pfn and *edge*, the pfn that its requests crowd
below.  Each of its domains draws limits around that edge, how many ranges live, and in which
order they come and go.

::

    start_pfn            edge
        |..........|######|..................|......|
               limits: mostly here, also anywhere else

A slot is *visited*: filled if it is empty, else freed.  So any order of visits is possible by
construction, and which visit is which is found for a whole domain at once.  A chunk is the same
for the same seed and index under the pinned version of numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from iova_variants import Rcache
from iova_variants.opstream import OP_DTYPE, Op, OpFlag, OpStream

#: Ops of a chunk, and of one whose invariants are checked after every op (linear in live ranges).
#: About so many: look-ups of empty slots are left out.
NR_OPS, NR_OPS_VERIFIED = 200_000, 20_000
#: Every so many chunks one is verified: 11 is prime to the turn of the rcaches.
VERIFY_EVERY = 11
#: In turn; the tree alone is asked most, because an rcache keeps requests from it.
RCACHES: tuple[Literal["off", "pre-6.7", "6.7"], ...] = ("off", "pre-6.7", "off", "6.7")
MAX_SIZE = 2**31

Reserves = Literal["none", "apart", "anywhere"]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chunk:
    """One stream, and how to replay it.

    ``reserves`` are "apart" from everything, or "anywhere": then ranges merge, a free can take what
    another slot holds, and an rcache may hand out what is not its own, as in the kernel.
    """

    index: int
    stream: OpStream
    rcache: Rcache | Literal["off"]
    verify: bool
    reserves: Reserves


@dataclass(frozen=True)
class _Space:
    """Where the requests of a chunk go; bounds in pfns, ``sizes`` by order (log2)."""

    granule: int
    start_pfn: int
    edge: int
    highest: int
    nr_slots: int
    orders: Ints
    reserves: Reserves


def make_chunk(seed: int, index: int) -> Chunk:
    """Draw chunk ``index`` of the soak that ``seed`` stands for."""
    rng = np.random.default_rng([seed, index])
    verify = index % VERIFY_EVERY == VERIFY_EVERY - 1
    nr_ops = NR_OPS_VERIFIED if verify else NR_OPS
    rcache = _draw_rcache(rng, RCACHES[index % len(RCACHES)])
    small = rcache != "off" and rng.random() < 0.5  # what an rcache takes at all
    space = _draw_space(rng, most_slots=128 if verify else 600, small=small)
    nr_domains = int(rng.integers(1, 9))
    nr_cpus = int(rng.choice([1, 2, 4, 16]))
    parts = []
    for dom in range(nr_domains):
        ops = _domain_ops(rng, space, nr_ops // nr_domains)
        ops["dom"] = dom
        ops["slot"] += np.uint32(dom * space.nr_slots)
        ops["cpu"] = rng.integers(nr_cpus, size=len(ops))
        parts.append(ops)
    stream = OpStream(
        np.concatenate(parts),
        nr_slots=nr_domains * space.nr_slots,
        nr_domains=nr_domains,
        granule=space.granule,
        start_pfn=space.start_pfn,
    )
    return Chunk(index, stream, rcache, verify, space.reserves)


def _draw_rcache(
    rng: np.random.Generator, kernel: Literal["off", "pre-6.7", "6.7"]
) -> Rcache | Literal["off"]:
    if kernel == "off":
        return "off"
    return Rcache(
        kernel,
        magazine_size=int(rng.choice([1, 3, 16, 127])),
        flush=bool(rng.random() < 0.8),
        ns_per_op=int(rng.choice([0, 1_000, 100_000])),
        flush_depots=bool(rng.integers(2)),
        depot_max=int(rng.choice([1, 4, 32])),
    )


def _draw_space(rng: np.random.Generator, *, most_slots: int, small: bool) -> _Space:
    """Draw a space, and sizes such that it gets from a tenth to four times full.

    With ``small`` sizes up to 32, it is the space that is made to fit.
    """
    granule = 1 << int(rng.choice([12, 12, 14, 16, 13, 21, 24, 26]))
    highest = (2**64 - 1) // granule
    # 24, 32 (as often as all the rest), 33 to 56 and 64 bits.
    bits = int(rng.choice([24, 32, 32, 32, 32, 33, int(rng.integers(34, 57)), 64]))
    edge = max(2**bits // granule, 2)
    start_pfn = int(rng.choice([0, 1, 1, int(rng.integers(2, 100))]))
    if rng.random() < 0.6:  # a small space right below the edge
        start_pfn = max(start_pfn, edge - (1 << int(rng.integers(4, 18))))
    start_pfn = min(start_pfn, edge - 1)
    nr_slots = int(2 ** rng.uniform(3, np.log2(most_slots)))
    if rng.random() < 0.03:
        nr_slots *= 8  # deep trees
    load = float(rng.choice([0.1, 0.7, 1, 1.3, 2, 4]))
    if small:
        start_pfn = max(edge - max(int(nr_slots / 2 * rng.choice([1, 4, 16]) / load), 16), 0)
    mean = min(max(load * (edge - start_pfn) / (nr_slots / 2), 1), MAX_SIZE / 2)
    top = int(np.ceil(np.log2(mean))) + int(rng.integers(2))
    top = min(top, 5) if small else top
    orders = np.append(rng.integers(top + 1, size=rng.integers(4)), top)
    reserves: Reserves = ("none", "apart", "anywhere")[rng.integers(3)]
    return _Space(granule, start_pfn, edge, highest, nr_slots, orders, reserves)


def _draw_limits(rng: np.random.Generator, space: _Space) -> Ints:
    """Up to five limits: the edge and its neighbours, below it, above it."""
    room = space.edge - space.start_pfn
    likely = [space.edge - 1] * 5 + [space.edge + offset for offset in (-3, -2, 0, 1, 40)]
    inside = [space.start_pfn + int(rng.integers(room)) for _ in range(3)]
    masks = [2**bits // space.granule - 1 for bits in (24, 32, 40, 64)]
    possible = [
        limit for limit in likely + inside + masks if space.start_pfn <= limit <= space.highest
    ]
    return rng.choice(np.array(possible, np.int64), size=rng.integers(1, 6))


def _domain_ops(rng: np.random.Generator, space: _Space, nr_ops: int) -> npt.NDArray[np.void]:
    """Draw the ops of one domain, with slots numbered from 0."""
    slots = _draw_visits(rng, space.nr_slots, nr_ops)
    find = rng.random(len(slots)) < rng.choice([0, 0.02, 0.2])
    filled = _is_filled(slots, find)
    slots, find, filled = (array[filled | ~find] for array in (slots, find, filled))
    ops = np.zeros(len(slots), OP_DTYPE)
    ops["slot"] = slots
    ops["op"][filled] = Op.FREE
    ops["op"][find] = Op.FIND
    new = np.flatnonzero(~filled)
    limits = _draw_limits(rng, space)
    ops["limit_pfn"][new] = rng.choice(limits, size=len(new))
    ops["size"][new] = _draw_sizes(rng, space, len(new))
    aligned = rng.random(len(new)) < rng.choice([0, 0.5, 1])
    ops["flags"][new[aligned]] = OpFlag.SIZE_ALIGNED
    if space.reserves != "none":
        reserved = new[rng.random(len(new)) < rng.choice([0.002, 0.05])]
        _reserve(rng, space, ops, reserved, int(limits.max()))
    return ops


def _draw_sizes(rng: np.random.Generator, space: _Space, count: int) -> Ints:
    """Powers of two, and what rounds up to them; a few that no space has."""
    powers = np.int64(1) << rng.choice(space.orders, size=count)
    less = (powers * (rng.random(count) / 2)).astype(np.int64)
    sizes = np.where(rng.random(count) < rng.choice([0.3, 1]), powers, powers - less)
    huge = rng.random(count) < rng.choice([0, 0.001])
    return np.where(huge, min(2 * space.edge, MAX_SIZE), sizes)


def _reserve(
    rng: np.random.Generator,
    space: _Space,
    ops: npt.NDArray[np.void],
    which: npt.NDArray[np.intp],
    highest_limit: int,
) -> None:
    """Turn these fills into reserves: anywhere near the edge, or each slot in a place of its own.

    What a reserve adds to a range of somebody else no slot names, so it stays: few may do so.
    """
    size = rng.choice([1, 2, 5, 20], size=len(which))
    if space.reserves == "anywhere":
        size[40:] = 1
        span = min(space.edge, 4 * (space.edge - space.start_pfn), 1 << int(rng.integers(5, 40)))
        pfn_lo = space.edge + 20 - rng.integers(span + 20, size=len(which))
    else:
        pfn_lo = highest_limit + 1 + 32 * ops["slot"][which].astype(np.int64)
    pfn_hi = pfn_lo + size - 1
    fits = pfn_hi <= space.highest
    which = which[fits]
    ops["op"][which] = Op.RESERVE
    ops["flags"][which] = 0
    ops["size"][which] = size[fits]
    ops["limit_pfn"][which] = pfn_hi[fits]


# ---- in which order slots are visited ----


def _anyhow(rng: np.random.Generator, nr_slots: int, count: int) -> Ints:
    """Half of the slots are filled, at random."""
    return rng.integers(nr_slots, size=count)


def _few_often(rng: np.random.Generator, nr_slots: int, count: int) -> Ints:
    """Some ranges live long, some short."""
    return (nr_slots * rng.random(count) ** 3).astype(np.int64)


def _waves(rng: np.random.Generator, nr_slots: int, count: int) -> Ints:
    """All slots in random order, again and again: full, empty, full."""
    rows = np.tile(np.arange(nr_slots), (count // nr_slots + 1, 1))
    return rng.permuted(rows, axis=1).ravel()[:count]


def _ring(rng: np.random.Generator, nr_slots: int, count: int) -> Ints:
    """First in, first out; a random number of slots is filled at a time."""
    lag = int(rng.integers(nr_slots))
    head = np.arange(count // 2 + 1)
    pairs = np.stack([head, head - lag], axis=1).ravel()
    return pairs[pairs >= 0][:count] % nr_slots


def _stack(rng: np.random.Generator, nr_slots: int, count: int) -> Ints:
    """Last in, first out."""
    once = np.arange(nr_slots)
    return np.tile(np.append(once, once[::-1]), count // (2 * nr_slots) + 1)[:count]


ORDERS: tuple[Callable[[np.random.Generator, int, int], Ints], ...] = (
    *(_anyhow, _anyhow, _few_often),
    *(_waves, _ring, _stack),
)


def _draw_visits(rng: np.random.Generator, nr_slots: int, count: int) -> Ints:
    """One order after another, in a domain that each leaves to the next as it is."""
    kinds = rng.integers(len(ORDERS), size=rng.integers(1, 5))
    share = count // len(kinds)
    return np.concatenate([ORDERS[kind](rng, nr_slots, share) for kind in kinds])


def _is_filled(slots: Ints, find: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Was this entry's slot filled before it?  Every other visit that is no look-up fills it."""
    order = np.argsort(slots, kind="stable")
    visits: Ints = np.cumsum(~find[order]) - ~find[order]  # of all slots, before this entry
    first = np.searchsorted(slots[order], slots[order])  # of this slot, in this order
    filled = np.empty(len(slots), np.bool_)
    filled[order] = (visits - visits[first]) % 2 == 1
    return filled
