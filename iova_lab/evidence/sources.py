"""Where does the evidence lie?  Each part is read where it is, and is empty where it is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from iova_lab import comparison
from iova_lab.evidence import SUBJECT
from iova_lab.kernel import fidelity_report, rows
from iova_lab.results import ResultsError

COUNTS = "counts.csv"
INSTRUCTIONS = "instructions.csv"
#: The plainest exact top-down search, where it can be paid for: whose span ours must have.
EXACT = "no_cache.csv"
SOAK = "soak.json"

#: The rcaches in front of which the comparison was made, by the folder's name.
COMPARISONS = {"compare-off": "off", "compare-6.7": "6.7"}


@dataclass(frozen=True)
class Sources:
    """All that the page stands on.

    ``counts``: a row per workload, nr_live and variant, exact (`iova-lab counts`).
    ``instructions``: the same with instructions per op in user space, counted by callgrind.
    ``kernel``: rows of `iova-lab kernel fidelity`.  ``lockup``: of `iova-lab kernel lockup`.
    ``compared``: paired times, by rcache.  ``threads``, ``sweep``, ``locks``: contention measured
    and simulated.  ``soak``: judged random ops.
    """

    counts: pd.DataFrame
    instructions: pd.DataFrame
    kernel: pd.DataFrame
    lockup: pd.DataFrame
    compared: dict[str, comparison.Comparison]
    threads: pd.DataFrame
    sweep: pd.DataFrame
    locks: pd.DataFrame
    soak: dict[str, int]


def load(results: Path) -> Sources:
    """Read everything.  Raises `ResultsError` without the counts: nothing can be said then."""
    own = results / SUBJECT
    if not (own / COUNTS).exists():
        raise ResultsError(f"{own / COUNTS} is not there: `iova-lab counts --help` says how")
    contention = results / "contention"
    return Sources(
        counts=pd.concat([_csv(own / COUNTS), _csv(own / EXACT)], ignore_index=True),
        instructions=_csv(own / INSTRUCTIONS),
        kernel=_kernel(results / "kernel"),
        lockup=pd.DataFrame(rows.read(results / "kernel" / "lockup.jsonl")),
        compared={
            rcache: comparison.load(own / folder)
            for folder, rcache in COMPARISONS.items()
            if (own / folder).exists()
        },
        threads=pd.DataFrame(rows.read(contention / "validation.jsonl")),
        sweep=pd.DataFrame(rows.read(contention / "sweep.jsonl")),
        locks=pd.DataFrame(rows.read(contention / "lockups.jsonl")),
        soak=json.loads((own / SOAK).read_text()) if (own / SOAK).exists() else {},
    )


def _csv(path: Path) -> pd.DataFrame:
    # One variant is called null.
    if not path.exists():
        return pd.DataFrame()
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def _kernel(results: Path) -> pd.DataFrame:
    try:
        return fidelity_report.load(results)
    except ValueError:
        return pd.DataFrame()
