"""Which stored numbers moved between two revisions of this repository, and why.

Both revisions' results/ are read as they were committed: asv's results of each machine, and every
CSV file with a variant and a workload.  A count moved if it differs at all, a time if the intervals
of both revisions are disjoint.  The reasons are in reasons.json: the first is taken that fits and
of which a file differs between the revisions; a number that none fits is listed as unexplained.
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

from iova_lab import repository, results
from iova_lab.cells import number
from iova_lab.errors import InvalidValueError
from iova_lab.pages import write_page
from iova_lab.reading import read_json, read_table

KEYS = ["source", "metric", "workload", "variant", "nr_live"]
#: What two runs have of their own and is no result.
NOT_COMPARED = {"load", "why_not", "ns_again"}
UNEXPLAINED = "no reason is known"


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
    parts = [_asv(folder, machine) for machine in results.machines(folder)]
    parts += [_csv(path, folder) for path in sorted(folder.rglob("*.csv"))]
    found = [part for part in parts if len(part)]
    if not found:
        return pd.DataFrame(columns=[*KEYS, "value", "lo", "hi"])
    return pd.concat(found, ignore_index=True).drop_duplicates(KEYS, keep="last")


def _asv(folder: Path, machine: str) -> pd.DataFrame:
    rows = results.select(results.tidy(folder, results.find_run(folder, machine)))
    rows = rows[~rows["metric"].isin(NOT_COMPARED)]
    exact = ~rows["metric"].isin(results.TIMES)
    rows = rows.assign(
        source=machine,
        lo=rows["ci_lo"].mask(exact, rows["value"]),
        hi=rows["ci_hi"].mask(exact, rows["value"]),
    )
    return rows[[*KEYS, "value", "lo", "hi"]]


def _csv(path: Path, folder: Path) -> pd.DataFrame:
    frame = read_table(path, dict[str, str], written_by="a command of the lab")
    names = ["workload", "variant", "nr_live"]
    if not set(names) <= set(frame.columns) or "rcache" in frame.columns:
        return pd.DataFrame()
    metrics = [name for name in frame.select_dtypes("number") if name not in names]
    rows = frame.melt(names, metrics, "metric", "value").dropna(subset=["value"])
    rows = rows.assign(source=str(path.relative_to(folder)))
    timed = rows["metric"].str.split("_").map(lambda words: "ns" in words)
    bounds = rows["value"].mask(timed)
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


def by_variant(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per variant, workload and metric: every size with its old and new value."""
    text = [
        f"{row.nr_live:,}: {_both(row.old, row.new, exact=row.metric not in results.TIMES)}"
        for row in rows.itertuples()
    ]
    keys = ["variant", "workload", "metric", "source"]
    found = rows.assign(moved=text).groupby(keys)["moved"].agg("; ".join)
    return found.rename("live ranges: old -> new").reset_index()


def _both(old: float, new: float, *, exact: bool) -> str:
    """Both values with as many digits as it takes to tell them apart."""
    texts = number(old, exact=exact), number(new, exact=exact)
    if texts[0] == texts[1]:
        texts = f"{old:.7g}", f"{new:.7g}"
    return f"{texts[0]} -> {texts[1]}"
