"""What does a reader of the list need to know of all claims?  Page, figure, and mail text."""

from __future__ import annotations

import inspect
import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from iova_lab.claims import ledger, rules, store
from iova_lab.claims.claim import CONFIDENCE, ORIGINS, Claim, Finding, Quantity, Verdict, all_claims
from iova_lab.claims.ledger import rule_digest
from iova_lab.claims.run import judge
from iova_lab.measuring import flags, provenance
from iova_lab.measuring.cells import number
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.plain_text import fill, joined
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import NOTHING
from iova_lab.reports.claims_figure import drawable, figure

Found = Sequence[tuple[Claim, Finding]]


def stored(results: Path) -> list[tuple[Claim, Finding]]:
    """Every claim with the verdict on what is stored of it."""
    return [(one, judge(one, store.read(results, one))) for one in all_claims()]


def summaries(found: Found) -> list[str]:
    """How many claims of each origin have which verdict: a line each, the published ones first."""
    parts = []
    for origin in ORIGINS:
        counts = Counter(finding.verdict for claim, finding in found if claim.origin == origin)
        verdicts = ", ".join(f"{counts[one]} {one}" for one in Verdict if counts[one])
        if counts:
            parts.append(f"{counts.total()} {LABELS[origin]}: {verdicts}")
    return parts


def summary(found: Found) -> str:
    """`summaries` in one line."""
    return "; ".join(summaries(found))


#: What claims of an origin are called where they are counted.
LABELS = dict(
    zip(
        ORIGINS,
        ("published claims", "claims from the lab's notes", "claims that the lab extends"),
        strict=True,
    )
)


def _named(found: Found) -> list[str]:
    """What does not hold as it stands, by name; what does is too much to name."""
    lines = []
    for verdict in (Verdict.NOT, Verdict.PARTLY, Verdict.UNDECIDED):
        names = [f"`{claim.id}`" for claim, finding in found if finding.verdict is verdict]
        if names:
            lines.append(f"{verdict.capitalize()}: {', '.join(names)}.")
    return lines


def write_claims(results: Path, out_dir: Path) -> Path:
    """Write claims.md, claims.html, claims.txt (the mail) and the figure, from results alone."""
    found = stored(results)
    rows = {claim.id: store.read(results, claim) or {} for claim, _ in found}
    out_dir.mkdir(parents=True, exist_ok=True)
    published, *others = summaries(found)
    shown = drawable(found)
    if shown:
        save(figure(found), out_dir / "claims")
    (out_dir / "claims.txt").write_text(mail(found, rows), encoding="ascii")
    return write_page(
        out_dir,
        "claims",
        summary=f"{published}{_warning(found, rows)}",
        named=[*(f"{line}." for line in others), *_named(found)],
        table=table(found),
        sections=[_section(claim, finding, rows[claim.id]) for claim, finding in found],
        confidence=CONFIDENCE,
        nr_drawn=len(shown),
        taken=_taken(list(rows.values())),
        thresholds=(rules.__doc__ or "").partition("\n")[2].strip(),
        seconds=f"{sum(row.get('seconds', 0) for row in rows.values()) / 60:.0f}",
    )


def _warning(found: Found, rows: dict[str, dict[str, Any]]) -> str:
    """How many results are of code that has changed since, or that git does not have."""
    measured = [claim for claim, _ in found if rows.get(claim.id, {}).get("commit")]
    old = sum(is_old(claim, rows[claim.id]) for claim in measured)
    return f"; {flags.OLD} in {old} of {len(measured)} results" if old else ""


def is_old(claim: Claim, row: dict[str, Any]) -> bool:
    """Has a variant or workload changed that the result names, or the module that measures it?"""
    changed = flags.old_names(row["commit"].rstrip("+"))
    if changed is None:
        return True
    text, code = json.dumps(row["measured"]), claim.measure
    while isinstance(code, partial):
        text += repr((code.args, code.keywords))
        code = code.func
    if (module := inspect.getmodule(code)) is not None:
        text += inspect.getsource(module)
    named = re.findall(r"\w+", text)
    return not set(named).isdisjoint(changed)


def _taken(rows: Sequence[dict[str, Any]]) -> list[str]:
    """When, of which commit and on what, with the highest load: a line for each combination."""
    loads: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if "machine" in row:
            machine = ", ".join(row["machine"][key] for key in ("cpu", "ram", "os"))
            where = f"{machine}, {row['machine']['num_cpu']} CPUs"
            commit = row.get("commit") or provenance.NOT_RECORDED
            if "commit_note" in row:
                commit = f"{commit} ({row['commit_note']})"
            code = flags.changed_since(row["commit"].rstrip("+")) if row.get("commit") else ""
            compiler = row.get("compiler") or f"compiler {provenance.NOT_RECORDED}"
            key = f"{row['date']}, commit {commit}: {where}", f"{compiler}; code {code}"
            loads.setdefault(key, []).append(row.get("load", 0.0))
    return [
        f"{key}, load average up to {max(found):g}; {more}" if max(found) else f"{key}; {more}"
        for (key, more), found in sorted(loads.items())
    ]


def said(quantity: Quantity | None) -> str:
    """A number of a claim, short."""
    if quantity is None:
        return NOTHING
    low, high = quantity.lo, quantity.hi
    if quantity.kind == "exponent":
        ends = [f"n^{value:.2f}".replace("-0.00", "0.00") for value in (low, high)]
    else:
        ends = [f"x{number(value)}" for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def table(found: Found) -> pd.DataFrame:
    """One row per claim, as text."""
    return pd.DataFrame(
        {
            "claim": [_link(claim, finding) for claim, finding in found],
            "origin": [claim.origin for claim, _ in found],
            "confidence": [claim.confidence for claim, _ in found],
            "published": [said(claim.published) for claim, _ in found],
            "measured": [said(finding.measured) for _, finding in found],
            "verdict": [finding.verdict.value for _, finding in found],
        }
    )


def _link(claim: Claim, finding: Finding) -> str:
    """The claim's name, as a link to its section: the heading is name and verdict."""
    anchor = f"{claim.id}-{finding.verdict}".replace(" ", "-")
    return f"[{claim.id}](#{anchor})"


def _section(claim: Claim, finding: Finding, row: dict[str, Any]) -> dict[str, Any]:
    rule_at = row.get("rule", rule_digest(claim))
    return {
        "claim": claim,
        "verdict": finding.verdict.value,
        "answer": finding.answer,
        "stale": rule_at != rule_digest(claim),
        "changes": ledger.changes(claim),
        "date": row.get("date", ""),
        "commit": row.get("commit", ""),
    }


def mail(found: Found, rows: dict[str, dict[str, Any]]) -> str:
    """The table for a mail: at most 72 columns, ASCII.  Raises `ValueError` if it is not."""
    lines = ["Do published claims about IOVA allocators hold here?", ""]
    lines += [fill(summary(found) + _warning(found, rows) + "."), "", fill(SHORT_NOTE), ""]
    lines += [fill(line, "  ", "") for line in _taken(list(rows.values()))]
    for claim, finding in found:
        lines += ["", fill(f"{claim.id}: {finding.verdict.upper()}", "  ", "")]
        lines.append(fill(claim.claim, "    ", "  claim: "))
        lines.append(fill(claim.source, "    ", "  source: "))
        lines.append(fill(finding.answer, "    ", "  measured: "))
    return joined(["\n".join(lines)])


SHORT_NOTE = (
    "The rules are the lab's, fixed before the first measurement (iova_lab/claims/). Nodes are "
    "exact. Times are ratios taken in pairs, user space, one thread; nanoseconds of other hardware "
    "are not compared. To measure one claim again: iova-lab claims ID; all: make claims."
)
