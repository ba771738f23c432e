"""Texts of Debian's source packages, for tests that need a real kernel's.

One that is not in build/linux/ yet is fetched where ``IOVA_LAB_FETCH`` is set, as .ci/run does: 150
MB each.  A test under sanitizers fetches none: to read one package there takes many minutes, while
all others wait for the folder's lock.  `fetch_all` is for whoever starts such tests.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

import iova_variants
from iova_lab.linux import debian, source
from iova_lab.linux.errors import SourceError
from tests.support import small_tree

#: Which of the lab's rcaches stands for a package's own.
RCACHES: dict[str, Literal["pre-6.7", "6.7", "7.3"]] = {
    "6.1": "pre-6.7",
    "6.12": "6.7",
    "7.2": "6.7",
    "7.3": "7.3",
}


def text_of(series: str) -> str:
    """Return the name of a package's text; skips where it is not to be had."""
    may_fetch = "IOVA_LAB_FETCH" in os.environ and "LD_PRELOAD" not in os.environ
    if not (debian.CACHE / f"debian-{series}").exists() and not may_fetch:
        pytest.skip(f"linux-source-{series} has not been fetched: set IOVA_LAB_FETCH=1")
    name = f"linux:debian-{series}"
    try:
        iova_variants.load(name)
    except SourceError as error:
        pytest.skip(str(error))
    return name


def fetch_all() -> None:
    """Fetch what `text_of` will be asked for, where that may be; what fails is skipped there."""
    if "IOVA_LAB_FETCH" in os.environ:
        for series in RCACHES:
            with contextlib.suppress(SourceError):
                source.read(f"debian-{series}")


def repository(folder: Path, series: Sequence[str]) -> Path:
    """Make a repository of packages, a commit and a tag each, as v6.12; skips as `text_of`."""
    for name in series:
        text = source.read(text_of(name).removeprefix("linux:"))
        for path, data in text.files.items():
            small_tree.put(folder, path, data.decode())
        small_tree.put(folder, "drivers/other.c", f"/* {name} */\n")
        small_tree.commit(folder, f"Linux {name}")
        small_tree.git(folder, "tag", f"v{name}")
    return folder
