"""The command line: look at what is there, replay one stream, check a trace, write the report."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table

import iova_variants
from iova_lab import workloads
from iova_lab.opstream import OpStream

if TYPE_CHECKING:
    import pandas as pd

    from iova_lab.soak import Soak

#: What a user can get wrong, or a variant; everything else is our own mistake and shows itself.
EXPECTED = (
    LookupError,
    ValueError,
    OSError,
    MemoryError,
    iova_variants.VariantError,
    iova_variants.BuildError,
)


class _Lab(click.Group):
    """A group whose commands answer a mistake with one line and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("iova-lab: interrupted; what was written so far is whole", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            # The reader of our output has gone (`| head`): nothing is wrong, and nobody listens.
            sys.stderr.close()
            ctx.exit(0)
        except EXPECTED as error:
            text = (
                str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
            )
            click.echo(f"iova-lab: {text}", err=True)
            ctx.exit(1)


@click.group(cls=_Lab, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iova-lab")
def main() -> None:
    """A performance lab for Linux IOVA allocators."""


def _print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        # A file or a pipe takes lines as long as they are.
        console = Console(width=10_000)
    console.print(table)


@main.command("list")
def list_command() -> None:
    """Show the variants and the workloads."""
    variants = [iova_variants.load(name) for name in iova_variants.names()]
    rows = [(v.name, v.kernel_release, _claims(v), v.summary) for v in variants]
    _print_table(["variant", "kernel", "claims", "what it is"], rows)
    click.echo()
    found = [workloads.get(name) for name in workloads.names()]
    _print_table(["workload", "what it asks"], [(w.name, w.summary) for w in found])


def _claims(variant: iova_variants.Variant) -> str:
    return ", ".join(claim.name.lower() for claim in variant.claims if claim.name) or "-"


@main.command()
@click.argument("variant")
@click.argument("workload")
@click.option("--nr-live", default=100, show_default=True, help="Live ranges in the window.")
@click.option("--seed", default=0, show_default=True, help="Of the workload's random numbers.")
@click.option(
    "--timeout", default=600.0, show_default=True, help="Seconds until the variant counts as hung."
)
@click.option(
    "--rcache",
    type=click.Choice(iova_variants.RCACHES),
    default="off",
    show_default=True,
    help="The kernel's per-CPU caches in front of the variant.",
)
def replay(
    variant: str, workload: str, nr_live: int, seed: int, timeout: float, rcache: str
) -> None:
    """Replay WORKLOAD on VARIANT once: counts, judgement, and the best of five timings.

    VARIANT is a name or the path of a .c file, WORKLOAD a name or the path of a trace (.npz).
    """
    stream = workloads.generate(workload, nr_live, seed)
    run = functools.partial(iova_variants.replay, variant, stream, timeout=timeout, rcache=rcache)
    judged = run(judge=True, op_visits=True)
    ns_per_op = min(run().ns_per_op for _ in range(5))
    rows = _replay_rows(judged, ns_per_op, stream)
    if judged.rcache:
        rows += _rcache_rows(judged.rcache)
    _print_table(["", "", ""], rows)


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
        ("  flushes", f"{rcache.nr_flushes:,}", "requests that emptied all caches"),
        ("  overflows", f"{rcache.nr_overflows:,}", "magazines that a full depot sent to the tree"),
        ("  trims", f"{rcache.nr_trims:,}", "magazines that the timer sent to the tree"),
        ("  held back", f"{rcache.held_pfns:,} pfns", f"{rcache.peak_held_pfns:,} at the most"),
    ]


def _replay_rows(
    result: iova_variants.ReplayResult, ns_per_op: float, stream: OpStream
) -> list[tuple[str, str, str]]:
    visits = result.visits or {}
    nr_ops = result.nr_ops
    rows = [
        ("ops measured", f"{nr_ops:,}", f"after {stream.nr_ageing:,} ageing ops"),
        (
            "time",
            f"{ns_per_op:.1f} ns/op",
            "best of five; all of it inside the variant and the loop",
        ),
        ("nodes visited", f"{sum(visits.values()) / nr_ops:.2f} /op", "exact"),
    ]
    rows += [(f"  {kind}", f"{count / nr_ops:.2f} /op", "") for kind, count in visits.items()]
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


@main.command()
@click.argument("first")
@click.argument("second")
@click.argument("workload")
@click.option("--nr-live", default=100, show_default=True, help="Live ranges in the window.")
@click.option("--dump", type=click.Path(path_type=Path), help="Folder for pyperf files.")
def compare(first: str, second: str, workload: str, nr_live: int, dump: Path | None) -> None:
    """Measure FIRST and SECOND in turn on WORKLOAD: the ratio, with its interval.

    Both are names or paths of .c files: for instance mainline and your own patched copy of it.
    """
    from iova_lab import pairs

    bar = Progress(*Progress.get_default_columns(), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task("processes", total=pairs.NR_PROCESSES)
        paired = pairs.compare((first, second), workload, nr_live, lambda: bar.advance(task))
    ratio, low, high = paired.ratio()
    for name, median in zip(paired.names, paired.medians(), strict=True):
        click.echo(f"{name}: {median:.1f} ns/op, median")
    verdict = "no difference shown" if low <= 1 <= high else "different"
    click.echo(
        f"{second} / {first}: {ratio:.3f}  (99 % interval {low:.3f} .. {high:.3f}): {verdict}"
    )
    if dump:
        for path in pairs.dump(paired, dump):
            click.echo(f"pyperf: {path}")


@main.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--variant", default="mainline", show_default=True)
@click.option("--fast", is_flag=True, help="What drivers asked, through the rcache, too.")
def trace(path: Path, variant: str, fast: bool) -> None:
    """Hold a variant's answers against the addresses that a real kernel returned.

    Exit status 1 if any still disagrees after what the recording lacks has been mended.
    """
    from iova_lab import agreement, fast_agreement
    from iova_lab.trace import read_fast_trace, read_trace

    recorded = read_trace(path)
    nr_requests = len(recorded.stream.ops)
    click.echo(f"{path}: kernel {recorded.kernel}, {nr_requests:,} tree-level requests")
    frame, mended = agreement.report(recorded, variant)
    _print_agreement(frame, mended.notes)
    agrees = (frame["share_mended"] == 1).all()
    if fast:
        click.echo("\nfast level, through the rcache:")
        frame, mended_fast = fast_agreement.report(read_fast_trace(path), variant)
        _print_agreement(frame, mended_fast.notes)
        agrees &= (frame["share_mended"] == 1).all()
    if not agrees:
        raise click.exceptions.Exit(1)


def _print_agreement(frame: pd.DataFrame, notes: Iterable[str]) -> None:
    rows = [
        (
            str(row.dom),
            f"{row.nr_allocs:,}",
            f"{row.share:.2%}",
            f"{row.share_mended:.2%}",
        )
        for row in frame.itertuples()
    ]
    _print_table(["domain", "allocs", "agree", "agree, mended"], rows)
    nr_agree, nr_allocs = frame["nr_agree"].sum(), frame["nr_allocs"].sum()
    click.echo(f"as recorded, {nr_agree:,} of {nr_allocs:,} allocations agree")
    for note in notes:
        click.echo(f"mended: {note}")


@main.command()
@click.option(
    "--out", default=Path("reports/promises"), show_default=True, type=click.Path(path_type=Path)
)
@click.option("--largest", default=100_000, show_default=True, help="Live ranges, at most.")
def promises(out: Path, largest: int) -> None:
    """Write the table of promises: what each variant keeps, costs at worst, and gets wrong."""
    from iova_lab.promises_report import nr_ticks, write_promises

    bar = Progress(*Progress.get_default_columns(), console=Console(stderr=True), transient=True)
    with bar:
        task = bar.add_task("counted replays", total=nr_ticks(largest))
        index = write_promises(out, largest, lambda: bar.advance(task))
    click.echo(f"promises: {index}")


@main.command()
@click.argument("name")
def example(name: str) -> None:
    """Replay the smallest stream that breaks a promise, and draw the gaps after each request.

    NAME is a variant and a promise, as anchor-complete, or what several begin with, as mainline.
    """
    from iova_lab.counterexamples import find_example
    from iova_lab.drawing import draw

    click.echo("\n\n".join(map(draw, find_example(name))))


@main.command()
@click.option("--machine", help="asv's name of the machine; default: the only one in RESULTS.")
@click.option("--baseline", default="mainline", show_default=True, help="What ratios refer to.")
@click.option(
    "--results", default=Path("results"), show_default=True, type=click.Path(path_type=Path)
)
@click.option("--out", type=click.Path(path_type=Path), help="Default: reports/MACHINE.")
@click.option("--commit", help="Which commit's results; default: the newest.")
def report(
    machine: str | None, baseline: str, results: Path, out: Path | None, commit: str | None
) -> None:
    """Write the scaling report of one machine's asv results: pages, figures, mail text."""
    from iova_lab.report import write_report
    from iova_lab.results import machines

    if machine is None:
        found = machines(results)
        if len(found) != 1:
            raise click.UsageError(f"--machine must be one of: {', '.join(found) or '(none yet)'}")
        machine = found[0]
    index = write_report(
        results_dir=results,
        machine=machine,
        baseline=baseline,
        out_dir=out or Path("reports") / machine,
        commit=commit,
    )
    click.echo(f"report: {index}")


@main.command()
@click.argument("variants", nargs=-1)
@click.option("--ops", "nr_ops", default=1e6, show_default=True, help="For each variant.")
@click.option("--seed", default=0, show_default=True, help="Of all random numbers.")
@click.option("--chunk", type=int, help="Replay this chunk only, and record nothing.")
@click.option(
    "--out", default=Path("build/soak"), show_default=True, type=click.Path(path_type=Path)
)
@click.option(
    "--timeout", default=300.0, show_default=True, help="Seconds until a variant counts as hung."
)
def soak(
    variants: tuple[str, ...],
    nr_ops: float,
    seed: int,
    chunk: int | None,
    out: Path,
    timeout: float,
) -> None:
    """Ask VARIANTS (default: all) random things under the judge, and sum up what came out.

    Every replay leaves a line in OUT: a soak that was stopped goes on where it was.  Exit status 1
    if anything broke, with one line for each variant that did.
    """
    from iova_lab import soak as soaking

    names = variants or soaking.real_variants()
    if chunk is not None:
        frame = soaking.run_alone(names, seed, chunk, timeout)
        Console(width=10_000).print(soaking.table(frame))
        return
    run = soaking.Soak(names, seed, round(nr_ops), out, timeout)
    try:
        _soak_with_progress(run)
    finally:
        Console(width=10_000).print(soaking.table(run.frame()))
    for breach in run.breaches.values():
        click.echo(f"iova-lab: {breach}", err=True)
    if run.breaches:
        raise click.exceptions.Exit(1)


def _soak_with_progress(run: Soak) -> None:
    columns = (
        *Progress.get_default_columns(),
        TextColumn("{task.completed:,.0f} ops, {task.fields[rate]:,.0f} /s"),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=60) as bar:
        total = run.nr_ops * len(run.variants)
        task = bar.add_task("soak", total=total, completed=run.nr_done, rate=0.0)
        run.run(lambda: bar.update(task, completed=run.nr_done, rate=bar.tasks[task].speed or 0.0))


if __name__ == "__main__":
    main()
