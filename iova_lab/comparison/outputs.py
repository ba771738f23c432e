"""Which files does a reader get, and from what are they made?

From a `Comparison` alone, measured just now or loaded from its folder: the same bytes either way.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from iova_lab.basics import extras
from iova_lab.comparison import mail, mbox, view
from iova_lab.comparison.result import Comparison
from iova_lab.comparison.store import load


def write(result: Comparison, out_dir: Path) -> list[Path]:
    """Write every output into ``out_dir``; the paths, the page to look at first.

    Without the extra ``reports`` there is no compare.html, and the mail text comes first.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    text, message = out_dir / "mail.txt", out_dir / "mail.mbox"
    text.write_text(mail.render(result), encoding="ascii")
    paths = _page(result, out_dir)
    figures = [path for path in paths if path.suffix == ".png"]
    message.write_bytes(mbox.render(result, text.read_text(encoding="ascii"), figures))
    paths += [text, message]
    frames = {
        "summary": view.summary(result),
        "metrics": view.long(result),
        "histograms": view.histograms(result),
    }
    for stem, frame in frames.items():
        paths.append(out_dir / f"{stem}.csv")
        frame.to_csv(paths[-1], index=False, lineterminator="\n")
    return paths


def _page(result: Comparison, out_dir: Path) -> list[Path]:
    try:
        from iova_lab.comparison import page
    except ModuleNotFoundError as error:
        needed = extras.hint(error)
        if needed is None:
            raise
        print(f"compare.html is left out: it {needed}", file=sys.stderr)
        return []
    return page.write(result, out_dir)


def write_all(results_dir: Path, out_dir: Path) -> list[Path]:
    """Make the pages of every comparison kept below ``results_dir``; one folder each.

    Returns their compare.html.  Raises `FileError` where a folder is broken.
    """
    folders = sorted(path.parent for path in results_dir.glob("*/comparison.json"))
    return [write(load(folder), out_dir / folder.name)[0] for folder in folders]


def as_json(result: Comparison) -> str:
    """Verdicts and metrics as one JSON object; what is not known is null."""
    return json.dumps(
        {
            "base": result.subjects[0].label,
            "candidates": [subject.label for subject in result.subjects[1:]],
            "partial": result.partial or None,
            "failures": [
                {
                    "cell": cell.cell.name,
                    "variant": result.subjects[which].label,
                    "reason": reason,
                }
                for cell in result.cells
                for which, reason in cell.failures.items()
            ],
            "verdicts": _records(view.summary(result)),
            "metrics": _records(view.long(result)),
        },
        indent=1,
    )


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    records: list[dict[str, object]] = json.loads(frame.to_json(orient="records"))
    return records
