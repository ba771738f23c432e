"""A trace file of the lab: live ranges, sizes and limits in it."""

from __future__ import annotations

from pathlib import Path

from iova_lab.diagnosis import release
from iova_lab.diagnosis.seen import Place, Seen
from iova_lab.traces.info import LARGEST_CACHED, DomainInfo, trace_info

KIND = "trace file"
_MANY, _FEW, _SHARE, _FULL = 100_000, 10_000, 0.02, 0.95
_ODD_BITS = (33, 56)


def read(seen: Seen, path: Path, name: str) -> None:
    """Note what a trace has, as ``name``.  Raises `TraceError` for a file that is none."""
    found = trace_info(path)
    seen.recognised(KIND)
    place = Place(name, 1, f"kernel {found.kernel}, {found.nr_rows:,} rows")
    seen.named(release.parse(found.kernel), place)
    total = found.total
    if total.cpus:
        seen.cpu(max(total.cpus))
    if found.synthetic:
        seen.notes.append(f"{name} is synthetic: {found.synthetic}")
    if found.approximate:
        seen.notes.append(f"{name} is approximate: {found.approximate}")
    machine = seen.machine
    machine.live_ranges = max(machine.live_ranges or 0, total.peak_live_ranges)
    text = f"{found.nr_rows:,} rows; at most {total.peak_live_ranges:,} live ranges at once"
    sign = "trace"
    if total.peak_live_ranges >= _MANY:
        sign = "many_live_ranges"
    elif total.peak_live_ranges < _FEW:
        sign = "few_live_ranges"
    seen.add(sign, text, [place])
    _sizes(seen, total, place)
    _limits(seen, total, place, found.granule)
    if total.nr_refused:
        seen.add("map_fails", f"{total.nr_refused:,} requests were refused", [place])
    nr_32bit = (1 << 32) // found.granule
    for one in found.domains:
        if one.peak_live_pfns + one.nr_reserved_pfns >= _FULL * nr_32bit and one.nr_refused:
            text = f"domain {one.dom}: {one.peak_live_pfns:,} live pfns, {one.nr_refused:,} refused"
            seen.add("trace_full_32bit", text, [place])


def _sizes(seen: Seen, total: DomainInfo, place: Place) -> None:
    nr_allocs = sum(total.sizes.values())
    if not nr_allocs:
        return
    nr_large = sum(nr for size, nr in total.sizes.items() if size > LARGEST_CACHED)
    share = nr_large / nr_allocs
    text = f"{nr_large:,} of {nr_allocs:,} requests are larger than 32 pages ({share:.1%})"
    seen.add("large_requests" if share >= _SHARE else "small_requests", text, [place])


def _limits(seen: Seen, total: DomainInfo, place: Place, granule: int) -> None:
    shift = granule.bit_length() - 1
    for limit, nr in sorted(total.limits.items()):
        bits = ((limit + 1) << shift).bit_length() - 1
        text = f"{nr:,} requests with a limit of {bits} bits"
        # 48 and 39 bits are what an IOMMU translates, so they stand for "all".
        if bits < 32:
            seen.add("short_limit", text, [place])
        elif _ODD_BITS[0] <= bits <= _ODD_BITS[1] and bits not in (39, 46, 48, 52):
            seen.add("odd_limit", text, [place])
