"""The page on real I/O: what each allocator costs behind the DMA API of a booted kernel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.reading import Row
from iova_lab.kernel.io import FULL
from iova_lab.kernel.io_allocators import STOCK, UNPATCHED
from iova_lab.kernel.io_loads import COLD, NAMES
from iova_lab.kernel.io_memory import NR_BUCKETS, quantile
from iova_lab.kernel.io_rows import per_second
from iova_lab.measuring import provenance, rows
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.reports import io_tables
from iova_lab.reports.io_figure import figure

CANDIDATE, MAINLINE = "candidate", "mainline"


def load(results: Path) -> list[Row]:
    """The last boot of every allocator, kernel, setting and load.  Raises `NoResultsError`."""
    keys = ("release", "allocator", "load", *SETTINGS)
    found = {tuple(row[name] for name in keys): row for row in rows.ios(results)}
    if not found:
        raise NoResultsError(f"{results}/{rows.IOS} has no rows: iova-lab kernel io makes them")
    return sorted(found.values(), key=lambda row: NAMES.index(row["load"]))


#: What boots of the same table share.
SETTINGS = ("mode", "forcedac", "crowd", "held")


def write_io(results: Path, out_dir: Path) -> Path:
    """Write io.md, io.html and the figure into ``out_dir``."""
    boots = load(results)
    common = [row for row in boots if is_common(row)]
    if not {STOCK, UNPATCHED, CANDIDATE, MAINLINE} <= {row["allocator"] for row in common}:
        raise NoResultsError(
            f"{results}/{rows.IOS} lacks the common case of {STOCK}, {UNPATCHED}, {MAINLINE} or "
            f"{CANDIDATE}: iova-lab kernel io makes it"
        )
    frame = phases(common)
    warm = frame[~frame["cold"]]
    out_dir.mkdir(parents=True, exist_ok=True)
    save(figure(frame), out_dir / "io")
    releases = sorted(frame["release"].unique())
    return write_page(
        out_dir,
        "io",
        releases=[rows.short_release(name) for name in releases],
        inside=ratio_range(warm, "inside"),
        median=f"{ratio(warm, 'inside').median():.2f}",
        first=f"{ratio(frame[frame['cold']], 'inside').median():.2f}",
        in_all=ratio_range(warm, "instructions"),
        tree=ratio_range(warm, "inside", MAINLINE),
        gigabytes=f"{sum(row['bytes'] for row in rows.verified(results)) / 1e9:.1f}",
        nr_corrupt=sum(row["corrupt"] for row in rows.verified(results)),
        commons=[_common(frame[frame["release"] == name]) for name in releases],
        detour=detour(warm),
        errors=io_tables.errors(boots),
        others=others(boots),
        crowded=crowded(boots),
        verified=io_tables.verified(results),
        lockups=io_tables.lockups(results),
        made=provenance.of_files(
            [results / name for name in (rows.IOS, rows.VERIFIED, rows.DMA_LOCKUPS)], "kernel"
        ),
    )


def _common(frame: pd.DataFrame) -> dict[str, object]:
    """The tables of one kernel."""
    warm, cold = frame[~frame["cold"]], frame[frame["cold"]]
    return {
        "release": rows.short_release(frame["release"].iloc[0]),
        "in_all": pivot(warm, "instructions"),
        "rate": rates(warm),
        "inside": pivot(warm, "inside"),
        "cold": pivot(cold, "inside"),
        "worst": pivot(frame, "alloc_worst"),
        "share": shares(frame),
    }


def is_common(row: Row) -> bool:
    """Was this the kernel's default, with no ranges of others in the domains?"""
    return row["mode"] == "lazy" and not (row["forcedac"] or row["crowd"] or row["held"])


def phases(boots: Iterable[Row]) -> pd.DataFrame:
    """A row per phase of every boot, with the boot's release and allocator."""
    frame = pd.DataFrame(
        [
            {name: row[name] for name in ("release", "allocator", *SETTINGS)} | phase
            for row in boots
            for phase in row["phases"]
        ]
    )
    if len(frame):
        frame["cold"] = frame["phase"].str.endswith(COLD)
        frame["phase"] = frame["phase"].str.removesuffix(COLD)
    return frame


def ratio(frame: pd.DataFrame, value: str, base: str = STOCK) -> pd.Series[float]:
    """The candidate's ``value`` over the base's, by kernel and phase."""
    wide = frame.pivot_table(index=["release", "phase"], columns="allocator", values=value)
    return (wide[CANDIDATE] / wide[base]).dropna()


def ratio_range(frame: pd.DataFrame, value: str, base: str = STOCK) -> str:
    """The lowest and the highest `ratio`."""
    found = ratio(frame, value, base)
    return f"{found.min():.2f} to {found.max():.2f}"


def pivot(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """A row per phase, a column per allocator, and the candidate over stock; the most of passes."""
    wide = frame.pivot_table(
        index="phase", columns="allocator", values=value, sort=False, aggfunc="max"
    )
    names = [name for name in (UNPATCHED, STOCK, MAINLINE) if name in wide]
    names += [str(name) for name in wide if name not in (UNPATCHED, *names, CANDIDATE)]
    names += [name for name in (CANDIDATE,) if name in wide]
    table = pd.DataFrame({"phase": wide.index})
    for name in names:
        table[name] = [io_tables.figure(number, 0) for number in wide[name]]
    if {STOCK, CANDIDATE} <= set(names):
        found = wide[CANDIDATE] / wide[STOCK]
        table["candidate / stock"] = [io_tables.ratio(one) for one in found]
    return table


def rates(frame: pd.DataFrame) -> pd.DataFrame:
    """I/Os per second of guest time, a row per phase."""
    return pivot(frame.assign(rate=frame["instructions"].map(per_second)), "rate")


def shares(frame: pd.DataFrame) -> pd.DataFrame:
    """Calls per I/O, and which share of them the caches did not serve."""
    own = frame[frame["allocator"] == CANDIDATE]
    table = pd.DataFrame({"phase": own["phase"].unique()})
    for cold, label in ((True, "first pass"), (False, "measured pass")):
        one = own[own["cold"] == cold].set_index("phase").reindex(table["phase"])
        table[f"{label}: calls per I/O"] = [f"{n:.2f}" for n in one["allocs"] / one["ops"]]
        table[f"{label}: to the tree"] = [f"{n:.1%}" for n in one["tree"] / one["allocs"]]
    return table


def detour(frame: pd.DataFrame) -> pd.DataFrame:
    """What the livepatch costs for each call of alloc_iova_fast() and free_iova_fast()."""
    found = frame[frame["phase"] == "nvme-4k-q32"]
    table = []
    for release, own in found.groupby("release"):
        per_op = dict(zip(own["allocator"], own["instructions"].astype(float), strict=True))
        table.append(
            {
                "kernel": rows.short_release(str(release)),
                "unpatched, instructions per I/O": f"{per_op[UNPATCHED]:,.0f}",
                "stock": f"{per_op[STOCK]:,.0f}",
                "detour": f"{per_op[STOCK] - per_op[UNPATCHED]:,.0f}",
            }
        )
    return pd.DataFrame(table)


def others(boots: Iterable[Row]) -> list[dict[str, object]]:
    """The boots with other settings: tables for each kernel and setting."""
    frame = phases(row for row in boots if not is_common(row))
    found: list[dict[str, object]] = []
    if frame.empty:
        return found
    for _, own in frame.groupby(["release", *SETTINGS], sort=True):
        release, mode, forcedac, crowd, held = own[["release", *SETTINGS]].iloc[0].tolist()
        words = [
            mode,
            "iommu.forcedac=1" * bool(forcedac),
            _crowd(crowd, high=bool(forcedac)),
            "lock holds" * bool(held),
        ]
        title = f"{rows.short_release(release)}: {', '.join(word for word in words if word)}"
        found.append({"title": title, "tables": _tables(own, bool(held))})
    return found


def _crowd(crowd: str, *, high: bool) -> str:
    if crowd in ("", FULL):
        return "others hold all pages of the disk's domain below 4 GiB" * (crowd == FULL)
    place = "at the top " * high
    return (
        f"others took {int(crowd):,} pages {place}of the disk's domain and freed every second one"
    )


def _tables(frame: pd.DataFrame, held: bool) -> list[tuple[str, pd.DataFrame]]:
    if held:
        return [("Instructions for which the variant holds its lock, both passes", holds(frame))]
    cold = frame["cold"]
    if frame["crowd"].iloc[0]:
        worst = pivot(frame, "alloc_worst")
        found = [
            ("The worst single `alloc_iova_fast()` of both passes, in instructions", worst),
            ("I/Os per second of guest time, first pass", rates(frame[cold])),
        ]
    else:
        found = [("Inside the allocator per I/O, measured pass", pivot(frame[~cold], "inside"))]
    return [*found, ("Inside the allocator per I/O, first pass", pivot(frame[cold], "inside"))]


def holds(frame: pd.DataFrame) -> pd.DataFrame:
    """A row per allocator: how often it held its lock, and for how long."""
    held = frame[frame["holds"].notna()]
    table = []
    for name, own in held.groupby("allocator"):
        nr = own["holds"].map(lambda buckets: sum(buckets.values()))
        counted = np.zeros(NR_BUCKETS, np.uint32)
        for buckets in own["holds"]:
            for bucket, number in buckets.items():
                counted[int(bucket)] += number
        worst = int(own["hold_worst"].max())
        figures = {"holds": nr.sum(), "mean": (nr * own["hold"]).sum() / nr.sum()}
        figures |= {"p99": min(quantile(counted, 0.99), worst), "worst": worst}
        table.append({"allocator": name} | {key: f"{one:,.0f}" for key, one in figures.items()})
    return pd.DataFrame(table)


def crowded(boots: Iterable[Row]) -> list[dict[str, str]]:
    """The worst request of stock and of the candidate where others hold ranges."""
    frame = phases(row for row in boots if row["crowd"] and not row["held"])
    if frame.empty:
        return []
    found = []
    for (release, crowd, forcedac), own in frame.groupby(["release", "crowd", "forcedac"]):
        worst = own.groupby("allocator")["alloc_worst"].max()
        if {STOCK, CANDIDATE} <= set(worst.index):
            found.append(
                {
                    "release": rows.short_release(str(release)),
                    "crowd": _crowd(str(crowd), high=bool(forcedac)),
                    "stock": f"{worst[STOCK]:,.0f}",
                    "candidate": f"{worst[CANDIDATE]:,.0f}",
                }
            )
    return found
