"""Is one chunk of random ops answered rightly, by each build, and through each rcache?

A chunk is replayed under the judge, in a child process with a time limit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

import iova_variants
from iova_lab.checking.rcache_callers import check_callers
from iova_lab.checking.soak_streams import Chunk, make_chunk
from iova_variants import Claim, CountedReplay, EndlessError, TimedReplay, VariantError
from iova_variants.opstream import Op

#: The timed build must give the same addresses: looked at every so many chunks, prime to the turn
#: of the rcaches and of what is verified.
TIMED_EVERY = 5
Line = dict[str, Any]


def run_chunk(variant: str, chunk: Chunk, *, timeout: float | None) -> Line:
    """Replay one chunk on one variant, judged; returns what was counted.

    A chunk ends before a request that never returns, where the variant declares that.  Raises
    `VariantError` with the op where the variant, or the rcache before it, goes wrong.
    """
    try:
        return _run_chunk(variant, chunk, timeout)
    except EndlessError as error:
        if Claim.ENDLESS not in iova_variants.load(variant, build="counted").claims:
            raise
        stream = dataclasses.replace(chunk.stream, ops=chunk.stream.ops[: error.op])
        line = _run_chunk(variant, dataclasses.replace(chunk, stream=stream), timeout)
        return line | {"nr_endless": 1}


def _run_chunk(variant: str, chunk: Chunk, timeout: float | None) -> Line:
    result = iova_variants.replay(
        variant,
        chunk.stream,
        judge=True,
        verify=chunk.verify,
        rcache=chunk.rcache,
        pfns=chunk.rcache != "off" or is_timed(chunk),
        build="counted",
        timeout=timeout,
    )
    if is_timed(chunk):
        _hold_against_timed(variant, chunk, result, timeout)
    claims = iova_variants.load(variant, build="counted").claims
    clean = chunk.reserves != "anywhere" and not claims & (Claim.ABOVE_LIMIT | Claim.FAKE)
    if chunk.rcache != "off" and clean:
        check_callers(chunk.stream, result.pfns)
    return _line(chunk, result)


def is_timed(chunk: Chunk) -> bool:
    """Is this chunk replayed on the timed build as well?"""
    return chunk.index % TIMED_EVERY == 0


def _hold_against_timed(
    variant: str, chunk: Chunk, counted: TimedReplay, timeout: float | None
) -> None:
    """Raise `VariantError` with the first op that the timed build answers otherwise."""
    timed = iova_variants.replay(
        variant, chunk.stream, pfns=True, rcache=chunk.rcache, build="timed", timeout=timeout
    )
    rows = np.flatnonzero(timed.pfns != counted.pfns)
    if len(rows):
        op = int(rows[0])
        pair = f"{int(timed.pfns[op]):#x} and {int(counted.pfns[op]):#x}"
        raise VariantError(f"op {op}: pfns of the timed and the counted build differ: {pair}")


def _line(chunk: Chunk, result: CountedReplay) -> Line:
    nr_allocs = int(np.count_nonzero(chunk.stream.ops["op"] == Op.ALLOC))
    layer = result.rcache
    return {
        "variant": result.variant,
        "chunk": chunk.index,
        "rcache": "off" if chunk.rcache == "off" else chunk.rcache.kernel,
        "reserves": chunk.reserves,
        "nr_ops": len(chunk.stream.ops),
        "nr_verified": chunk.verify * len(chunk.stream.ops),
        "nr_allocs": nr_allocs,
        "nr_refused": result.nr_failures,
        "nr_judged": layer.nr_tree_allocs if layer else nr_allocs,
        "nr_spurious": result.nr_spurious,
        "nr_not_highest": result.nr_not_highest,
        "nr_above_limit": result.nr_above_limit,
        "nr_endless": 0,
        "nr_hits": sum(layer.nr_hits) if layer else 0,
        "nr_flushes": layer.nr_flushes if layer else 0,
        "nr_overflows": layer.nr_overflows if layer else 0,
        "nr_trims": layer.nr_trims if layer else 0,
        "ns": result.ns,
    }


def run_alone(variants: Iterable[str], seed: int, index: int, timeout: float) -> pd.DataFrame:
    """Replay exactly one chunk; one row per variant.  Raises `VariantError` at the first breach."""
    chunk = make_chunk(seed, index)
    return pd.DataFrame([run_chunk(name, chunk, timeout=timeout) for name in variants])
