"""How much memory do the magazines of the per-CPU caches take, over CPUs and domains?

Each cell is a replay through the lab's rcache of one kernel, over `mainline`: CPUs allocate ranges
and free them, and at the end a request that no domain can serve flushes the first one.  Rows are
exact, the same on every machine.

A CPU is *possible* if it may ever come online, and *used* if it frees ranges.  All possible CPUs
are online here: those that are not cost the same memory, and a flush passes them by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

import iova_variants
from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import write_rows
from iova_variants import Rcache
from iova_variants.making import LIMIT_32BIT, LIMIT_48BIT
from iova_variants.opstream import Op, OpStream, new_ops

FILE = "memory.jsonl"
COMMAND = "iova-lab rcache"
VARIANT = "mainline"
#: Releases on the page, and the rcache that stands for each.
KERNELS: dict[str, Literal["6.7", "7.3"]] = {"6.12": "6.7", "7.3": "7.3"}
CPUS = (4, 16, 64, 256, 1024)
DOMAINS = (1, 4, 16)
#: Possible CPUs where there is more than one domain.
CPUS_OF_DOMAINS = 256
#: More than a space below 4 GiB has.
TOO_MANY_PFNS = 2**31


@dataclass(frozen=True)
class Load:
    """What the used CPUs do in each domain.

    Each of ``used`` CPUs, or of all if there are fewer, allocates ``depth`` ranges of each of the
    ``nr_sizes`` smallest sizes that are cached (1, 2, 4 pfns, ...), and frees them.
    """

    name: str
    used: int
    nr_sizes: int
    depth: int


LOADS = (
    Load("no free", 0, 0, 0),
    Load("1 CPU, 1 size", 1, 1, 64),
    Load("16 CPUs, 1 size", 16, 1, 64),
    Load("all CPUs, 1 size", 2**16, 1, 64),
    Load("all CPUs, 6 sizes", 2**16, 6, 128),
)


@dataclass(frozen=True)
class Row:
    """One load on one kernel's caches.

    ``cpus`` are possible and online, ``used`` of them free ranges.  ``bytes`` and ``parked`` (pfns)
    are of all domains, ``flush_locks`` of one flush of one domain.
    """

    kernel: str
    cpus: int
    domains: int
    load: str
    used: int
    bytes: int
    parked: int
    flush_locks: int


def cells() -> list[tuple[str, int, int, Load]]:
    """Kernel, possible CPUs, domains and load of every row."""
    places = [(nr, 1) for nr in CPUS]
    places += [(CPUS_OF_DOMAINS, nr) for nr in DOMAINS if (CPUS_OF_DOMAINS, nr) not in places]
    return [(kernel, *place, load) for kernel in KERNELS for place in places for load in LOADS]


def stream(cpus: int, domains: int, load: Load) -> OpStream:
    """The requests of one load; the last one can't be served.

    In every domain a range is allocated that stays; used CPUs follow each other.
    """
    used = min(load.used, cpus)
    shape = (domains, used, load.nr_sizes, 2, load.depth)
    at = np.indices(shape).reshape(len(shape), -1)
    ops = new_ops(domains + at.shape[1] + 1, limit_pfn=LIMIT_48BIT)
    ops["dom"][:domains] = np.arange(domains)
    dom, cpu, order, is_free, index = at
    body = ops[domains:-1]
    body["dom"], body["cpu"], body["size"] = dom, cpu, 1 << order
    body["op"] = np.where(is_free, Op.FREE, Op.ALLOC)
    body["slot"] = ((dom * used + cpu) * load.nr_sizes + order) * load.depth + index
    ops["slot"][:domains] = at.shape[1] // 2 + np.arange(domains)
    ops["slot"][-1] = at.shape[1] // 2 + domains
    ops["size"][-1], ops["limit_pfn"][-1] = TOO_MANY_PFNS, LIMIT_32BIT
    return OpStream(ops, nr_domains=domains)


def count(kernel: str, cpus: int, domains: int, load: Load) -> Row:
    """Replay one cell."""
    rcache = Rcache(KERNELS[kernel], nr_cpus=cpus, nr_possible=cpus, ns_per_op=0)
    report = iova_variants.replay(VARIANT, stream(cpus, domains, load), rcache=rcache).rcache
    assert report is not None
    assert report.nr_flushes == 1
    return Row(
        kernel,
        cpus,
        domains,
        load.name,
        min(load.used, cpus),
        bytes=report.peak_magazine_bytes,
        parked=report.peak_held_pfns,
        flush_locks=report.nr_flush_locks,
    )


def measure(results: Path, on_progress: Callable[[], object] = lambda: None) -> None:
    """Count all `cells` into ``results``, in the place of what is there."""

    def rows() -> Iterator[Row]:
        for cell in cells():
            yield count(*cell)
            on_progress()

    write_rows(results / FILE, map(asdict, rows()), _key)


def _key(row: dict[str, object]) -> str:
    return "\0".join(f"{row[name]:>6}" for name in ("kernel", "cpus", "domains", "used", "load"))


def require(results: Path) -> list[Row]:
    """Read the rows, by kernel, CPUs, domains and load.

    Raises `NoResultsError` where one is missing, `FileError`.
    """
    stored = read_rows(results / FILE, Row, written_by=COMMAND)
    rows = msgspec.convert(stored, list[Row])
    found = {(row.kernel, row.cpus, row.domains, row.load): row for row in rows}
    places = sorted({key[1:3] for key in found} | {(CPUS_OF_DOMAINS, 1)})
    wanted = [(k, *place, load.name) for k in KERNELS for place in places for load in LOADS]
    missing = [key for key in wanted if key not in found]
    if missing:
        raise NoResultsError(f"{results}/{FILE} lacks {len(missing)} rows: {COMMAND} writes them")
    return [found[key] for key in wanted]
