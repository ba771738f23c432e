"""Made-up trees with the whole IOVA API: the candidate's layer behind a header for tests."""

from __future__ import annotations

from pathlib import Path

from iova_lab.linux import dropin, source
from tests.support import small_tree

_HEADER = Path(__file__).parent / "small/api.h"


def write(folder: Path, release: str = "6.12", changes: dict[str, str] | None = None) -> Path:
    """Write a tree of a release; ``changes`` are made to the layer's text, each exactly once."""
    code = dropin.text()
    for old, new in (changes or {}).items():
        assert code.count(old) == 1, (code.count(old), old)
        code = code.replace(old, new)
    small_tree.write(folder)
    small_tree.put(folder, source.ALLOCATOR, code)
    small_tree.put(folder, source.HEADER, _HEADER.read_text())
    major, minor = release.split(".")
    small_tree.put(
        folder,
        source.MAKEFILE,
        f"VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = 0\nEXTRAVERSION =\n",
    )
    return folder
