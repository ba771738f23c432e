"""What do real drivers ask?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from iova_lab.commands import mistakes
from iova_lab.commands.arguments import PATH
from iova_lab.commands.kernel import kernel, series_option
from iova_lab.commands.trace import print_agreement
from iova_lab.rendering.console import progress

#: Of `iova_lab.kernel.record.DEVICES`, which a help text does not import.
NAMES = ("nvme", "virtio", "ahci", "usb", "net")


@kernel.command()
@series_option
@click.option("--out", type=PATH, help="Default: build/traces/RELEASE.npz.")
@click.option("--scale", default=8, help="Amount of I/O; 1 takes a minute.")
@click.option("--cpus", default=2, help="CPUs of the guest; with 1 no two requests race.")
@click.option("--jobs", default=2, help="Number of jobs that share the I/O of a disk.")
@click.option(
    "--device",
    "devices",
    type=click.Choice(NAMES),
    multiple=True,
    help="Device that does I/O; may be given again.  Default: all.",
)
@click.option("--text", type=PATH, help="File for the text that tracefs prints.")
def record(
    series: str,
    out: Path | None,
    scale: int,
    cpus: int,
    jobs: int,
    devices: tuple[str, ...],
    text: Path | None,
) -> None:
    """Record a trace: real drivers, real I/O, an emulated IOMMU, every request with its result.

    NVMe, AHCI, USB, virtio and e1000e; direct I/O of 4 to 512 KiB, ext4, TCP.  Then mainline's
    addresses are compared with the recorded ones.  Exit status 1 if records were lost.

    \b
    Examples:
      iova-lab kernel record
      iova-lab kernel record --kernel 6.1 --scale 1 --out mine.npz
      iova-lab kernel record --kernel 7.3 --device nvme
    """
    from iova_lab.kernel import packages
    from iova_lab.kernel.record import STEPS
    from iova_lab.kernel.record import record as run
    from iova_lab.traces import agreement
    from iova_lab.traces.importer import import_text
    from iova_lab.traces.trace import read_trace

    found = packages.get(series)
    target = out or Path("build/traces") / f"{found.release}.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    with progress() as bar, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        task = bar.add_task("boot", total=len(STEPS))
        written = text or Path(folder, "trace.txt")
        nr_lost = run(
            found,
            written,
            scale=scale,
            cpus=cpus,
            jobs=jobs,
            devices=devices or NAMES,
            on_progress=lambda step: bar.update(task, advance=1, description=step),
        )
        imported = import_text(written, target, kernel=found.release)
    click.echo(f"{target}: {imported.nr_rows:,} rows of {imported.nr_domains} domains")
    for note in imported.notes:
        click.echo(f"note: {note}")
    frame, mended = agreement.report(read_trace(target), "mainline")
    print_agreement(frame, mended.notes)
    if cpus > 1 and (frame["share_mended"] < 1).any():
        click.echo(
            "note: two CPUs that ask at once are recorded in the order in which they returned, not "
            "in that of the lock; with --cpus 1 every address agrees"
        )
    mistakes.end([f"the kernel lost {nr_lost:,} records"] if nr_lost else [])


@kernel.command("probes")
@click.option("--image", type=click.Path(exists=True, path_type=Path), help="/boot/vmlinuz-...")
@click.option("--symbols", type=click.Path(exists=True, path_type=Path), help="/proc/kallsyms.")
@click.option("--bpftrace", is_flag=True, help="A script for bpftrace, for any kernel with BTF.")
def probes_command(image: Path | None, symbols: Path | None, bpftrace: bool) -> None:
    """Print the probes that record every request, for tracefs of a machine of your own.

    For dynamic_events of 6.9 and later; with --image and --symbols for kprobe_events of that
    kernel, whatever its version.  docs/recording.md describes how to use them.

    \b
    Examples:
      iova-lab kernel probes
    """
    from iova_lab.kernel import probes

    if image and not symbols:
        raise click.UsageError("--image needs --symbols")
    if symbols and not image and not bpftrace:
        raise click.UsageError("--symbols needs --image, or --bpftrace")
    found = probes.parse_kallsyms(symbols.read_text(encoding="utf-8")) if symbols else {}
    freed_by = probes.freed_by(found) if symbols else probes.FREED_BY[0]
    if bpftrace:
        click.echo(probes.bpftrace(freed_by), nl=False)
        return
    lines = probes.fprobes()
    if image:
        lines = probes.kprobes(probes.returns(image, found), freed_by)
    click.echo("\n".join(lines))


@kernel.command("tracer")
@click.argument("tool", type=click.Choice(["trace-cmd", "perf", "bpftrace"]))
@series_option
@click.option("--out", type=PATH, help="Default: build/traces/TOOL.txt.")
def tracer(tool: str, series: str, out: Path | None) -> None:
    """Record a little with Debian's TOOL in a booted kernel, and keep the text that it prints.

    The texts of the importer's tests (tests/golden/tracing) were made with it.  Takes a minute.

    \b
    Examples:
      iova-lab kernel tracer perf
    """
    from iova_lab.kernel import packages, tracers

    target = out or Path("build/traces") / f"{tool}.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    with progress() as bar:
        task = bar.add_task("boot", total=len(tracers.STEPS))
        tracers.record(
            packages.get(series),
            tool,
            target,
            on_progress=lambda step: bar.update(task, advance=1, description=step),
        )
    click.echo(f"{target}: {target.stat().st_size:,} bytes")
