"""Which of a compiler's warnings are about our files, and not about the kernel's headers?

Headers of a release candidate cause warnings that no release has.  They are no fault of a module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

#: Lines of gcc and clang.  kbuild before 6.13 compiles in the folder of the headers, and names the
#: files of a module by their whole paths; later ones compile in the folder of the module.
_COMPLAINT = re.compile(
    r"(?P<path>[^\s:][^:]*):(?:\d+:)*\s*(?P<kind>error|fatal error|warning):", re.ASCII
)
_EXPANDED = re.compile(r"(?P<path>[^\s:][^:]*):(?:\d+:)*\s*note: in expansion of macro")
_INLINED = re.compile(r"\s*inlined from .* at (?P<path>[^\s:]+):\d+")


def of_ours(lines: Iterable[str], folder: Path) -> list[str]:
    """The lines with an error, and those with a warning about the files in ``folder``.

    Also a warning in a header about a macro that such a file uses, or a function that became a part
    of one of its own.
    """
    found = []
    headers = None  # a warning in a header, until what follows shows who used it
    is_inlined = False
    for line in lines:
        if match := _COMPLAINT.match(line):
            ours = match["kind"] != "warning" or is_inlined or _is_in(folder, match["path"])
            found += [line] if ours else []
            headers, is_inlined = (None if ours else line), False
        elif match := _INLINED.match(line):
            is_inlined = is_inlined or _is_in(folder, match["path"])
        elif headers and (match := _EXPANDED.match(line)) and _is_in(folder, match["path"]):
            found.append(headers)
            headers = None
    return found


def _is_in(folder: Path, path: str) -> bool:
    whole = (folder / path).resolve()
    return whole.is_relative_to(folder) and whole.is_file()
