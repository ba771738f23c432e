"""Are the callers of the kernel's IOVA API found, listed, and each a case of the test?"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from iova_lab.commands.cli import main
from iova_lab.linux import callers, conformance
from tests.support import small_tree

ROOT = Path(__file__).resolve().parent.parent
#: A row of the table in docs/dropin.md.
_ROW = re.compile(r"^\| `(drivers/\S+)` \| (.*?) \|", re.MULTILINE)


def documented() -> dict[str, list[str]]:
    text = (ROOT / "docs/dropin.md").read_text(encoding="utf-8")
    return {path: re.findall(r"(\w+)\(\)", calls) for path, calls in _ROW.findall(text)}


def test_calls_of_drivers_are_found_and_declarations_elsewhere_are_not(tmp_path: Path) -> None:
    small_tree.put(tmp_path, "drivers/iommu/iova.c", "void free_iova(int a) { }\n")
    small_tree.put(tmp_path, "include/linux/iova.h", "void free_iova(int a);\n")
    small_tree.put(tmp_path, "drivers/a/b.c", "free_iova(1); x = alloc_iova (2); my_find_iova(3);")
    small_tree.put(tmp_path, "drivers/a/c.c", "free_iova_list(1);\n")
    small_tree.put(tmp_path, "drivers/a/d.txt", "free_iova(1);\n")
    assert callers.find(str(tmp_path)) == {"drivers/a/b.c": ["alloc_iova", "free_iova"]}
    done = CliRunner().invoke(main, ["linux", "callers", str(tmp_path)])
    assert done.exit_code == 0
    assert re.search(r"^drivers/a/b.c +alloc_iova, free_iova", done.output, re.MULTILINE)


def test_what_is_no_tree_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["linux", "callers", str(tmp_path)])
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"iova-lab: {tmp_path} is no kernel tree: give debian-7.3 or a folder with drivers/"
    ]


def test_each_documented_caller_is_a_case() -> None:
    text = (conformance.FOLDER / "callers.h").read_text(encoding="utf-8")
    known = documented()
    assert len(known) > 10
    assert set(re.findall(r"drivers/[\w/.-]+\.c", text)) == set(known)


@pytest.mark.slow
@pytest.mark.long
def test_the_table_is_that_of_the_package() -> None:
    if not callers.kept_at("7.3").exists() and "IOVA_LAB_FETCH" not in os.environ:
        pytest.skip("linux-source-7.3 has not been read: set IOVA_LAB_FETCH=1")
    assert documented() == callers.find("debian-7.3")
