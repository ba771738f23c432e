"""How do waits and holds read on a terminal?"""

from __future__ import annotations

from iova_lab.convoy.threaded import Contention
from iova_variants import LockTimes

_NAMES = {
    "variant": "the variant's lock",
    "depot": "the depots' locks",
    "cpu_cache": "the CPUs' caches",
}


def duration(ns: float) -> str:
    """Three digits and a unit that a reader knows."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.3g} ns"


def lock_rows(found: Contention) -> list[tuple[str, ...]]:
    """One row per class of locks that was taken at all."""
    rows = []
    for name, lock in found.locks.items():
        if lock.nr:
            rows.append(
                (
                    _NAMES[name],
                    f"{lock.nr:,}",
                    f"{lock.nr_queued / lock.nr:.1%}",
                    *(duration(ns / lock.nr) for ns in (lock.wait_ns, lock.hold_ns)),
                    *(duration(ns) for ns in (lock.max_wait_ns, lock.max_hold_ns)),
                    duration(lock.max_section_ns),
                )
            )
    return rows


LOCK_COLUMNS = (
    *("", "taken", "queued", "mean wait", "mean hold"),
    *("longest wait", "longest hold", "irqs off"),
)

HISTOGRAM_COLUMNS = ("below", "waits", "", "holds", "")


def histogram_rows(lock: LockTimes, width: int = 24) -> list[tuple[str, ...]]:
    """Both log2 histograms side by side, from the first bin that is used to the last."""
    used = [i for i, pair in enumerate(zip(lock.waits, lock.holds, strict=True)) if any(pair)]
    if not used:
        return []
    most = max(*lock.waits, *lock.holds)
    return [
        (
            duration(2**index),
            f"{lock.waits[index]:,}",
            "#" * round(width * lock.waits[index] / most),
            f"{lock.holds[index]:,}",
            "#" * round(width * lock.holds[index] / most),
        )
        for index in range(used[0], used[-1] + 1)
    ]


def notes(found: Contention) -> list[str]:
    """What a reader has to know before believing a number, most important first."""
    lines = []
    if found.oversubscribed:
        lines.append(
            f"WARNING: {found.threads} threads on fewer CPUs: waits are the system's scheduling,"
            " not the lock's"
        )
    if found.nr_preempted:
        calm = f"{found.nr_calm} of {found.nr_rounds} rounds were calm"
        if found.calm:
            calm += (
                f"; in those the longest wait was {duration(found.calm.max_wait_ns)},"
                f" the longest hold {duration(found.calm.max_hold_ns)}"
            )
        lines.append(f"the system took a CPU away {found.nr_preempted:,} times; {calm}")
    if found.nr_domains > 1:
        lines.append(f"this stream has {found.nr_domains} domains, each with a lock of its own")
    lines.append(
        f"in each hold {found.empty_hold_ns:.0f} ns are the clock's; every round was checked:"
        " invariants hold, no range has two owners, nothing leaked"
    )
    return lines
