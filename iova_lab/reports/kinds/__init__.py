"""The kinds of report, one module each: `iova-lab report` finds them by listing this package.

A module defines ``KIND`` and imports what writes the pages only when they are written, so that the
command line lists the kinds without pandas or matplotlib.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """One kind of report.

    ``write(results, out, **options)`` writes its pages from the results in one folder into another
    and returns their paths by label; it raises `IovaLabError`.
    """

    summary: str
    #: Below results/: the folder that the commands which measure are given.
    results: str
    #: Below reports/: the folder of its pages; None: that of the machine.
    out: str | None
    #: Glob of files in the folder of results -> the command that writes them.
    needs: Mapping[str, str]
    write: Callable[..., Mapping[str, Path]]
    #: Names of the options of `iova-lab report` that ``write`` takes.
    options: frozenset[str] = frozenset()
    #: It is made of the pages of the other kinds, and written after them.
    of_pages: bool = False


def pages(**writers: str) -> Callable[[Path, Path], Mapping[str, Path]]:
    """What writes the pages of a kind: by label, MODULE:FUNCTION below `iova_lab.reports`.

    A function is imported when it is called.
    """

    def write(results: Path, out: Path) -> dict[str, Path]:
        return {
            label: pkgutil.resolve_name(f"iova_lab.reports.{writer}")(results, out)
            for label, writer in writers.items()
        }

    return write


def kinds() -> dict[str, Kind]:
    """Every kind by its name, in the order in which all are written."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    found: dict[str, Kind] = {
        name: importlib.import_module(f"{__name__}.{name}").KIND for name in names
    }
    return dict(sorted(found.items(), key=lambda item: (item[1].of_pages, item[0])))
