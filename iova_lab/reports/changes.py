"""Which stored numbers moved between two revisions of this repository, and why.

Both revisions' results/ are read as they were committed: asv's results of each machine, the grid of
promises, and rows of CSV files and of booted kernels that have a variant, a workload and a size.  A
count moved if it differs at all, one of a booted kernel by more than `REPEATS`, a time if the
intervals of both revisions are disjoint; a time without an interval is not compared.

The reasons are in reasons.json: the first is taken that fits and of which a file differs between
the revisions; a number that none fits is listed as unexplained.
"""

from __future__ import annotations

import tarfile
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iova_lab.basics import repository
from iova_lab.basics.errors import InvalidValueError
from iova_lab.basics.reading import read_json, read_rows, read_table, row_files
from iova_lab.checking import promises_results
from iova_lab.measuring import asv_runs, metrics, results
from iova_lab.measuring.cells import number
from iova_lab.rendering.pages import write_page

KEYS = ["source", "metric", "workload", "variant", "nr_live"]
#: What two runs have of their own and is no result.
NOT_COMPARED = {"load", "why_not", "ns_again"}
UNEXPLAINED = "no reason is known"
#: Instructions of a booted kernel repeat within this share.
REPEATS = 1e-4
#: Lines of one reason on the page; changes.csv has every number.
MOST_LINES = 30
#: Columns that say which cell a row is, beside `KEYS`.
NAMES = ["workload", "variant", "nr_live"]


@dataclass(frozen=True)
class Reason:
    """Why numbers moved: of these variants, workloads and metrics (patterns; None: all).

    It can hold only where one of ``files`` differs between the revisions (empty: always);
    ``at_most`` is the greatest relative change that it can explain.
    """

    why: str
    files: tuple[str, ...] = ()
    variants: list[str] | None = None
    workloads: list[str] | None = None
    metrics: list[str] | None = None
    at_most: float | None = None

    def explains(self, row: Any) -> bool:
        """Does it fit one moved number?"""
        pairs = (
            (self.variants, row.variant),
            (self.workloads, row.workload),
            (self.metrics, row.metric),
        )
        if self.at_most is not None and not abs(row.new / row.old - 1 if row.old else 1) <= (
            self.at_most
        ):
            return False
        return all(known is None or any(fnmatch(name, p) for p in known) for known, name in pairs)


def reasons() -> list[Reason]:
    """The committed reasons, in the order in which they are tried."""
    path = Path(__file__).with_name("reasons.json")
    return read_json(path, list[Reason], written_by="a maintainer")


def holding(known: list[Reason], old: str, new: str) -> list[Reason]:
    """The reasons of which a file differs between two revisions."""
    changed = set((repository.output("diff", "--name-only", old, new) or "").split("\n"))
    return [one for one in known if not one.files or changed & set(one.files)]


def at_revision(revision: str) -> pd.DataFrame:
    """Every number of results/ at a git revision.  Raises `InvalidValueError` if there is none."""
    done = repository.run("archive", "--format=tar", revision, "results")
    if done is None:
        raise InvalidValueError("git is missing: apt install git")
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip().splitlines()
        raise InvalidValueError(f"revision {revision!r}: {text[-1] if text else 'no results/'}")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        return read(Path(folder) / "results")


def read(folder: Path) -> pd.DataFrame:
    """Columns: `KEYS`, value, lo and hi (the value for a count, NaN for a time without any)."""
    parts = [_asv(folder, machine) for machine in asv_runs.machines(folder)]
    tables = sorted([*folder.rglob("*.csv"), *folder.rglob("*.csv.gz")])
    parts += [_csv(path, folder) for path in tables]
    parts += [_kernel(path, folder) for path in row_files(folder / "kernel", "*.jsonl")]
    parts += [_promises(folder / "promises")]
    found = [part for part in parts if len(part)]
    if not found:
        return pd.DataFrame(columns=[*KEYS, "value", "lo", "hi"])
    return pd.concat(found, ignore_index=True).drop_duplicates(KEYS, keep="last")


def _asv(folder: Path, machine: str) -> pd.DataFrame:
    rows = results.select(results.tidy(folder, asv_runs.find_run(folder, machine)))
    rows = rows[~rows["metric"].isin(NOT_COMPARED)]
    exact = ~rows["metric"].isin(metrics.TIMES)
    rows = rows.assign(
        source=machine,
        lo=rows["ci_lo"].mask(exact, rows["value"]),
        hi=rows["ci_hi"].mask(exact, rows["value"]),
    )
    return rows[[*KEYS, "value", "lo", "hi"]]


def _csv(path: Path, folder: Path) -> pd.DataFrame:
    # Names of rcaches look like numbers.
    frame = read_table(
        path, dict[str, str], written_by="a command of the lab", dtype={"rcache": str}
    )
    return _melted(frame, str(path.relative_to(folder)).removesuffix(".gz"))


def _kernel(path: Path, folder: Path) -> pd.DataFrame:
    """Instructions of a booted kernel, or ns in user space with their interval."""
    frame = pd.DataFrame(read_rows(path, written_by="iova-lab kernel fidelity"))
    source = str(path.relative_to(folder))
    if {"ns", "low", "high"} <= set(frame.columns):
        rows = frame[[*NAMES, "ns", "low", "high"]].rename(
            columns={"ns": "value", "low": "lo", "high": "hi"}
        )
        return rows.assign(source=source, metric="ns")[[*KEYS, "value", "lo", "hi"]]
    rows = _melted(frame, source)
    if len(rows):
        near = rows["metric"].str.startswith("instructions") * REPEATS
        rows = rows.assign(lo=rows["lo"] * (1 - near), hi=rows["hi"] * (1 + near))
    return rows


def _promises(folder: Path) -> pd.DataFrame:
    if not promises_results.path_in(folder).exists():
        return pd.DataFrame()
    measured = promises_results.load(folder)
    return _melted(measured.grid, "promises/promises.json")


def _melted(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """A row per number of each row with all `NAMES`; its source names the rcache, if it has one."""
    if not set(NAMES) <= set(frame.columns):
        return pd.DataFrame()
    rcache = frame.get("rcache", pd.Series("off", index=frame.index)).fillna("off")
    behind = rcache.map(lambda name: "" if name == "off" else f", rcache {name}")
    frame = frame.assign(source=source + behind)
    metrics = [name for name in frame.select_dtypes("number") if name not in NAMES]
    rows = frame.melt([*NAMES, "source"], metrics, "metric", "value").dropna(subset=["value"])
    timed = rows["metric"].str.split("_").map(lambda words: "ns" in words)
    bounds = rows["value"].astype(float).mask(timed)
    return rows.assign(lo=bounds, hi=bounds)[[*KEYS, "value", "lo", "hi"]]


def moved(old: pd.DataFrame, new: pd.DataFrame, known: list[Reason]) -> pd.DataFrame:
    """Every number that both have and that moved: `KEYS`, old, new, ratio (NaN from 0), why."""
    both = old.merge(new, on=KEYS, suffixes=("_old", "_new"))
    apart = (both["hi_old"] < both["lo_new"]) | (both["lo_old"] > both["hi_new"])
    rows = both[apart].rename(columns={"value_old": "old", "value_new": "new"})
    rows = rows[[*KEYS, "old", "new"]].sort_values(KEYS).reset_index(drop=True)
    why = [
        next((one.why for one in known if one.explains(row)), UNEXPLAINED)
        for row in rows.itertuples(index=False)
    ]
    ratio = rows["new"] / rows["old"].replace(0, np.nan)
    return rows.assign(ratio=ratio, why=pd.Series(why, dtype=object))


def counts(old: pd.DataFrame, new: pd.DataFrame) -> dict[str, int]:
    """How many numbers both revisions have, only the new one, only the old one."""
    side = old[KEYS].merge(new[KEYS], on=KEYS, how="outer", indicator=True)["_merge"].value_counts()
    return {
        "both": int(side["both"]),
        "new": int(side["right_only"]),
        "old": int(side["left_only"]),
    }


def write_changes(revision: str, to: str, out_dir: Path) -> Path:
    """Write changes.md, changes.html and changes.csv; the path of the HTML."""
    old, new = at_revision(revision), at_revision(to)
    table = moved(old, new, holding(reasons(), revision, to))
    out_dir.mkdir(parents=True, exist_ok=True)
    table.to_csv(out_dir / "changes.csv", index=False, lineterminator="\n")
    return write_page(
        out_dir,
        "changes",
        headline=headline(table, counts(old, new)),
        sides=counts(old, new),
        groups={why: by_variant(rows) for why, rows in table.groupby("why")},
        spans={why: by_metric(rows) for why, rows in table.groupby("why")},
        most=MOST_LINES,
        sizes=table["why"].value_counts().to_dict(),
        command=f"iova-lab changes --from {revision} --to {to}",
    )


def headline(table: pd.DataFrame, sides: dict[str, int]) -> str:
    """How many numbers moved, of how many, and how many of them have no reason."""
    unexplained = int((table["why"] == UNEXPLAINED).sum())
    return (
        f"{len(table):,} of {sides['both']:,} numbers that both revisions have moved;"
        f" no reason is known for {unexplained:,} of them."
    )


def by_metric(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per metric: how many numbers moved, and the least and greatest ratio of new to old."""
    found = rows.groupby("metric")["ratio"].agg(["size", "min", "max"]).reset_index()
    least, most = (
        found[name].map(lambda ratio: "from 0" if pd.isna(ratio) else f"x{number(ratio)}")
        for name in ("min", "max")
    )
    return pd.DataFrame(
        {
            "metric": found["metric"],
            "numbers": found["size"].map("{:,}".format),
            "least new / old": least,
            "greatest new / old": most,
        }
    )


def by_variant(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per variant, workload and metric, the greatest change first: all sizes, old and new."""
    numbers = rows[["metric", "nr_live", "old", "new"]].itertuples(index=False)
    text = [
        f"{nr_live:,}: {_both(old, new, exact=metric not in metrics.TIMES)}"
        for metric, nr_live, old, new in numbers
    ]
    keys = ["variant", "workload", "metric", "source"]
    with np.errstate(divide="ignore"):
        size = pd.Series(np.log(rows["ratio"].astype(float))).abs().fillna(np.inf)
    groups = rows.assign(moved=text, size=size).groupby(keys)
    found = groups.agg(moved=("moved", "; ".join), size=("size", "max")).reset_index()
    found = found.sort_values("size", ascending=False, kind="stable", ignore_index=True)
    return found[[*keys, "moved"]].rename(columns={"moved": "live ranges: old -> new"})


def _both(old: float, new: float, *, exact: bool) -> str:
    """Both values with as many digits as it takes to tell them apart."""
    texts = number(old, exact=exact), number(new, exact=exact)
    if texts[0] == texts[1]:
        texts = f"{old:.7g}", f"{new:.7g}"
    return f"{texts[0]} -> {texts[1]}"
