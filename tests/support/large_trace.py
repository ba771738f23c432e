"""How fast is a very long text imported, and how much memory does that take?

    python -m tests.support.large_trace 10000000

Makes the text of a machine with eight domains and four CPUs, in tracefs' format of 6.12, and pipes
it into `iova-lab trace import -`.  Three calls in a hundred reach the tree; 200 ranges or so
are live in each domain.  The text is never on disk.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_NR_DOMAINS, _NR_CPUS, _NR_LIVE = 8, 4, 200
_TEXT = "--text"


def lines(nr_lines: int) -> Iterator[str]:
    """The text, line by line, a few more than asked for."""
    rng = random.Random(1)
    domains = [0xFF11000100DB9E08 + 0x800 * index for index in range(_NR_DOMAINS)]
    live: list[list[int]] = [[] for _ in domains]
    cached: list[list[int]] = [[] for _ in domains]
    lowest = [0x100000] * _NR_DOMAINS
    us = 8_000_000
    for address in domains:
        yield _line(
            us, 0, ".....", "init", "init_iova_domain", f"dom={address:#x} granule=0x1000 start=0x1"
        )
    done = _NR_DOMAINS
    while done < nr_lines:
        us += rng.randrange(1, 6)
        index, cpu = rng.randrange(_NR_DOMAINS), rng.randrange(_NR_CPUS)
        dom = f"dom={domains[index]:#x}"
        if len(live[index]) < _NR_LIVE or rng.random() < 0.5:
            asked = f"{dom} size=0x1 limit=0xfffff"
            if cached[index]:
                pfn = cached[index].pop()
            else:
                pfn = lowest[index] = lowest[index] - 1
                yield _line(
                    us, cpu, "...1.", "alloc", "alloc_iova", f"{asked} aligned=1 pfn={pfn:#x}"
                )
                done += 1
            live[index].append(pfn)
            yield _line(us, cpu, ".....", "alloc_fast", "alloc_iova_fast", f"{asked} pfn={pfn:#x}")
        else:
            pfn = live[index].pop(rng.randrange(len(live[index])))
            yield _line(
                us, cpu, "d.h2.", "free_fast", "free_iova_fast", f"{dom} pfn={pfn:#x} size=0x1"
            )
            if rng.random() < 0.3 and pfn == lowest[index]:
                yield _line(us, cpu, "d.h2.", "free", "remove_iova", f"{dom} pfn={pfn:#x}")
                lowest[index] += 1
                done += 1
            else:
                cached[index].append(pfn)
        done += 1


def _line(us: int, cpu: int, flags: str, event: str, function: str, fields: str) -> str:
    seconds = f"{us // 10**6}.{us % 10**6:06}"
    where = f"({function}+0x4/0x140)"
    head = f"              dd-18{cpu}     [{cpu:03}] {flags} {seconds:>12}"
    return f"{head}: iova_{event}: {where} {fields}\n"


def main() -> None:
    """Import, and print what it took."""
    if sys.argv[1] == _TEXT:
        # Not sys.stdout: unbuffered (python -u) it loses the rest of a write that is interrupted.
        with open(1, "w", buffering=1 << 20) as out:
            out.writelines(lines(int(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory(dir=".") as folder:
        target = Path(folder) / "t.npz"
        make = [sys.executable, __file__, _TEXT, sys.argv[1]]
        read = [sys.executable, "-m", "iova_lab", "trace", "import", "-", "--kernel", "6.12.0"]
        with subprocess.Popen(make, stdout=subprocess.PIPE) as text:
            begin = time.monotonic()
            subprocess.run([*read, "--out", target], stdin=text.stdout, check=True)
            seconds = time.monotonic() - begin
            # The maker of the text has not been waited for: this is of the importer alone.
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = used.ru_utime + used.ru_stime
        print(
            f"{int(sys.argv[1]):,} lines: {seconds:,.0f} s, of these {cpu_s:,.0f} s of CPU "
            f"({int(sys.argv[1]) / cpu_s:,.0f} lines/s), {used.ru_maxrss / 1024:,.0f} MiB at most, "
            f"file {target.stat().st_size / 2**20:,.0f} MiB"
        )


if __name__ == "__main__":
    main()
