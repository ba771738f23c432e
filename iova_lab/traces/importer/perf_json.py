"""Samples of `perf data convert --to-json`, as lines of perf script.

perf writes a field a line, and the fields of the event after the stack of the sample:

    {
            "timestamp": 50126420000,
            "pid": 2201,
            "tid": 2201,
            "cpu": 4,
            "comm": "demo",
            "callchain": [
                    { ... }
            ],
            "iova": "4294901760",
            "paddr": "7143948288",
            "size": "32768"
    }

The name of the event is not in it, and follows from which fields there are.  Scatter lists are
bytes in hexadecimal there; they are left out, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from iova_lab.traces.importer.records import script_line
from iova_lab.traces.importer.source import CUT

_VERSION = b'"linux-perf-json-version"'
_PAIR = re.compile(rb'^\s*"(?P<name>[\w-]{1,40})": (?:"(?P<text>[^"\\]*)"|(?P<number>\d{1,20})),?$')
_STACK = re.compile(rb'^\s*"callchain": \[(?P<end>\],?)?$')
_NS = 1_000_000_000
#: Fields that an event has, and its name; the first that fits.
_EVENTS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"iova", "unmapped_size"}), "unmap"),
    (frozenset({"iova", "paddr"}), "map"),
    (frozenset({"device", "dma_addrs"}), "dma_map_sg"),
    (frozenset({"device", "addrs"}), "dma_unmap_sg"),
    (frozenset({"device", "virt_addr", "flags"}), "dma_alloc"),
    (frozenset({"device", "virt_addr"}), "dma_free"),
    (frozenset({"device", "dma_addr", "phys_addr"}), "dma_map_phys"),
    (frozenset({"device", "addr"}), "dma_unmap_phys"),
)


def is_json(head: Iterable[bytes]) -> bool:
    """Is a text that begins so perf's JSON?"""
    return any(_VERSION in line for line in head)


def script_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """A line for each line: the last of a sample becomes the sample, the others are empty.

    Without any field of an event, as perf 6.1 writes it, there is one line more.
    """
    sample: dict[str, bytes] = {}
    in_stack = False
    nr_samples = nr_made = 0
    for line in lines:
        line = line.removesuffix(b"\r")
        if line.endswith(CUT) and sample:
            yield line
            continue
        made = b""
        if in_stack:
            in_stack = line.strip() not in (b"]", b"],")
        elif stack := _STACK.match(line):
            in_stack = not stack["end"]
        elif pair := _PAIR.match(line):
            name = pair["name"].decode()
            if name == "os-release":
                made = b"# os release : " + (pair["text"] or b"")
            elif name == "timestamp":
                sample = {name: pair["number"] or b""}
                nr_samples += 1
            elif sample:
                sample[name] = pair["text"] if pair["text"] is not None else pair["number"]
        elif line.strip() in (b"}", b"},"):
            made, sample = _line(sample), {}
            nr_made += bool(made)
        yield made
    if nr_samples and not nr_made:
        yield _VERSION  # what `foreign` has a sentence for


def _line(sample: Mapping[str, bytes]) -> bytes:
    time = sample.get("timestamp", b"")
    name = next((name for known, name in _EVENTS if known <= sample.keys()), None)
    if not time.isdigit() or name is None:
        return b""
    tid, cpu = _whole(sample.get("tid", b"")), _whole(sample.get("cpu", b"")) % 100_000
    at = b"%d.%09d" % divmod(int(time), _NS)
    # Without what is needed, so that it is counted as such.
    lacking = b"perf-%d [%03d] %s: %s: -" % (tid, cpu, at, name.encode())
    return script_line(name, tid, cpu, at, sample) or lacking


def _whole(value: bytes) -> int:
    return int(value) % (1 << 31) if value.isdigit() else 0
