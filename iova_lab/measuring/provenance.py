"""Where a stored number came from: command, commit, compiler, machine, load, and the code itself.

A result without these can't be made again, so every command that stores one stores them too, in a
file beside it, and a page prints "not recorded" for what an older result lacks.
"""

from __future__ import annotations

import datetime
import gzip
import json
import os
import platform
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import iova_variants
from iova_lab.basics import repository
from iova_lab.basics.reading import packed, read_json
from iova_lab.basics.writing import write_whole
from iova_variants import building

if TYPE_CHECKING:
    import pandas as pd

NOT_RECORDED = "not recorded"
#: Stands in the stored description of an earlier run for what it shares with the newest.
_SAME = "as in the newest run"
#: What a measurement depends on, in the checkout.
SOURCES = ("iova_variants", "iova_lab", "harness")


@dataclass(frozen=True)
class Provenance:
    """How a result was made.

    ``load`` is the 1-minute load average when it was stored; ``digests`` has the shared object of
    each variant, which names the C file and all that is compiled with it.  "" and None: unknown.
    ``earlier``: descriptions of the runs of which a file of rows may still hold some.
    """

    command: str = ""
    commit: str = ""
    date: str = ""
    compiler: str = ""
    machine: dict[str, str] = field(default_factory=dict)
    load: float | None = None
    digests: dict[str, str] = field(default_factory=dict)
    earlier: list[Provenance] = field(default_factory=list)

    @property
    def lacks(self) -> list[str]:
        """Which of command, commit, machine and load are not recorded."""
        known = {
            "command": self.command,
            "commit": self.commit,
            "machine": self.machine,
            "load": self.load is not None,
        }
        return [name for name, value in known.items() if not value]


def here(arguments: Sequence[str], variants: Iterable[str]) -> Provenance:
    """Describe what ``iova-lab`` with these ``arguments`` has just measured on this machine.

    ``variants`` are names or paths of C files, measured in the counted build.
    """
    return Provenance(
        command=shlex.join(["iova-lab", *arguments]),
        commit=commit(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        compiler=compiler(),
        machine=machine(),
        load=round(os.getloadavg()[0], 1),
        digests={name: iova_variants.load(name, build="counted").path.stem for name in variants},
    )


@contextmanager
def recorded(paths: Iterable[Path], arguments: Sequence[str]) -> Iterator[None]:
    """Describe each of the files of rows ``paths`` that changes meanwhile, also on an error.

    Rows that were there before and still are were made by an earlier run, whose description is
    kept: an empty one where there was none.
    """
    before = {path: _lines(path) for path in paths}
    try:
        yield
    finally:
        for path, old in before.items():
            new = _lines(path)
            if new != old:
                made = here(arguments, [])
                if old & new:
                    last = read(path)
                    made = replace(made, earlier=[*last.earlier, replace(last, earlier=[])])
                write(path, made)


def _lines(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if (part := packed(path)).exists():
        text = f"{gzip.decompress(part.read_bytes()).decode()}\n{text}"
    return {line for line in text.splitlines() if line}


def beside(path: Path) -> Path:
    """The file that describes the result ``path``, packed or not: ``a.csv.json`` for ``a.csv``."""
    return path.with_name(f"{path.name.removesuffix('.gz')}.json")


def write(path: Path, made: Provenance) -> Path:
    """Store the description of the result ``path`` beside it, whole or not at all."""
    stored = asdict(made)
    for one in stored["earlier"]:
        if one["compiler"] == made.compiler:
            one["compiler"] = _SAME
        if one["machine"] == made.machine:
            one["machine"] = {"": _SAME}
    return write_whole(beside(path), json.dumps(stored, indent=1, sort_keys=True) + "\n")


def read(path: Path) -> Provenance:
    """The description of the result ``path``; empty where there is none.

    Other members are ignored.  Raises `FileError` for a description that is not one.
    """
    source = beside(path)
    return read_file(source) if source.exists() else Provenance()


def read_file(source: Path) -> Provenance:
    """The description that the JSON file ``source`` holds, among other members."""
    made = read_json(source, Provenance, written_by="the command that made the result")
    return replace(made, earlier=[_whole(one, made) for one in made.earlier])


def _whole(one: Provenance, newest: Provenance) -> Provenance:
    """An earlier run's description with what it shares with the newest."""
    return replace(
        one,
        compiler=newest.compiler if one.compiler == _SAME else one.compiler,
        machine=newest.machine if one.machine == {"": _SAME} else one.machine,
    )


def table(found: Mapping[str, Provenance]) -> pd.DataFrame:
    """A row of text per store, by its path below results/: how it was made, or not recorded."""
    import pandas as pd  # not for whoever only measures

    rows = []
    for name, made in found.items():
        more = f" (rows of {len(made.earlier)} earlier runs are among them)" if made.earlier else ""
        rows.append(
            {
                "results/": name,
                "command": f"`{made.command}`{more}" if made.command else NOT_RECORDED,
                "commit": made.commit or NOT_RECORDED,
                "machine": ", ".join(made.machine.values()) or NOT_RECORDED,
                "load": NOT_RECORDED if made.load is None else f"{made.load:.1f}",
            }
        )
    return pd.DataFrame(rows, columns=["results/", "command", "commit", "machine", "load"])


def of_files(paths: Iterable[Path], store: str) -> pd.DataFrame:
    """`table` of those of the files that exist, packed or not, by their name below ``store``."""
    there = [path for path in paths if path.exists() or packed(path).exists()]
    return table({f"{store}/{path.name}": read(path) for path in there})


def commit() -> str:
    """The commit that this code is of, with a + if it was changed since; "" outside a checkout."""
    head = repository.output("rev-parse", "--short=12", "HEAD")
    changed = repository.output("status", "--porcelain", "--", *SOURCES)
    return "" if head is None or changed is None else head + "+" * bool(changed)


def compiler() -> str:
    """The first line that the C compiler prints of its version, and the flags of the timed build.

    "" without a compiler.
    """
    version = compiler_version()
    return version and f"{version}: {' '.join(building.CFLAGS)}"


def compiler_version() -> str:
    """The first line that the C compiler prints of its version; "" without a compiler."""
    try:
        command = [building.compiler(), "--version"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (building.BuildError, OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0].strip()


def machine() -> dict[str, str]:
    """What a reader wants to know of a machine; its name is not in it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "arch": platform.machine(),
        "cpu": cpu(),
        "num_cpu": str(os.cpu_count()),
        "ram": f"{round(memory / 2**30)} GiB",
        "os": platform.freedesktop_os_release()["PRETTY_NAME"],
    }


def cpu() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
