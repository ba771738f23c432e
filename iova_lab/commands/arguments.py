"""Types of click for variants, workloads, C files and numbers of seconds; shells complete names.

An unknown name or a missing file is rejected here, before anything large is imported.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem


class _Named(click.ParamType[str]):
    """Text with names to complete and perhaps files."""

    def __init__(self, name: str, suffix: str) -> None:
        self.name = name
        self.suffix = suffix

    def known(self) -> dict[str, str]:
        """Names, and what each is."""
        return {}

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        names = [
            CompletionItem(name, help=says)
            for name, says in self.known().items()
            if name.startswith(incomplete)
        ]
        return [*names, *map(CompletionItem, self._paths(incomplete))]

    def _paths(self, incomplete: str) -> list[str]:
        """Files of the right kind, and folders, that begin so; after a dot or a slash only."""
        if self.known() and not incomplete.startswith((".", "/", "~")) and "/" not in incomplete:
            return []
        folder = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent)
        typed = incomplete[: incomplete.rfind("/") + 1]
        entries = sorted(folder.expanduser().iterdir()) if folder.expanduser().is_dir() else []
        found = [typed + path.name + "/" * path.is_dir() for path in entries if self._fits(path)]
        return [path for path in found if path.startswith(incomplete)]

    def _fits(self, path: Path) -> bool:
        return not path.name.startswith(".") and (path.is_dir() or path.suffix in self.suffix)


class _Variant(_Named):
    def known(self) -> dict[str, str]:
        import iova_variants

        return dict.fromkeys(iova_variants.names(), "")

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        import iova_variants

        iova_variants.find_source(value)
        return value


class _Workload(_Named):
    def known(self) -> dict[str, str]:
        from iova_lab import workloads

        return {name: workloads.get(name).summary for name in workloads.names()}

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from iova_lab import workloads

        workloads.check_name(value)
        return value


class _Cell(_Workload):
    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from iova_lab import workloads

        super().convert(workloads.split(value)[0], param, ctx)
        return value


class _Number(click.FloatRange):
    """A finite number; ``nan`` and ``inf`` pass click's own ranges."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class _Rcache(click.ParamType[str]):
    name = "rcache"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return self._choice().convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self._choice().get_metavar(param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return self._choice().shell_complete(ctx, param, incomplete)

    @staticmethod
    def _choice() -> click.Choice[str]:
        import iova_variants

        return click.Choice((*iova_variants.RCACHES, iova_variants.OWN))


class _Example(_Named):
    def known(self) -> dict[str, str]:
        from iova_lab.checking.counterexamples import examples

        return dict.fromkeys(examples(), "")


class _Trace(click.ParamType[Path]):
    """The path of a trace, or the name of one that comes with the lab."""

    name = "trace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return Path(value) if Path(value).exists() else _recorded().get(str(value), Path(value))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        names = [CompletionItem(name) for name in _recorded() if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


def _recorded() -> dict[str, Path]:
    """The traces that come with the lab, by name."""
    import iova_lab.traces

    folder = Path(iova_lab.traces.__path__[0])
    return {path.stem: path for path in sorted(folder.glob("*.npz"))}


def invoked() -> list[str]:
    """Words after ``iova-lab`` of the command that runs, as they were given on its command line."""
    context = click.get_current_context()
    words = context.command_path.removeprefix(context.find_root().command_path).split()
    for parameter in context.command.params:
        name = parameter.name or ""
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            words += _words(parameter, context.params[name])
    return words


def _words(parameter: click.Parameter, value: Any) -> list[str]:
    values = value if isinstance(value, tuple) else (value,)
    if not isinstance(parameter, click.Option):
        return [str(one) for one in values]
    name = max(parameter.opts, key=len)
    if parameter.is_flag:
        return [name if value else max(parameter.secondary_opts, key=len)]
    return [
        word for one in values for word in (name, f"{one:g}" if type(one) is float else str(one))
    ]


#: The name of a variant of the lab, or the path of a C file.
VARIANT = _Variant("variant", ".c")
#: The name of a workload, or the path of a trace or of a history that broke something.
WORKLOAD = _Workload("workload", ".npz.json")
#: The same at a number of live ranges: NAME@N, or without @N.
CELL = _Cell("workload", ".npz.json")
#: The name of an example of a broken promise, or the path of one that `iova-lab try` wrote.
EXAMPLE = _Example("example", ".json")

#: The path of a trace, or the name of one that comes with the lab.
TRACE = _Trace()

Command = Callable[..., None]


def workload_argument(command: Command) -> Command:
    """WORKLOAD[@N], which becomes ``workload`` and ``nr_live``, `NR_LIVE` without @N."""

    @click.argument("workload", type=CELL, metavar="WORKLOAD[@N]")
    @functools.wraps(command)
    def split(*, workload: str, **others: Any) -> None:
        from iova_lab import workloads

        name, number = workloads.split(workload)
        command(workload=name, nr_live=NR_LIVE if number is None else number, **others)

    return split


#: Live ranges in the window of a workload that is named without @N.
NR_LIVE = 100
#: A finite number above zero.
POSITIVE = _Number(0, min_open=True)
#: Which of the kernel's per-CPU caches is in front of the variant.
RCACHE = _Rcache()
#: The path of a C file.
C_FILE = _Named("file", ".c")
#: The path of anything, of a folder, and of a file, which need not be there.
PATH = click.Path(path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def results_option(folder: str, says: str) -> Callable[[Command], Command]:
    """``--results`` of a command that writes them, or reads them."""
    return click.option("--results", default=Path(folder), type=PATH, help=says)


def rcache_option(says: str) -> Callable[[Command], Command]:
    """``--rcache``, by default none."""
    return click.option("--rcache", type=RCACHE, default="off", help=says)


def timeout_option(seconds: float, says: str) -> Callable[[Command], Command]:
    """``--timeout`` of a command that waits for code that may hang, by default ``seconds``."""
    return click.option("--timeout", type=POSITIVE, default=seconds, help=says)
