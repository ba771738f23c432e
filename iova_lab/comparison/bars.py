"""How does a log2 histogram look in plain text, as BPF tools print it?"""

from __future__ import annotations

from collections.abc import Sequence

from iova_lab.comparison.latency import Bucket

#: Room for ``[512K, 1M)``.
LABEL = 13
COUNT = 8
SHORTEST_BAR = 6


def span(bucket: Bucket) -> str:
    """``[512, 1K)``: from ``lo`` to below the next, with K = 1024, as bpftrace writes it."""
    return f"[{binary(bucket.lo)}, {binary(bucket.hi + 1)})"


def binary(value: int) -> str:
    """``512``, ``1K``, ``2M``: powers of two as bpftrace writes them."""
    for unit in ("", "K", "M"):
        if value < 1024:
            return f"{value}{unit}"
        value //= 1024
    return f"{value}G"


def clip(text: str, room: int) -> str:
    """``text`` as far as it has room, with a mark in place of the rest."""
    return text if len(text) <= room else f"{text[: room - 1]}~"


def blocks(nr_variants: int, per_block: int) -> list[list[int]]:
    """Which variants stand beside each other: the first of all, and ``per_block`` others."""
    others = range(1, nr_variants)
    starts = range(0, len(others), per_block)
    return [[0, *others[start : start + per_block]] for start in starts] or [[0]]


def lines(buckets: Sequence[Bucket], labels: Sequence[str], width: int) -> list[str]:
    """One line per bucket, at least one, with a count and a bar per variant: a share of its ops.

    All bars have one scale, so they compare.  Variants that have no room go into a block below,
    beside the first of all once more.
    """
    per_block = max(1, (width - LABEL) // (COUNT + SHORTEST_BAR + 2) - 1)
    text: list[str] = []
    for shown in blocks(len(labels), per_block):
        text += [""] * bool(text) + _block(buckets, labels, shown, width)
    return text


def _block(
    buckets: Sequence[Bucket], labels: Sequence[str], shown: list[int], width: int
) -> list[str]:
    column = (width - LABEL) // len(shown)
    room = column - COUNT - 2
    totals = [sum(bucket.counts[which] for bucket in buckets) for which in shown]
    shares = [
        [bucket.counts[which] / max(1, total) for which, total in zip(shown, totals, strict=True)]
        for bucket in buckets
    ]
    most = max(max(row) for row in shares) or 1.0
    head = " " * LABEL + "".join(
        f" {clip(labels[which], column - 2):<{column - 1}}" for which in shown
    )
    rows = [
        f"{span(bucket):<{LABEL}}"
        + "".join(
            f"{bucket.counts[which]:>{COUNT},} {_bar(share / most, room):<{room}} "
            for which, share in zip(shown, row, strict=True)
        )
        for bucket, row in zip(buckets, shares, strict=True)
    ]
    return [line.rstrip() for line in [head, *rows]]


def _bar(share: float, room: int) -> str:
    """At least one mark for what is not nothing: the tail is what people look for."""
    return "@" * max(round(share * room), 1 if share > 0 else 0)
