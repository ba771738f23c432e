"""How far is the model from what threads and publications show?"""

from __future__ import annotations

import pandas as pd

from iova_lab.contention import validation
from iova_lab.contention.published import Case
from iova_lab.contention.tables import duration, error_rows
from iova_lab.measuring.frames import rows_of


def errors(checked: pd.DataFrame) -> pd.DataFrame:
    """Median and worst error by number of threads and what is predicted."""
    names = ["threads", "what", "median", "worst", "cells"]
    return pd.DataFrame(error_rows(validation.errors(checked)), columns=names)


def worst(checked: pd.DataFrame) -> pd.DataFrame:
    """Each cell of most threads, measured beside predicted."""
    most = checked[checked["threads"] == checked["threads"].max()]
    table = []
    for row in most.to_dict("records"):
        pairs = {
            name: f"{duration(row[f'measured_{name}'])} / {duration(row[f'predicted_{name}'])}"
            for name in ("hold", "wait", "p99_wait", "max_wait")
        }
        cell = {"cell": f"{row['workload']} {row['nr_live']:,}, {row['variant']}"}
        table.append(cell | {name.replace("_", " "): text for name, text in pairs.items()})
    return pd.DataFrame(table)


def published(found: pd.DataFrame) -> pd.DataFrame:
    """Each published figure beside the model's."""
    table = []
    for row in rows_of(found, Case):
        published = None if pd.isna(row.published) else row.published
        table.append(
            {
                "case": row.name,
                "figure": row.figure,
                "published": "-" if published is None else f"{published:g} {row.unit}",
                "model": f"{row.predicted:.3g} {row.unit}",
                "error": "-" if published is None else f"{row.predicted / published - 1:+.0%}",
            }
        )
    return pd.DataFrame(table)
