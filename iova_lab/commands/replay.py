"""What is there to measure, and what does one replay say?"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from iova_lab.commands.arguments import (
    POSITIVE,
    VARIANT,
    rcache_option,
    timeout_option,
    workload_argument,
)
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    import iova_variants
    from iova_lab import workloads
    from iova_lab.measuring.timing import Timed
    from iova_variants.opstream import OpStream


@click.command("list")
@click.option("--linux", is_flag=True, help="List the SOURCEs of linux:SOURCE.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool, linux: bool) -> None:
    """Show the variants and the workloads, a line each.

    From Python: iova_variants.names(), iova_lab.workloads.names().

    \b
    Examples:
      iova-lab list
      iova-lab list --linux
      iova-lab list --json | python -m json.tool
    """
    import iova_variants
    from iova_lab import workloads

    if linux:
        _list_sources(as_json)
        return
    variants = [iova_variants.load(name) for name in iova_variants.names()]
    found = [workloads.get(name) for name in workloads.names()]
    if as_json:
        click.echo(json.dumps(_listed(variants, found), indent=1))
        return
    rows = [(v.name, v.kernel_release, _claims(v), v.summary) for v in variants]
    print_table(["variant", "kernel", "claims", "what it is"], rows)
    click.echo()
    print_table(["workload", "what it asks"], [(w.name, w.summary) for w in found])


def _list_sources(as_json: bool) -> None:
    """What can stand behind linux:, and Debian's packages that apt has."""
    from iova_lab.linux import debian, source

    series = [f"debian-{name}" for name in debian.known()]
    fetched = [name for name in series if (debian.CACHE / name).is_dir()]
    if as_json:
        click.echo(json.dumps({"packages": series, "fetched": fetched}, indent=1))
        return
    rows = [("DIR", "a kernel tree as it is now, or a folder with the needed files")]
    rows += [("DIR@REV", "a commit, tag or branch of a tree; nothing is checked out")]
    rows += [
        (name, "Debian's source package, " + ("fetched" if name in fetched else "not fetched yet"))
        for name in series
    ]
    print_table(["linux:SOURCE", "what it is"], rows)
    click.echo(f"\nneeded files: {', '.join(source.NEEDED)}")
    click.echo(f"{source.LAB_RBTREE} behind a SOURCE: the lab's red-black tree, not the tree's own")


def _listed(
    variants: Sequence[iova_variants.Variant], found: Sequence[workloads.Workload]
) -> dict[str, Any]:
    return {
        "variants": [
            {
                "name": variant.name,
                "kernel_release": variant.kernel_release,
                "claims": [claim.name for claim in variant.claims],
                "summary": variant.summary,
            }
            for variant in variants
        ],
        "workloads": [
            {
                "name": workload.name,
                "min_nr_live": workload.min_nr_live,
                "max_nr_live": workload.max_nr_live,
                "summary": workload.summary,
            }
            for workload in found
        ],
    }


def _claims(variant: iova_variants.Variant) -> str:
    return ", ".join(claim.name.lower() for claim in variant.claims if claim.name) or "-"


@click.command()
@click.argument("variant", type=VARIANT)
@workload_argument
@click.option("--seed", default=0, help="Seed of the workload's random numbers.")
@timeout_option(60.0, "Seconds until one replay counts as hung.")
@rcache_option("The kernel's per-CPU caches in front of the variant.")
@click.option(
    "--seconds",
    type=POSITIVE,
    default=30.0,
    help="Seconds after which no further sample of the time is begun.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(
    variant: str,
    workload: str,
    nr_live: int,
    seed: int,
    timeout: float,
    rcache: str,
    seconds: float,
    as_json: bool,
) -> None:
    """Replay WORKLOAD on VARIANT: counts, judgement, and the time per op with its interval.

    The time is measured as by `asv run`: each of eight samples is the fastest of up to 50 replays,
    after a warm-up.

    VARIANT is a name or the path of a .c file; WORKLOAD a name, the path of a trace (.npz), or a
    file that `iova-lab try` saved (.json).

    From Python: iova_variants.replay(), iova_lab.measuring.timing.timed().

    \b
    Examples:
      iova-lab replay mainline random_replace@100000
      iova-lab replay ./my_patch.c my_trace.npz
      iova-lab replay mainline cross_cpu --rcache pre-6.7 --json
    """
    import iova_variants
    from iova_lab import workloads
    from iova_lab.measuring import timing

    stream = workloads.generate(workload, nr_live, seed)
    if workload.endswith(".npz"):
        click.echo(workloads.get(workload).summary)
    options: dict[str, Any] = {"timeout": timeout, "rcache": rcache}
    with _hint(variant), progress() as bar:
        task = bar.add_task("counting", total=timing.NR_SAMPLES + 2)
        judged = iova_variants.replay(variant, stream, judge=True, op_visits=True, **options)
        bar.update(task, advance=1, description="timing")
        time = timing.timed(
            variant, stream, seconds=seconds, on_progress=lambda: bar.advance(task), **options
        )
    if as_json:
        click.echo(json.dumps(_replayed(judged, time, stream), indent=1))
        return
    rows = _replay_rows(judged, time, stream)
    if judged.rcache:
        rows += _rcache_rows(judged.rcache)
    print_table(["", "", ""], rows)


@contextmanager
def _hint(variant: str) -> Iterator[None]:
    """Name the command that finds out more, where a user's own file breaks down."""
    from iova_variants import VariantCrashedError

    try:
        yield
    except VariantCrashedError as error:
        if not variant.endswith(".c"):
            raise
        again = f"`iova-lab try {shlex.quote(variant)}` looks for the shortest stream that does it"
        raise VariantCrashedError(f"{error}; {again}") from error


def _replayed(judged: iova_variants.CountedReplay, time: Timed, stream: OpStream) -> dict[str, Any]:
    """Every plain field of the result; what is recorded op by op is left out."""
    fields = {
        name: value
        for name, value in vars(judged).items()
        if isinstance(value, (str, int, float, dict)) and name != "ns"
    }
    found = dataclasses.asdict(judged.judged) if judged.judged else {}
    layer = dataclasses.asdict(judged.rcache) if judged.rcache else None
    timed = {
        "ns_per_op": time.ns_per_op,
        "interval": time.interval,
        "nr_samples": len(time.samples),
    }
    watched = {"worst_visits": judged.worst_visits, **found}
    return {**fields, **watched, **timed, "nr_ageing": stream.nr_ageing, "rcache": layer}


def _interval(time: Timed) -> str:
    from iova_lab.measuring.cells import number

    if time.interval is None:
        return f"{len(time.samples)} samples within --seconds: too few for an interval"
    low, high = (number(bound, exact=False) for bound in time.interval)
    return f"median of {len(time.samples)} samples [{low}..{high}], 99 %"


def _rcache_rows(rcache: iova_variants.RcacheReport) -> list[tuple[str, str, str]]:
    rates = [
        (f"  hits, order {order}", f"{rate:.1%}", f"of {nr_allocs:,} requests")
        for order, (rate, nr_allocs) in enumerate(
            zip(rcache.hit_rates, rcache.nr_allocs, strict=False)
        )
        if nr_allocs
    ]
    return [
        ("rcache", f"{rcache.tree_ops_per_request:.2f} tree ops/request", "frees of ranges too"),
        *rates,
        (
            "  flushes",
            f"{rcache.nr_flushes:,}",
            f"requests that emptied all caches: {rcache.nr_flush_locks:,} holds of the tree's lock",
        ),
        ("  overflows", f"{rcache.nr_overflows:,}", "magazines that a full depot sent to the tree"),
        ("  trims", f"{rcache.nr_trims:,}", "magazines that the timer sent to the tree"),
        ("  held back", f"{rcache.held_pfns:,} pfns", f"{rcache.peak_held_pfns:,} at the most"),
        (
            "  magazines",
            f"{rcache.magazine_bytes:,} bytes",
            f"{rcache.peak_magazine_bytes:,} at the most",
        ),
    ]


def _replay_rows(
    result: iova_variants.CountedReplay, time: Timed, stream: OpStream
) -> list[tuple[str, str, str]]:
    from iova_lab.measuring.cells import format_value, number

    nr_ops = result.nr_ops
    rows = [
        ("ops measured", f"{nr_ops:,}", f"after {stream.nr_ageing:,} ageing ops"),
        (
            "time",
            format_value(time.ns_per_op, "ns/op", exact=False),
            _interval(time),
        ),
        ("nodes visited", f"{number(result.nodes_per_op)} /op", "exact"),
    ]
    rows += [
        (f"  {kind}", f"{number(count / nr_ops)} /op", "") for kind, count in result.visits.items()
    ]
    live = max(result.nr_live, 1)
    return [
        *rows,
        ("  worst op", f"{result.worst_visits:,}", ""),
        (
            "refused",
            f"{result.nr_failures:,}",
            f"of these although a fit exists: {result.nr_spurious:,}",
        ),
        ("not the highest fit", f"{result.nr_not_highest:,}", ""),
        ("above the limit", f"{result.nr_above_limit:,}", ""),
        ("live ranges", f"{result.nr_live:,}", "after the window"),
        ("memory", f"{result.bytes / live:.1f} bytes/range", "domains and whole slabs"),
        ("address span", f"{result.span / max(result.nr_live_pfns, 1):.2f} pfns per live pfn", ""),
    ]
