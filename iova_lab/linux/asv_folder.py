"""How does asv come to know a kernel tree?  By a folder with a configuration, which this writes::

    asv.conf.json          the tree is the repository; its plugin is iova_lab.linux.asv_plugin
    commits                the axis, a commit a line
    benchmarks/text.py     which workloads, how large

The tree stays as it is.  Written again, the folder keeps its results.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from iova_lab.basics.errors import InvalidValueError
from iova_lab.linux import series, source
from iova_lab.linux.errors import SourceError

#: The common case, a search that walks, what a 32-bit device does, and a recorded one.
CELLS = (
    *("near_empty@100", "random_replace@1000", "random_replace@10000", "full_32bit@10000"),
    "trace_6_12@100",
)

_BENCHMARKS = '''"""What asv measures of each commit; written by `iova-lab linux asv`."""

from iova_lab.measuring import asv_suite


class Cells:
    tree = {tree!r}
    params = ({cells!r},)


class NodesMean(Cells, asv_suite.NodesMean):
    pass


class NodesWorst(Cells, asv_suite.NodesWorst):
    pass


class Refusals(Cells, asv_suite.Refusals):
    pass


class NeedlessRefusals(Cells, asv_suite.NeedlessRefusals):
    pass


class Latency(Cells, asv_suite.Latency):
    pass
'''


def write(
    tree: str,
    revisions: Sequence[str],
    folder: Path,
    cells: Sequence[str] = CELLS,
) -> list[str]:
    """Write the folder; returns the commits of the axis, oldest first.

    ``revisions`` are commits or tags, oldest first, or one range ``REV1..REV2``: of that, both ends
    and each commit that changes the text.  ``cells`` are workloads NAME@N, each of which there is.
    Raises `SourceError`, `InvalidValueError`.
    """
    if folder.exists() and not (folder / "commits").exists() and any(folder.iterdir()):
        raise InvalidValueError(f"{folder} is not empty, and no folder of this command: use --out")
    top = Path(tree).expanduser().resolve()
    if not (top / ".git").exists():
        raise SourceError(f"{tree} is not the top of a git repository: asv needs its commits")
    commits = _axis(top, revisions)
    source.read(f"{top}@{commits[-1]}")
    (folder / "benchmarks").mkdir(parents=True, exist_ok=True)
    (folder / "benchmarks/__init__.py").write_text("")
    text = _BENCHMARKS.format(tree=str(top), cells=list(cells))
    (folder / "benchmarks/text.py").write_text(text, encoding="utf-8")
    (folder / "asv.conf.json").write_text(_conf(top, revisions[-1]), encoding="utf-8")
    (folder / "commits").write_text("".join(f"{commit}\n" for commit in commits), encoding="utf-8")
    return commits


def _axis(tree: Path, revisions: Sequence[str]) -> list[str]:
    first, dots, last = revisions[0].partition("..")
    if len(revisions) > 1 and any(".." in revision for revision in revisions):
        raise InvalidValueError("one range REV1..REV2, or several commits or tags, not both")
    if not dots:
        return list(dict.fromkeys(source.commit(tree, revision) for revision in revisions))
    if not first:
        raise InvalidValueError(f"{revisions[0]!r} is no range of commits REV1..REV2")
    ends = source.commit(tree, first), source.commit(tree, last or "HEAD")
    return list(dict.fromkeys((ends[0], *series.changing(tree, *ends), ends[1])))


def _conf(tree: Path, last: str) -> str:
    fields = {
        "version": 1,
        "project": tree.name,
        "repo": str(tree),
        "dvcs": "linux",
        "branches": [last.rpartition("..")[2] or "HEAD"],
        "environment_type": "linux",
        "hash_length": 12,
        "plugins": [".iova_lab.linux.asv_plugin"],
    }
    return json.dumps(fields, indent=4) + "\n"
