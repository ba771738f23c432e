"""Optional dependencies, and the message for one that is not installed.

The base package lists, replays, tries and compares variants in the terminal.  What writes pages,
runs the asv suite or simulates on a cluster needs one of the extras of pyproject.toml.
"""

from __future__ import annotations

#: Module to extra, for every distribution that only an extra brings.
EXTRA_OF = {
    "asv": "asv",
    "asv_runner": "asv",
    "dask": "sweep",
    "distributed": "sweep",
    "matplotlib": "reports",
    "mdit_py_plugins": "reports",
    "pycparser": "proof",
    "tabulate": "reports",
    "virtualenv": "asv",
    "z3": "proof",
}


def hint(error: ModuleNotFoundError) -> str | None:
    """One line that names the extra to install; None if no extra brings the missing module."""
    module = (error.name or "").partition(".")[0]
    extra = EXTRA_OF.get(module)
    if extra is None:
        return None
    return f"needs {module}, which is not installed: pip install 'iova-lab[{extra}]'"
