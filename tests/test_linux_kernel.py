"""Do the commands that boot a kernel take a tree's own iova.c, from a change of it to a lockup?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from iova_lab.checking import checks
from iova_lab.commands.cli import main
from iova_lab.comparison import trial
from iova_lab.kernel import lockup, tools
from iova_lab.measuring.rows import lockups
from tests.support import small_tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(tools.missing() is not None, reason=tools.missing() or ""),
]

#: Each search is made twice.
SEARCH = "\tfound = highest_fit(iovad, size, limit_pfn + 1, mask, new);\n"
#: Until something is freed, equal requests fit right below the lowest range: to fill a space takes
#: no walk per request.
FILL = f"""\
	if (!iovad->nr_freed && rb_first(&iovad->rbroot))
		limit_pfn = min(limit_pfn, to_iova(rb_first(&iovad->rbroot))->pfn_lo - 1);
	if (!iovad->nr_freed && size == 1 && limit_pfn >= iovad->start_pfn) {{
		new->pfn_lo = new->pfn_hi = limit_pfn;
		found = true;
	}} else {{
{SEARCH}	}}
"""


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.stdout, done.stderr


def test_a_change_of_a_tree_is_replayed_in_a_booted_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: checks.CHECKS[name] for name in ("compiles", "table", "contract")}
    monkeypatch.setattr(checks, "CHECKS", few)
    monkeypatch.setattr(trial, "NR_LIVE", 200)
    tree = small_tree.write(tmp_path / "tree")
    small_tree.commit(tree, "before")
    small_tree.write(tree, changes={SEARCH: SEARCH + SEARCH})
    out = ("--out", str(tmp_path / "out"))
    words = ("try", "--linux", str(tree), "--budget", "1", "--kernel", "6.12", *out)
    status, output, errors = run(*words, "--json")
    assert status == 0, output + errors
    rows = json.loads(output)["kernel"]
    assert [row["error"] for row in rows] == [""] * len(rows)
    means = {(row["variant"], row["workload"]): row["mean"] for row in rows}
    names = {name for name, _ in means}
    assert names == {"linux:tree@HEAD", "linux:tree"}
    for _, workload in means:
        assert means["linux:tree", workload] > means["linux:tree@HEAD", workload]


def test_a_tree_locks_up_in_the_place_of_the_stock_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A threshold of 2 s keeps this test short; `iova-lab kernel lockup` leaves the kernel's own.
    monkeypatch.setattr(lockup, "_APPEND", "loglevel=6 watchdog_thresh=1")
    tree = f"linux:{small_tree.write(tmp_path / 'tree', changes={SEARCH: FILL})}"
    where = ("--nr-live", "200000", "--results", str(tmp_path))
    status, output, errors = run("kernel", "lockup", tree, "augmented", *where)
    assert status == 0, output + errors
    assert "watchdog: BUG: soft lockup" in output
    rows = lockups(tmp_path)
    locked = {row["variant"]: bool(row["words"]) for row in rows}
    assert locked == {"stock": True, tree: True, "augmented": False}
    nodes = {row["variant"]: row["nodes"] for row in rows}
    assert nodes[tree] > 199_000
    assert not re.search(r"Traceback", errors)
