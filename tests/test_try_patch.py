"""Is a diff applied whatever its paths look like, and is it told in one line where it is not?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import iova_variants
from iova_lab.checking.patch import PatchError, apply

FOLDER = Path(iova_variants.__path__[0])
OLD = "\tiovad->max32_alloc_size = size;\n\treturn false;"
NEW = "\tiovad->max32_alloc_size = size + 1;\n\treturn false;"


def diff(tmp_path: Path, name: str, old: str, new: str, shown: str) -> Path:
    """A unified diff of one file, that calls it ``shown`` with git's a/ and b/ or without."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert text.count(old) == 1
    for side, content in (("a", text), ("b", text.replace(old, new))):
        (tmp_path / side).mkdir(exist_ok=True)
        (tmp_path / side / name).write_text(content, encoding="utf-8")
    command = ["git", "diff", "--no-index", f"a/{name}", f"b/{name}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    body = done.stdout[done.stdout.index("@@") :]
    before, after = (f"a/{shown[4:]}", f"b/{shown[4:]}") if shown[:4] == "a,b/" else (shown, shown)
    path = tmp_path / "fix.diff"
    path.write_text(f"--- {before}\n+++ {after}\n{body}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "shown",
    [
        "a,b/iova_variants/mainline.c",
        "a,b/mainline.c",
        "iova_variants/mainline.c",
        "mainline.c",
        "a,b/drivers/lab/iova_variants/mainline.c",
    ],
)
def test_only_the_files_name_counts(tmp_path: Path, shown: str) -> None:
    before, after = apply(diff(tmp_path, "mainline.c", OLD, NEW, shown), "mainline", tmp_path / "x")
    assert NEW not in before.read_text(encoding="utf-8")
    assert NEW in after.read_text(encoding="utf-8")
    assert iova_variants.load(str(after)).name == iova_variants.load(str(before)).name == "mainline"


def test_a_format_patch_mail_applies(tmp_path: Path) -> None:
    path = diff(tmp_path, "mainline.c", OLD, NEW, "a,b/iova_variants/mainline.c")
    head = "From 0123 Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nSubject: [PATCH] x\n\nWhy.\n---\n"
    path.write_text(head + path.read_text(encoding="utf-8") + "-- \n2.39.5\n", encoding="utf-8")
    _, after = apply(path, "mainline", tmp_path / "x")
    assert NEW in after.read_text(encoding="utf-8")


def test_a_header_may_be_patched_and_is_what_gets_built(tmp_path: Path) -> None:
    old, new = "\t\tiova_visit(search);\n\t\thigh", "\t\tiova_visit(update);\n\t\thigh"
    path = diff(tmp_path, "range_variant.h", old, new, "a,b/iova_variants/range_variant.h")
    before, after = apply(path, "anchor", tmp_path / "x")
    from iova_lab import workloads

    stream = workloads.generate("ring", 100)
    counts = [
        iova_variants.replay(str(source), stream, build="counted").visits
        for source in (before, after)
    ]
    assert counts[0] is not None
    assert counts[1] is not None
    assert counts[0]["search"] > 0
    assert counts[1]["search"] == 0


def test_what_does_not_fit_is_told_in_gits_words(tmp_path: Path) -> None:
    path = diff(tmp_path, "mainline.c", OLD, NEW, "a,b/iova_variants/mainline.c")
    with pytest.raises(PatchError) as caught:
        apply(path, "anchor", tmp_path / "x")
    assert "mainline.c: No such file or directory" in str(caught.value)
    path.write_text(
        path.read_text(encoding="utf-8").replace("max32_alloc_size", "no_such_member"),
        encoding="utf-8",
    )
    with pytest.raises(
        PatchError, match=r"^fix\.diff does not apply: patch failed: mainline\.c:\d+$"
    ):
        apply(path, "mainline", tmp_path / "x")
    path.write_text("hello\n", encoding="utf-8")
    with pytest.raises(PatchError, match=r"^fix\.diff does not apply: No valid patches in input"):
        apply(path, "mainline", tmp_path / "x")


def test_the_contract_is_not_to_be_patched(tmp_path: Path) -> None:
    path = diff(
        tmp_path,
        "iova_variant.h",
        "#define IOVA_VARIANT_ABI\t1",
        "#define IOVA_VARIANT_ABI\t2",
        "a,b/iova_variant.h",
    )
    with pytest.raises(PatchError, match=r"iova_variant\.h is the contract of all variants"):
        apply(path, "mainline", tmp_path / "x")


def test_a_header_that_the_variant_does_not_include_is_told(tmp_path: Path) -> None:
    path = diff(
        tmp_path, "gap_btree.h", "#define GAP_BTREE_H", "#define GAP_BTREE_H 1", "gap_btree.h"
    )
    with pytest.raises(
        PatchError, match=r"patches gap_btree\.h, which mainline\.c does not include"
    ):
        apply(path, "mainline", tmp_path / "x")


def test_an_unknown_base_is_told(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="--onto: no variant named 'mapel'; there are: "):
        apply(tmp_path / "fix.diff", "mapel", tmp_path / "x")
