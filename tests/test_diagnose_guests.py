"""Texts that the kernel and its tools print themselves, in a guest of the lab: are they read?

The other texts of these tests have the shapes of real ones, and made-up names; these are real.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from iova_lab.diagnosis import Verdict, diagnose
from iova_lab.kernel import image, record, tools, tracers
from iova_lab.kernel.machine import Machine
from iova_lab.kernel.packages import get
from iova_lab.measuring import rows
from iova_lab.traces.importer import ImportTextError, import_text

ROOT = Path(__file__).resolve().parent.parent
TRACING = sorted((ROOT / "tests" / "golden" / "tracing").glob("*.txt.gz"))
SERIES = "6.12"
missing = tools.missing()

#: By busybox's sh, after the modules: each text comes between two lines of the lab.
SCRIPT = """
mount -t tmpfs tmpfs /tmp
export LD_LIBRARY_PATH=/tools HOME=/tmp
trace=/sys/kernel/tracing
perf="/tools/ld.so /tools/perf"
insmods() { for module in /later/*.ko; do insmod "$module"; done; sleep 1; }
work() {
	dd if=/dev/zero of=/dev/nvme0n1 bs=128k count=40 oflag=direct 2> /dev/null
}
show() { echo "iova_lab: begin $1"; cat; echo "iova_lab: end"; }
insmods
dmesg | show boot
echo '*iova*' > $trace/set_ftrace_filter
echo function_graph > $trace/current_tracer
work
echo nop > $trace/tracing_on
cat $trace/trace | head -n 400 | show graph
echo nop > $trace/current_tracer
cat /proc/slabinfo | show slabinfo
$perf record -k mono -e iommu:map,iommu:unmap -aR -o /tmp/events sh -c \\
	"dd if=/dev/zero of=/dev/nvme0n1 bs=128k count=10 oflag=direct" > /dev/null 2>&1
$perf script -i /tmp/events 2> /dev/null | show script
$perf data convert -i /tmp/events --to-json /tmp/events.json > /dev/null 2>&1
cat /tmp/events.json | show json
$perf record -e cpu-clock -F 500 -ag -o /tmp/stacks sh -c \\
	"dd if=/dev/zero of=/dev/nvme0n1 bs=64k count=600 oflag=direct" > /dev/null 2>&1
$perf report --stdio -i /tmp/stacks 2> /dev/null | head -n 300 | show report
$perf script -i /tmp/stacks 2> /dev/null | head -n 20000 | show stacks
$perf data convert -i /tmp/stacks --to-json /tmp/stacks.json > /dev/null 2>&1
head -c 2000000 /tmp/stacks.json | show stacks.json
"""
#: A section, and the kind as which it is read.
KINDS = {
    "boot": "kernel messages",
    "graph": "function_graph",
    "slabinfo": "slab caches",
    "script": "trace of requests",
    "report": "perf report",
    "stacks": "perf script",
    "stacks.json": "perf data as JSON",
}


def sections(console: list[str]) -> Iterator[tuple[str, str]]:
    name, lines = "", list[str]()
    for line in console:
        if line.startswith("iova_lab: begin "):
            name, lines = line.split()[-1], []
        elif line == "iova_lab: end":
            yield name, "".join(f"{one}\n" for one in lines)
        else:
            lines.append(line)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the kernel and perf print in one guest, behind an IOMMU, while an NVMe disk works."""
    kernel = get(SERIES)
    folder = tmp_path_factory.mktemp("guest")
    files = {f"tools/{path.name}": path for path in tracers.program_files("perf")}
    files["tools/ld.so"] = files.pop("tools/ld-linux-x86-64.so.2")
    initramfs = image.make(
        *(folder / "initramfs", kernel, SCRIPT, record.FIRST), files=files, later=["nvme"]
    )
    hardware = record.hardware(folder, ["nvme"])
    guest = Machine(
        *(kernel, initramfs, "loglevel=4 slab_nomerge", hardware),
        cpus=2,
        memory="3G",
        seconds=1200,
        silence=400,
    )
    return dict(sections(list(guest.lines())))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(missing is not None, reason=missing or "")
@pytest.mark.parametrize("name", KINDS)
def test_what_a_guest_prints_is_recognised(
    name: str, texts: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "sent.txt").write_text(texts[name])
    found = diagnose([tmp_path / "sent.txt"])
    assert KINDS[name] in found.seen.kinds
    # Nothing is wrong with that guest, but that in an emulated CPU a call may take a millisecond.
    if name != "graph":
        assert found.answer.verdict in (Verdict.OTHER, Verdict.UNKNOWN)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(missing is not None, reason=missing or "")
def test_perfs_json_and_perfs_text_make_the_same_trace(
    texts: dict[str, str], tmp_path: Path
) -> None:
    """Debian 12's perf writes no fields of events into its JSON; that is said, then."""
    json.loads(texts["json"])
    if '"iova"' not in texts["json"]:
        (tmp_path / "json").write_text(texts["json"])
        with pytest.raises(ImportTextError, match="without the fields of events"):
            import_text(tmp_path / "json", tmp_path / "t.npz")
        return
    pieces = []
    for name in ("script", "json"):
        (tmp_path / name).write_text(texts[name])
        release = None if name == "json" else get(SERIES).release
        done = import_text(tmp_path / name, tmp_path / f"{name}.npz", kernel=release)
        assert done.kernel == get(SERIES).release
        pieces.append((done.nr_rows, done.nr_domains, [str(one) for one in done.added]))
    assert pieces[0] == pieces[1]
    assert pieces[0][0] > 20


@pytest.mark.parametrize("path", TRACING, ids=lambda path: path.name.split(".txt")[0])
def test_the_text_of_each_tracing_tool_is_recognised(path: Path, tmp_path: Path) -> None:
    with gzip.open(path) as file:
        (tmp_path / "sent.txt").write_bytes(file.read())
    found = diagnose([tmp_path / "sent.txt"])
    assert "trace of requests" in found.seen.kinds
    assert found.answer.verdict is Verdict.UNKNOWN


def test_the_words_of_each_kernel_that_locked_up_lead_to_a_search(tmp_path: Path) -> None:
    every = rows.lockups(ROOT / "results" / "kernel")
    stored = [row for row in every if row["variant"] == "stock" and row["words"]]
    assert len({row["release"] for row in stored}) > 1
    for row in stored:
        (tmp_path / "sent.txt").write_text("".join(f"{line}\n" for line in row["words"]))
        found = diagnose([tmp_path / "sent.txt"], kernel=row["release"])
        assert "soft lockup" in found.seen.kinds
        assert found.answer.verdict in (Verdict.FOUND, Verdict.SEVERAL)
        assert {"full_32bit", "random_replace"} & {one.name for one in found.answer.best}
