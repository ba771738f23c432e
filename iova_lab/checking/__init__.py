"""Is somebody's own C file right, and if not, on what does it break?

``iova-lab try`` on the command line; from Python::

    from iova_lab import checking
    finding = checking.check("my_variant.c")       # None, or the first thing that is wrong
    print(finding)

A file is compiled, its table is read, its calls are held against a brute-force model
(`against_model`), its answers against the judge of the harness, its memory against sanitizers
(`standalone`); what breaks is shrunk by Hypothesis (`search`).  None of that needs pytest, and no
op of the file runs in this process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iova_lab.checking.checks import CHECKS, check
    from iova_lab.checking.finding import Finding
    from iova_lab.traces.history import History

__all__ = ["CHECKS", "Finding", "History", "check"]

_HOMES = {
    "CHECKS": "iova_lab.checking.checks",
    "check": "iova_lab.checking.checks",
    "Finding": "iova_lab.checking.finding",
    "History": "iova_lab.traces.history",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: children need the model alone, and not Hypothesis."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
