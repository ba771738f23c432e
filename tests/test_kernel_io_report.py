"""Does the page on real I/O say what the stored boots say?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.reading import FileError
from iova_lab.kernel.io_rows import add_verified
from iova_lab.measuring import rows
from iova_lab.reports import io as io_report
from tests.support.alike import assert_alike

ROOT = Path(__file__).resolve().parent.parent
RESULTS, REPORTS = ROOT / "results" / "kernel", ROOT / "reports" / "kernel"
#: Instructions per I/O in all, and inside the allocator.
COSTS = {"unpatched": (1000, None), "stock": (1500, 200), "mainline": (1600, 220)}
COSTS["candidate"] = (1200, 150)


def phase(name: str, in_all: float, inside: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"phase": name, "ops": 10, "bytes": 10**9, "corrupt": 0}
    row["instructions"] = in_all
    if inside is None:
        return row
    row |= {"inside": inside, "failed": 0, "allocs": 30, "frees": 30, "tree": 3, "flushes": 0}
    row |= {f"alloc{part}": inside for part in ("", "_p99", "_worst")}
    return row | {f"free{part}": 50 for part in ("", "_p99", "_worst")}


def boot(allocator: str, factor: float = 1, **more: Any) -> dict[str, Any]:
    in_all, inside = COSTS[allocator]
    phases = [
        phase(name, in_all, inside and round(inside * by))
        for name, by in (("nvme-4k-q32-cold", 2), ("nvme-4k-q32", 1), ("mixed", factor))
    ]
    row: dict[str, Any] = {
        "release": "6.12.9-amd64",
        "allocator": allocator,
        "code": "0",
        "mode": "lazy",
    }
    row |= {"forcedac": False, "crowd": "", "scale": 1, "held": False, "phases": phases}
    return row | {"load": "nvme"} | more


def write(path: Path, *written: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in written))


def page(folder: Path, *boots: dict[str, Any]) -> str:
    folder.mkdir(exist_ok=True)
    write(folder / rows.IOS, *boots)
    sums: list[dict[str, Any]] = []
    for row in boots:
        sums.append(add_verified(row, sums))
    write(folder / rows.VERIFIED, *sums)
    io_report.write_io(folder, folder / "out")
    return (folder / "out" / "io.md").read_text(encoding="utf-8")


def test_ratios_are_of_the_measured_pass_and_of_the_last_boot(tmp_path: Path) -> None:
    boots = [boot(name) for name in COSTS]
    old = boot("candidate") | {"phases": [phase("mixed", 9, 9)]}
    text = page(tmp_path, old, *boots, boot("candidate", factor=2))
    assert "executes 1.12 times the instructions of the kernel's own" in text
    assert "in the median phase, 0.75 to 1.50 in all phases; of the whole I/O 0.80 to 0.80" in text
    assert "`candidate` over `mainline` (0.68 to 1.36)" in text
    assert "16.0 GB were read" in text
    measured, cold = (
        text[text.index(title) :].partition("\n\n")[2].partition("\n\n")[0]
        for title in ("A phase differs from another run", "The first pass over")
    )
    assert "| nvme-4k-q32 |     200 |        220 |         150 |                0.75 |" in measured
    assert "300" in cold
    assert "| 6.12.9   |" in text
    assert "500 |" in text[text.index("## The detour") :]


@pytest.mark.slow
def test_what_went_wrong_and_other_settings_are_shown(tmp_path: Path) -> None:
    broken = boot("mainline", mode="strict", errors=["mixed: 3 words read were not"])
    crowd = boot("stock", crowd="1000")
    text = page(tmp_path, *map(boot, COSTS), broken, crowd)
    assert "## 6.12.9: lazy, others took 1,000 pages of the disk's domain and freed" in text
    assert "worst request of the disk executed 400 instructions" not in text
    text = page(tmp_path, *map(boot, COSTS), broken, crowd, boot("candidate", crowd="1000"))
    assert "executed 400 instructions in the kernel's own allocator and 300 in the cand" in text
    assert "## 6.12.9: strict" in text
    assert "mainline on 6.12.9-amd64:\n\n```\nmixed: 3 words read were not\n```" in text
    assert "## Errors" not in page(tmp_path / "fine", *map(boot, COSTS))


def test_lock_holds_are_summed_over_phases(tmp_path: Path) -> None:
    held = boot("mainline", held=True)
    for one, (buckets, mean) in zip(
        held["phases"], [({"7": 3}, 7), ({"8": 1}, 8), ({"15": 1}, 15)], strict=True
    ):
        one |= {"holds": buckets, "hold": mean, "hold_p99": 9, "hold_worst": mean}
    text = page(tmp_path, *map(boot, COSTS), held)
    table = text[text.index("## 6.12.9: lazy, lock holds") :]
    assert "| mainline    |       5 |      9 |    15 |      15 |" in table


def test_what_a_page_lacks_is_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(NoResultsError, match="has no rows: iova-lab kernel io makes them"):
        io_report.write_io(tmp_path, tmp_path / "out")
    with pytest.raises(NoResultsError, match="lacks the common case of stock, unpatched"):
        page(tmp_path, *(boot(name) for name in COSTS if name != "candidate"))
    write(tmp_path / rows.IOS, boot("stock") | {"phases": 3})
    with pytest.raises(FileError, match="line 1, phases: Expected"):
        io_report.write_io(tmp_path, tmp_path / "out")


@pytest.mark.slow
def test_the_committed_page_is_made_of_the_committed_results(tmp_path: Path) -> None:
    io_report.write_io(RESULTS, tmp_path)
    for name in ("io.md", "io.png"):
        assert_alike(tmp_path / name, REPORTS / name)


@pytest.mark.slow
def test_no_committed_boot_of_a_sound_allocator_has_an_error() -> None:
    boots = io_report.load(RESULTS)
    assert len(boots) >= len(COSTS)
    assert [row["allocator"] for row in boots if row.get("errors")] == []
    assert {one["corrupt"] for row in boots for one in row["phases"]} == {0}


def test_a_load_that_was_run_alone_stands_beside_the_others(tmp_path: Path) -> None:
    own = {"load": "ahci", "phases": [phase("ahci-4k-q1", 500, 100)]}
    ahci = [boot(name) | own for name in ("stock", "candidate")]
    text = page(tmp_path, *map(boot, COSTS), *ahci)
    tables = {tuple(line.replace("|", " ").split()) for line in text.splitlines()}
    assert ("ahci-4k-q1", "100", "-", "100", "1.00") in tables
    assert ("6.12.9", "candidate", "3.00", "1.00", "4.00", "0") in tables
    rates = ("1,000,000", "666,667", "625,000", "833,333", "1.25")
    assert ("nvme-4k-q32", *rates) in tables


STACK = [
    "[ 31.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [iova_dma/1:88]",
    "[ 31.1]  ? asm_sysvec_apic_timer_interrupt+0x16/0x20",
    "[ 31.1]  alloc_iova+0x10/0x20",
    "[ 31.1]  ? free_iova+0x10/0x20",
    "[ 31.1]  iommu_dma_map_page+0x1/0x2",
    "[ 31.1]  refill_thread+0x1/0x2 [iova_dma_lockup]",
]


def test_a_lockup_is_shown_with_the_functions_of_the_dma_layer(tmp_path: Path) -> None:
    row: dict[str, Any] = {"release": "6.12.9-amd64", "allocator": "unpatched", "code": ""}
    row |= {"cpus": 2, "driver": "e1000", "nr_pages": 1000, "uptime": 31.0, "longest_us": 1500}
    other = row | {"allocator": "candidate", "words": [], "longest_us": None}
    tmp_path.joinpath("x").mkdir()
    write(tmp_path / "x" / rows.DMA_LOCKUPS, row | {"words": STACK}, other)
    text = page(tmp_path / "x", *map(boot, COSTS))
    stuck = "`soft lockup - CPU#1 stuck for 22s! [iova_dma/1:88]`; "
    stuck += "`alloc_iova < iommu_dma_map_page`"
    assert f"| 6.12.9 | unpatched | 1,000 | 1.5 | {stuck} |" in text
    assert "| 6.12.9 | candidate | 1,000 | - | none |" in text
