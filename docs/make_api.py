"""Write docs/api.md: the public Python interface, from signatures and docstrings.

``make docs`` runs it.  griffe reads the source and imports nothing, so the page is the same with
every Python.  A name is public if it is listed in `PUBLIC`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from textwrap import wrap

import griffe

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"
PACKAGES = ("iova_variants", "iova_lab")

#: Module: its public names; () stands for its ``__all__``.
PUBLIC: dict[str, tuple[str, ...]] = {
    "iova_variants": (),
    "iova_variants.opstream": ("OP_DTYPE", "Op", "OpFlag", "OpStream", "StreamError", "new_ops"),
    "iova_lab.workloads": ("SizeError", "Workload", "generate", "get", "names"),
    "iova_lab.traces.trace": ("FastTrace", "Trace", "read_fast_trace", "read_trace"),
    "iova_lab.traces.file": ("TraceError",),
    "iova_lab.traces.importer": (),
    "iova_lab.traces.info": ("DomainInfo", "TraceInfo", "trace_info"),
    "iova_lab.traces.replay": ("TraceReplay", "VariantReplay", "replay_trace"),
    "iova_lab.traces.scale": ("Scaled", "scale_trace"),
    "iova_lab.measuring.counts": ("Row", "measure"),
    "iova_lab.measuring.instructions": ("ToolError", "per_op"),
    "iova_lab.measuring.timing": ("Timed", "timed"),
    "iova_lab.measuring.results": ("ResultsError", "Run", "find_run", "select", "tidy"),
    "iova_lab.comparison": (),
    "iova_lab.checking": (),
    "iova_lab.claims": (),
    "iova_lab.diagnosis": (),
    "iova_lab.debian": ("DebianError",),
    "iova_lab.kernel.files": ("Kernel",),
    "iova_lab.kernel.packages": ("get",),
    "iova_lab.kernel.replay": ("Job", "KernelResult", "Recorded", "replay"),
    "iova_lab.linux.errors": ("SourceError", "TextError"),
    "iova_lab.basics.reading": ("FileError",),
    "iova_lab.basics.errors": (
        *("IovaLabError", "InvalidTypeError", "InvalidValueError", "NoResultsError"),
        "NotFoundError",
    ),
}

#: What stands above it in the page is written by hand.
MARK = "<!-- make docs writes what is below -->\n"

_wrap = partial(wrap, width=96, break_long_words=False, break_on_hyphens=False)

Loaded = griffe.Object | griffe.Alias

# A shared object that is being built begins with a dot, where griffe looks for a module's name.
griffe.ModuleFinder.extensions_set = {".py"}


def _found(parent: Loaded, name: str) -> griffe.Object:
    """The object of this name, followed through imports."""
    member: Loaded = parent[name]
    return member.final_target if isinstance(member, griffe.Alias) else member


def names(module: Loaded, listed: tuple[str, ...]) -> tuple[str, ...]:
    """Public names of a module."""
    return listed or tuple(sorted(map(str, module.exports or ()), key=str.lower))


def _text(found: Loaded) -> str:
    """A docstring as Markdown: doctests fenced, asterisks escaped outside code."""
    blocks = []
    for block in (found.docstring.value if found.docstring else "").split("\n\n"):
        if block.startswith(">>>"):
            blocks.append(f"```pycon\n{block}\n```")
        elif block.startswith("    "):
            blocks.append(block)
        else:
            parts = re.split(r"(`+[^`]+`+)", re.sub("::$", ":", block))
            parts[::2] = [part.replace("*", r"\*") for part in parts[::2]]
            blocks.append("".join(parts))
    return "\n\n".join(blocks).strip()


def _lines(code: str, found: griffe.Object) -> Iterator[str]:
    """A member of a class, wrapped, below the first sentences of its docstring."""
    first = (found.docstring.value if found.docstring else "").partition("\n\n")[0]
    yield from _wrap(first, initial_indent="    # ", subsequent_indent="    # ")
    yield from _wrap(code, initial_indent="    ", subsequent_indent=" " * 8)


def _members(found: griffe.Class) -> Iterator[str]:
    """Fields, properties and methods."""
    is_dataclass = "dataclass" in found.labels  # griffe gives it the __init__ that Python makes
    for name, member in found.members.items():
        if name.startswith("_") and (name != "__init__" or is_dataclass):
            continue
        if isinstance(member, griffe.Function):
            yield from _lines(f"def {member.signature()}", member)
        elif isinstance(member, griffe.Attribute) and member.annotation:
            default = f" = {member.value}" if member.value is not None else ""
            yield from _lines(f"{name}: {member.annotation}{default}", member)
        elif isinstance(member, griffe.Attribute):
            yield from _lines(name, member)


def _code(name: str, found: griffe.Object) -> str:
    """The declaration of one name."""
    if isinstance(found, griffe.Function):
        return "\n".join(_wrap(f"def {found.signature()}", subsequent_indent="    "))
    if isinstance(found, griffe.Class):
        bases = ", ".join(map(str, found.bases))
        head = f"class {name}({bases})" if bases else f"class {name}"
        return "\n".join([head, *_members(found)])
    assert isinstance(found, griffe.Attribute)
    return f"{name}: {found.annotation}" if found.annotation else name


def page() -> str:
    """The whole text, with what is there above `MARK`."""
    loader = griffe.GriffeLoader(search_paths=[ROOT])
    packages = {name: loader.load(name, try_relative_path=False) for name in PACKAGES}
    loader.resolve_aliases(implicit=False, external=False)
    parts = [PAGE.read_text(encoding="utf-8").partition(MARK)[0] + MARK]
    for path, listed in PUBLIC.items():
        package, _, rest = path.partition(".")
        module = _found(packages[package], rest) if rest else packages[package]
        parts += [f"## {path}", _text(module)]
        for name in names(module, listed):
            found = _found(module, name)
            parts += [f"### {name}", f"```python\n{_code(name, found)}\n```", _text(found)]
    return "\n\n".join(filter(None, (part.strip() for part in parts))) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"api: {PAGE}", file=sys.stderr)
