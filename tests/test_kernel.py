"""Does a booted kernel answer as user space does, and has what goes wrong there a name?"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row
from iova_lab.checking import soak_streams
from iova_lab.commands import kernel_record
from iova_lab.commands.cli import main
from iova_lab.kernel import (
    KernelError,
    fidelity,
    image,
    lockup,
    machine,
    module,
    packages,
    record,
    times,
    tools,
)
from iova_lab.kernel.files import Kernel
from iova_lab.kernel.machine import Machine, MachineError
from iova_lab.kernel.replay import Job, KernelResult, Recorded, replay
from iova_lab.measuring import rows
from iova_lab.traces import agreement
from iova_lab.traces.importer import import_text
from iova_lab.traces.info import trace_info
from iova_lab.traces.trace import read_trace
from iova_variants.opstream import Op, OpStream
from tests.support import small_tree
from tests.support.lab import REAL, alloc, as_far_as_it_returns, find, free, reserve, stream_of

missing = tools.missing()
Test = TypeVar("Test", bound=Callable[..., None])


def boots(test: Test) -> Test:
    """Mark a test that boots kernels: slow, and not where that can't be done."""
    skip = pytest.mark.skipif(missing is not None, reason=missing or "")
    marked: Test = pytest.mark.slow(skip(test))
    return marked


#: The series that are booted; any other that Debian has can be asked for.
SERIES = ("6.1", "6.12")
NEWEST = SERIES[-1]
#: One of them in `make test`: a guest takes half a minute.
OTHERS = [pytest.param(series, marks=pytest.mark.long) for series in SERIES[:-1]]
OF_TODAY = pytest.param(packages.NEWEST, marks=pytest.mark.long)


@cache
def kernel(series: str) -> Kernel:
    """A kernel of Debian; one that the archive can't give today is a skip with its reason."""
    try:
        return packages.get(series)
    except KernelError as error:
        if series in SERIES:
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def results() -> dict[str, KernelResult]:
    """Small jobs of one guest: to boot it takes longest."""
    large_granule = dataclasses.replace(stream_of([alloc(0, 1, 99)]), granule=8192)
    jobs = {
        "common": Job("mainline", workloads.generate("near_empty", 100)),
        "walks": Job("mainline", workloads.generate("random_replace", 2000)),
        "floor": Job("null", workloads.generate("near_empty", 100)),
        "granule": Job("kernel", large_granule),
    }
    return dict(zip(jobs, replay(kernel(NEWEST), list(jobs.values()), silence=120), strict=True))


def page_granule(index: int) -> OpStream:
    """A soak's stream, with a granule that every allocator of a kernel can take."""
    return dataclasses.replace(soak_streams.make_chunk(0, index).stream, granule=4096)


# ---- the same answers ----


@boots
@pytest.mark.parametrize("series", [NEWEST, *OTHERS, OF_TODAY])
def test_every_variant_answers_as_in_user_space(series: str) -> None:
    streams = [
        workloads.generate("random_replace", 500),
        workloads.generate("full_32bit", 300),
        workloads.generate("startup_32bit", 200),
        workloads.generate("trace_6_1", 100),
        stream_of(
            [reserve(0, 5, 9), alloc(1, 1, 12), find(1), free(1), reserve(2, 7, 11), free(0)]
        ),
    ]
    jobs = [Job(name, stream) for name in module.variant_names() for stream in streams]
    results = list(replay(kernel(series), jobs, silence=120))
    assert len(results) == len(jobs)
    for result in results:
        assert result.error is None
        agreement = fidelity.addresses(result)
        assert not agreement.differs, agreement


@boots
@pytest.mark.parametrize("index", [15, pytest.param(31, marks=pytest.mark.long)])
def test_what_nobody_thought_of_is_answered_alike(index: int) -> None:
    stream = page_granule(index)
    jobs = [Job(name, as_far_as_it_returns(name, stream)) for name in REAL]
    assert {job.variant for job in jobs if len(job.stream.ops) < len(stream.ops)} == {"retry"}
    jobs.append(Job("kernel", stream))
    for result in replay(kernel(NEWEST), jobs, silence=120):
        assert result.error is None
        agreement = fidelity.addresses(result)
        assert not agreement.differs, agreement


def test_a_request_that_never_returns_is_rejected_before_anything_boots() -> None:
    nothing = cast("Kernel", None)
    stream = stream_of([alloc(0, 2, 0)], start_pfn=0)
    with pytest.raises(iova_variants.EndlessError, match=r"op 0: retry, .* does not return"):
        next(replay(nothing, [Job("mainline", stream), Job("retry", stream)]))


@boots
def test_a_difference_is_told_with_its_op(results: dict[str, KernelResult]) -> None:
    common = results["common"]
    pfns = common.pfns.copy()
    pfns[7] += 1
    recorded = Recorded(pfns, common.cycles, common.tsc_khz)
    agreement = fidelity.addresses(dataclasses.replace(common, recorded=recorded))
    assert agreement.differs
    assert agreement.nr_equal == len(pfns) - 1
    assert "op 7" in str(agreement)


@boots
@pytest.mark.long
def test_the_text_of_a_commit_is_a_part_of_the_module(tmp_path: Path) -> None:
    tree = small_tree.write(tmp_path / "tree")
    name = f"linux:{tree}@{small_tree.commit(tree, 'first')}"
    small_tree.put(tree, "drivers/iommu/iova.c", "nonsense\n")
    stream = workloads.generate("random_replace", 300)
    for result in replay(kernel(NEWEST), [Job(name, stream), Job("kernel", stream)], silence=120):
        assert result.error is None
        agreement = fidelity.addresses(result)
        assert not agreement.differs, agreement


# ---- exact, and the same each time ----


@boots
@pytest.mark.long
def test_two_runs_are_the_same_in_every_instruction_count() -> None:
    names = ("kernel", "mainline", "augmented", "maple", "maple_kernel")
    jobs = [Job(name, workloads.generate("random_replace", 1000)) for name in names]
    first, second = (list(replay(kernel(NEWEST), jobs, silence=120)) for _ in range(2))
    for one_run, other in zip(first, second, strict=True):
        assert (one_run.pfns == other.pfns).all()
        assert (one_run.cycles == other.cycles).all()


@boots
def test_counts_follow_the_nodes_that_user_space_counts(results: dict[str, KernelResult]) -> None:
    result = results["walks"]
    stream = result.job.stream
    counted = iova_variants.replay("mainline", stream, op_visits=True)
    window = result.cycles[stream.nr_ageing :].astype(float)
    slope, floor = np.polyfit(counted.op_visits, window, 1)
    assert 20 < slope < 60  # instructions for one node of a linear walk
    assert 0 < floor < 2000


@boots
def test_the_floor_of_the_loop_is_small(results: dict[str, KernelResult]) -> None:
    result = results["floor"]
    assert 10 < result.cycles_per_op < 60


# ---- what goes wrong has a name ----

OWN = (Path(iova_variants.__file__).parent / "no_cache.c").read_text(encoding="utf-8")


def own(folder: Path, name: str, statement: str) -> Path:
    """A copy of no_cache whose search executes ``statement`` first."""
    begin = OWN.index("{", OWN.index("static bool no_cache_find_gap(")) + 1
    path = folder / f"{name}.c"
    path.write_text(OWN[:begin] + f"\n\t{statement}\n" + OWN[begin:])
    return path


@pytest.fixture(scope="module")
def wrecked(tmp_path_factory: pytest.TempPathFactory) -> list[KernelResult]:
    """A crash and a hang, and others around them; with both, the module is compiled once."""
    folder = tmp_path_factory.mktemp("own")
    crash = own(folder, "crash", "if (size == 3)\n\t\t*(volatile int *)8 = 1;")
    hang = own(folder, "hang", "for (;;)\n\t\tcpu_relax();")
    stream = stream_of([alloc(0, 1, 99), alloc(1, 3, 99), alloc(2, 1, 99)])
    jobs = [Job(name, stream) for name in ("mainline", str(crash), "maple", str(hang), "mainline")]
    return list(replay(kernel(NEWEST), jobs, silence=25))


@boots
@pytest.mark.long
def test_a_crash_is_told_by_name_and_the_others_still_run(wrecked: list[KernelResult]) -> None:
    before, crashed, after, *_ = wrecked
    assert before.error is None
    assert after.error is None
    assert crashed.job.variant.endswith("/crash.c")
    assert crashed.error is not None
    assert "NULL pointer dereference" in crashed.error
    assert "own_crash" in crashed.error or "iova_lab" in crashed.error


@boots
@pytest.mark.long
def test_a_hang_is_told_by_name_and_the_others_still_run(wrecked: list[KernelResult]) -> None:
    *_, hung, after = wrecked
    assert hung.job.variant.endswith("/hang.c")
    assert hung.error is not None
    assert "no line on its console for 25 s" in hung.error
    assert after.error is None


@boots
def test_what_does_not_compile_is_told_with_its_line(tmp_path: Path) -> None:
    broken = own(tmp_path, "broken", "not_c;")
    with pytest.raises(KernelError, match=r"own_broken\.c:\d+:\d+: error: .*not_c"):
        next(replay(kernel(NEWEST), [Job(str(broken), stream_of([alloc(0, 1, 99)]))]))


@boots
@pytest.mark.long
def test_a_warning_fails_the_build_where_it_is_about_a_file_of_the_module(tmp_path: Path) -> None:
    """A file elsewhere stands for a kernel's header."""
    header = tmp_path / "headers" / "careless.h"
    header.parent.mkdir()
    header.write_text("static int careless(void) { int unused; return 0; }\n")
    path = own(tmp_path, "includes", "careless();")
    path.write_text(f'#include "{header}"\n{path.read_text()}')
    assert module.build(kernel(NEWEST), [path]).exists()
    path.write_text(path.read_text().replace("careless();", "int mine;\n\tcareless();"))
    with pytest.raises(KernelError) as caught:
        module.build(kernel(NEWEST), [path])
    first, *found = str(caught.value).splitlines()
    assert first.startswith("the module does not compile for ")
    assert len(found) == 1
    assert re.fullmatch(r"variants/own_includes\.c:\d+:\d+: warning: .*mine.*", found[0])


@boots
def test_a_granule_that_the_kernel_would_answer_with_bug_is_refused(
    results: dict[str, KernelResult],
) -> None:
    assert results["granule"].error == "init_domain() failed: Invalid argument (EINVAL)"


@boots
def test_whoever_stops_listening_ends_the_guest() -> None:
    stream = workloads.generate("startup", 10_000)
    results = replay(kernel(NEWEST), [Job("mainline", stream)] * 3, silence=120)
    next(results)
    results.close()  # type: ignore[attr-defined]
    children = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    names = [Path(f"/proc/{pid}/comm").read_text() for pid in " ".join(children).split()]
    assert not [name for name in names if "qemu" in name]


@boots
def test_an_interrupt_ends_every_guest_and_blames_nobody() -> None:
    stream = workloads.generate("random_replace", 100_000)
    job = Job("no_cache", stream)
    with pytest.raises(KeyboardInterrupt):
        next(replay(kernel(NEWEST), [job], silence=120, on_progress=lambda *_: machine.stop_all()))
    assert not machine._running
    assert not machine._stopped


@boots
def test_a_panic_ends_in_the_kernels_own_words(tmp_path: Path) -> None:
    found = kernel(NEWEST)
    initramfs = image.make(tmp_path / "initramfs", found, "echo c > /proc/sysrq-trigger\n")
    with pytest.raises(MachineError, match="Kernel panic") as caught:
        list(Machine(found, initramfs, silence=60).lines())
    assert "sysrq" in str(caught.value)


def test_missing_programs_are_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_which", lambda program: None if "qemu" in program else "/bin/x")
    monkeypatch.setattr(tools, "find_library", lambda name: name)
    assert tools.missing() == (
        "the booted kernel needs programs that are missing: apt install qemu-system-x86"
    )
    with pytest.raises(KernelError, match="apt install qemu-system-x86"):
        tools.need("qemu-system-x86_64")


@pytest.mark.parametrize(("release", "compiler"), [("12", "gcc-12"), ("13", "gcc-14")])
def test_all_missing_programs_are_named_at_once_with_the_compiler_of_the_release(
    release: str, compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: {"VERSION_ID": release})
    monkeypatch.setattr(tools, "_which", lambda program: None)
    with pytest.raises(KernelError) as caught:
        packages.get("6.12")
    named = str(caught.value).partition("apt install ")[2].split()
    assert {*tools.PACKAGES.values(), compiler} <= set(named)
    assert not set(tools.COMPILERS.values()) - {compiler} & set(named)


@pytest.mark.parametrize("compiler", ["gcc-12", "gcc-14"])
def test_the_kernels_own_compiler_is_needed(
    compiler: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    release = "6.12.9-amd64"
    headers = tmp_path / "headers"
    headers.mkdir()
    found = Kernel(release, tmp_path, tmp_path / "vmlinuz", tmp_path / "modules", headers)
    (found.headers / ".kernelvariables").write_text(
        f"override ARCH = x86\nCC = $(if $(X),ccache) $(CROSS_COMPILE){compiler}\n"
    )
    assert found.compiler == compiler
    monkeypatch.setattr(tools, "_which", lambda name: None if name == compiler else "/bin/x")
    monkeypatch.setattr(tools, "find_library", lambda name: name)
    monkeypatch.setattr(packages, "_debian", lambda *_, **__: found)
    with pytest.raises(KernelError, match=f"apt install {compiler}$"):
        packages.get("6.12")


# ---- fidelity ----


def test_whoever_walks_too_far_is_measured_at_a_smaller_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fidelity, "LARGEST", 10**4)
    fidelity.nodes.cache_clear()
    cells = fidelity.plan(["full_32bit"], ["null", "no_cache"], budget=10**5)
    sizes = [(cell.nr_live, cell.variants) for cell in cells]
    assert sizes == [(10**3, ("null", "no_cache")), (10**4, ("null",))]
    fidelity.nodes.cache_clear()


@boots
@pytest.mark.long
def test_the_command_measures_what_it_is_told_and_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fidelity, "LARGEST", 2000)
    monkeypatch.setattr(times, "NR_ROUNDS", 1)
    told = f"--variant retry --workload ring --kernel {NEWEST} --results {tmp_path}".split()
    measured = []
    few, more = ("--budget", "10"), ("--budget", "1e7")
    for options in (few, (*more, "--largest", "1000", "--count-only"), more):
        done = CliRunner().invoke(main, ["kernel", "fidelity", *told, *options])
        assert done.exit_code == 0, done.output
        measured.append([(row["variant"], row["nr_live"]) for row in rows.of_kernels(tmp_path)])
        fidelity.nodes.cache_clear()
    small = [("retry", 1000)]
    assert measured == [small, small, [*small, ("retry", 2000)]]
    assert {row["workload"] for row in rows.times(tmp_path)} == {"ring"}
    assert not list(tmp_path.glob("*.jsonl"))


@boots
def test_what_was_measured_is_not_measured_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    cell = fidelity.Cell("near_empty", 100, ("kernel", "mainline"))
    first = list(fidelity.measure(kernel(NEWEST), [cell], out))
    assert [row["nr_equal"] for row in first] == [2500, 2500]
    out.write_text(out.read_text() + '{"release": "cut')  # killed in the middle of a line
    asked: list[Job] = []

    def no_replay(_: Kernel, jobs: list[Job], **__: object) -> list[KernelResult]:
        asked.extend(jobs)
        return []

    monkeypatch.setattr(fidelity, "replay", no_replay)
    assert list(fidelity.measure(kernel(NEWEST), [cell], out)) == first
    assert not asked


def test_a_row_after_a_cut_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, {"a": 1})
    path.write_text(path.read_text() + '{"b": ')
    append_row(path, {"c": 3})
    assert read_rows(path) == [{"a": 1}, {"c": 3}]


@boots
def test_the_command_prints_cost_and_agreement() -> None:
    done = CliRunner().invoke(main, ["kernel", "replay", "kernel", "mainline", "near_empty"])
    assert done.exit_code == 0
    assert done.output.count("2,500 of 2,500") == 2
    assert "instructions/op" in done.output


# ---- recording ----


@boots
@pytest.mark.long
@pytest.mark.parametrize("series", [*SERIES, packages.NEWEST])
def test_what_real_drivers_ask_is_recorded_without_loss(series: str, tmp_path: Path) -> None:
    text, target = tmp_path / "trace.txt", tmp_path / "t.npz"
    assert record.record(kernel(series), text, scale=1, cpus=1) == 0
    imported = import_text(text, target, kernel=kernel(series).release)
    assert imported.nr_domains == 7  # NVMe twice, virtio twice, AHCI, USB, e1000e
    trace = read_trace(target)
    assert np.unique(trace.stream.ops["op"]).tolist() == [Op.ALLOC, Op.FREE, Op.RESERVE]
    frame, mended = agreement.report(trace, "mainline")
    assert frame["nr_allocs"].sum() > 500
    assert (frame["share_mended"] == 1).all(), mended.notes
    # One CPU races nobody: only an interrupt's calls come between a call and its return.
    assert all("was interrupted" in note for note in mended.notes)


@boots
def test_one_driver_alone_is_recorded(tmp_path: Path) -> None:
    text, target = tmp_path / "trace.txt", tmp_path / "t.npz"
    steps: list[str] = []
    lost = record.record(
        *(kernel(NEWEST), text), scale=1, jobs=4, devices=["nvme"], on_progress=steps.append
    )
    assert (lost, steps) == (0, [step for step in record.STEPS if step != "tcp"])
    import_text(text, target, kernel=kernel(NEWEST).release)
    domains = [one.nr_rows for one in trace_info(target).domains]
    assert len(domains) == 2  # one with an ext4, of few and large requests
    assert max(domains) > 5 * min(domains) > 500


def test_the_names_of_devices_are_those_that_there_are() -> None:
    assert tuple(record.DEVICES) == kernel_record.NAMES


@pytest.mark.parametrize(
    ("devices", "expected"),
    [
        (["nvme", "ahci", "usb"], ["/dev/nvme0n1", "/dev/nvme1n1", "/dev/sda", "/dev/sdb"]),
        (["usb", "net"], ["/dev/sda"]),
        (["virtio"], []),
    ],
)
def test_the_guest_waits_for_the_disks_that_it_has(devices: list[str], expected: list[str]) -> None:
    assert record.disks(devices) == expected


# ---- the soft lockup ----


@boots
@pytest.mark.parametrize("series", [NEWEST, *OTHERS, OF_TODAY])
def test_the_reproducer_compiles_without_a_warning(series: str) -> None:
    assert module.build_lockup(kernel(series)).exists()


@boots
def test_a_variant_without_a_walk_does_not_lock_up() -> None:
    outcome = lockup.on_variant(kernel(NEWEST), "augmented", 20_000, lambda line: None)
    assert not outcome.locked_up
    assert outcome.longest_us is not None


@boots
def test_the_stock_kernel_locks_up_by_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    # A threshold of 2 s keeps this test short; `iova-lab kernel lockup` leaves the kernel's own.
    monkeypatch.setattr(lockup, "_APPEND", "loglevel=6 watchdog_thresh=1")
    outcome = lockup.on_variant(kernel(NEWEST), "kernel", 400_000, lambda line: None)
    assert outcome.locked_up
    assert "watchdog: BUG: soft lockup - CPU#" in outcome.words[0]
    assert any("iova" in line for line in outcome.words[1:])


def test_extrapolation_is_arithmetic() -> None:
    assert lockup.burst(10**6, 1) == pytest.approx((20 / 0.033, 20 / 0.016))
    assert lockup.burst(10**6, 10) == pytest.approx((2 / 0.033, 2 / 0.016))
    assert lockup.at_clock(20_000_000) == (5.0, 10.0)
    assert lockup.on_hardware(10**6) == (16.0, 33.0)
    assert lockup.queue(10**6) == pytest.approx((1 + 10 / 0.033, 1 + 10 / 0.016))
