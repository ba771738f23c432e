"""The page on the soft lockup: how it is reproduced, and with which allocators."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from iova_lab.basics.errors import NoResultsError
from iova_lab.kernel.layout import series, version
from iova_lab.kernel.lockup import (
    CLOCKS,
    NR_CYCLES,
    at_clock,
    burst,
    is_old,
    on_hardware,
    queue,
)
from iova_lab.kernel.module import LOCKUP_DIR
from iova_lab.kernel.walks import WALKS, load_walks
from iova_lab.measuring import provenance, rows
from iova_lab.measuring.cells import HARD_LOCKUP_S, NS_PER_NODE, number
from iova_lab.measuring.frames import grouped
from iova_lab.rendering.figures import STYLE, headline_above
from iova_lab.rendering.looks import line_look, styles
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import NOTHING

#: Live ranges that the published cost of a node is of, some 10^6: it is lower where fewer are.
_PUBLISHED_AT = 1_048_575
#: Where one curve ends less than this many times above another, there is no room for two labels.
NO_ROOM = 1.5


def load(results: Path) -> pd.DataFrame:
    """The last row of every variant and kernel.  Raises `NoResultsError` if there is none."""
    found = rows.lockups(results)
    if not found:
        raise NoResultsError(
            f"{results}/lockup.jsonl has no rows: iova-lab kernel lockup makes them"
        )
    frame = pd.DataFrame(found).drop_duplicates(["release", "variant"], keep="last")
    return frame.sort_values(["release", "variant"]).reset_index(drop=True)


def write_lockup(results: Path, out_dir: Path) -> Path:
    """Write lockup.md, lockup.html and the figure into ``out_dir``."""
    frame = load(results)
    frame["locked_up"] = frame["words"].map(bool)
    frame["uptime"] = frame["uptime"].round()
    stocks = frame[(frame["variant"] == "stock") & frame["locked_up"]]
    if stocks.empty:
        raise NoResultsError(f"{results}/lockup.jsonl: no stock kernel has locked up there")
    walks = load_walks(results)
    out_dir.mkdir(parents=True, exist_ok=True)
    save(figure(walks), out_dir / "lockup")
    variants = frame[frame["variant"] != "stock"]
    worst = stocks.iloc[int(stocks["instructions"].argmax())]
    return write_page(
        out_dir,
        "lockup",
        releases=list(stocks["release"]),
        cpus=int(worst["cpus"]),
        uptimes=[f"{value:.0f} s" for value in stocks["uptime"]],
        nr_live=f"{int(worst['nr_live']):,}",
        survivors=[f"`{name}`" for name in _survivors(variants)],
        all_series=sorted({series(name) for name in frame["release"]}, key=version),
        # Variants that were measured with other code than today's, or before there were digests.
        old=sorted({row["variant"] for row in variants.to_dict("records") if is_old(row)}),
        stocks=stocks.to_dict("records"),
        guests=_guests(stocks),
        nr_cycles=NR_CYCLES,
        outcomes=_outcomes(frame),
        worst={
            "release": worst["release"],
            "instructions": f"{int(worst['instructions']):,}",
            "nodes": f"{int(worst['nodes']):,}",
            "per_node": f"{worst['instructions'] / worst['nodes']:.1f}",
            "clock_ms": "{:.1f} to {:.1f}".format(*at_clock(int(worst["instructions"]))),
            "published_ms": "{:.1f} to {:.1f}".format(*on_hardware(int(worst["nodes"]))),
        },
        clocks=f"{CLOCKS[1]:g} to {CLOCKS[0]:g}",
        ns_low=f"{NS_PER_NODE[0]:g}",
        ns_high=f"{NS_PER_NODE[1]:g}",
        bursts=_at_published(
            {f"{n} CPU{'s' * (n > 1)}": burst(_PUBLISHED_AT, n) for n in (1, 2, 16, 64, 384)}
        ),
        queues=_at_published(
            {f"CPUs in one queue for {HARD_LOCKUP_S:.0f} s": queue(_PUBLISHED_AT)}
        ),
        made=provenance.of_files([results / rows.LOCKUPS, results / WALKS], "kernel"),
        source=(LOCKUP_DIR / "iova_lockup.c").read_text(encoding="utf-8"),
    )


def _survivors(variants: pd.DataFrame) -> list[str]:
    """Those that were tried on every kernel, and locked up on none."""
    nr_kernels = variants["release"].nunique()
    tried = variants.groupby("variant")["locked_up"].agg(["size", "any"])
    return list(tried.index[(tried["size"] == nr_kernels) & ~tried["any"]])


def _guests(stocks: pd.DataFrame) -> pd.DataFrame:
    walks = [on_hardware(2 * int(nodes)) for nodes in stocks["nodes"]]
    return pd.DataFrame(
        {
            "kernel": stocks["release"],
            "guest, ms": [f"{us / 1000:,.0f}" for us in stocks["longest_us"]],
            "hardware, ms": [f"{low:.0f} .. {high:.0f}" for low, high in walks],
        }
    )


def _outcomes(frame: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame({"variant": frame["variant"].unique()})
    for release, group in frame.groupby("release"):
        short = rows.short_release(str(release))
        found = group.set_index("variant").reindex(table["variant"])
        guests = zip(found["locked_up"], found["uptime"], strict=True)
        table[short] = [_outcome(locked_up, uptime) for locked_up, uptime in guests]
        table[f"{short}: instructions"] = [number(n) for n in found["instructions"]]
    nodes = frame.groupby("variant")["nodes"].max().reindex(table["variant"])
    table["nodes"] = [number(n) for n in nodes]
    return table


def _outcome(locked_up: bool | float, uptime: float) -> str:
    """What one variant did on a kernel; NaN where it was not tried."""
    if isinstance(locked_up, float):
        return NOTHING
    return f"locked up at {uptime:.0f} s" if locked_up else "no"


def _at_published(found: dict[str, tuple[float, float]]) -> pd.DataFrame:
    """One row of ranges, at the live ranges that the published cost of a node is of."""
    ranges = {
        name: f"{low:.1f} .. {high:.1f}" if high < 9.5 else f"{low:,.0f} .. {high:,.0f}"
        for name, (low, high) in found.items()
    }
    return pd.DataFrame([{"live ranges": f"{_PUBLISHED_AT:,}"} | ranges])


def figure(frame: pd.DataFrame) -> Figure:
    """The worst request over live ranges; variants whose curves coincide share a label."""
    wide = frame.pivot_table(index="nr_live", columns="variant", values="nodes")
    looks = styles(list(wide.columns))
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(8.5, 4.8), layout="constrained")
        axes = drawn.subplots()
        for name in wide:
            axes.plot(wide.index, wide[name], **line_look(looks[str(name)]))
        for value, label in _labels(wide):
            axes.annotate(
                label,
                (wide.index[-1], value),
                (8, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="live ranges, all below 4 GiB",
            ylabel="nodes visited by the worst request",
        )
        axes.set_xlim(wide.index[0] / 1.3, wide.index[-1] * 16)
        axes.set_xticks(wide.index, [f"{nr_live:,}" for nr_live in wide.index], minor=False)
        axes.xaxis.set_minor_locator(NullLocator())
        linear = int((wide.iloc[-1] > wide.index[-1] / 10).sum())
        headline_above(
            drawn,
            f"Full 32-bit space: in {linear} of {wide.shape[1]} allocators a request that fails "
            "visits every live range",
        )
    return drawn


def _labels(wide: pd.DataFrame) -> list[tuple[float, str]]:
    """Curves that end close to each other have one label, three names to a line."""
    ends = wide.iloc[-1].sort_values()
    groups = grouped(ends.index, lambda one, other: bool(ends[one] < NO_ROOM * ends[other]))
    return [
        (
            float(ends[group].mean()),
            ",\n".join(", ".join(group[i : i + 3]) for i in range(0, len(group), 3)),
        )
        for group in groups
    ]
