"""Do warnings of our files fail a build, and those of a kernel's headers not?"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from iova_lab.kernel.complaints import of_ours

HEADER = """\
static inline int narrow(unsigned long wide) { int unused; return (int)wide; }
#define COMPARE(a, b) ((a) < (b))
"""
#: What a file of ours does, and whether the warning that follows is about it.
SOURCES = {
    "only includes it": ("int use(void) { return narrow(1); }\n", False),
    "has a warning itself": ("int use(void) { int mine; return narrow(1); }\n", True),
    "uses a macro wrongly": (
        "int use(int a, unsigned b) { return COMPARE(a, b) + narrow(1); }\n",
        True,
    ),
    "does not compile": ("int use(void) { return nothing; }\n", True),
}


@pytest.mark.parametrize("whole", [True, False], ids=["whole paths", "relative paths"])
@pytest.mark.parametrize("what", SOURCES)
def test_only_what_is_about_our_files_counts(what: str, whole: bool, tmp_path: Path) -> None:
    """In gcc's own words; kbuild names our files by whole paths, or compiles beside them."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("gcc: apt install gcc")
    text, ours = SOURCES[what]
    headers, folder = tmp_path / "headers/include", tmp_path / "module/include"
    for place in (headers, folder):
        place.mkdir(parents=True)
    (headers / "kernel.h").write_text(HEADER)
    folder = folder.parent
    source = folder / "use.c"
    source.write_text(f'#include "kernel.h"\n{text}')
    named, here = (str(source), headers.parent) if whole else ("use.c", folder)
    include = "-I./include" if whole else "-I../headers/include"
    done = subprocess.run(
        [compiler, "-fsyntax-only", "-Wall", "-Wextra", include, named],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    lines = done.stderr.splitlines()
    assert any("warning: unused variable" in line for line in lines)
    found = of_ours(lines, folder)
    assert bool(found) == ours, found
    assert not any("'unused'" in line for line in found)


def test_a_check_that_was_inlined_into_ours_is_ours(tmp_path: Path) -> None:
    (tmp_path / "own.c").write_text("")
    warning = "./include/linux/string.h:57:5: warning: call to 'overflow' [-Wattribute-warning]"
    for path, expected in (("own.c", [warning]), ("./include/linux/list.h", [])):
        lines = ["In function 'copy',", f"    inlined from 'use' at {path}:12:3:", warning]
        assert of_ours(lines, tmp_path) == expected
