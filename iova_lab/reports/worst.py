"""The page on the search for the worst case, from results/worst alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from scipy import stats

from iova_lab.basics.errors import NoResultsError
from iova_lab.checking.worst import bounded, study
from iova_lab.checking.worst.bounded import BoundRow
from iova_lab.checking.worst.evolve import METHODS
from iova_lab.checking.worst.known import KNOWN, Known
from iova_lab.checking.worst.score import INSTRUCTIONS, NR_LIVE
from iova_lab.checking.worst.study import FindRow, HoldRow, SearchRow
from iova_lab.measuring import provenance
from iova_lab.measuring.code_digest import code_digest
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import NOTHING
from iova_lab.reports.worst_figure import counted, figure

OURS = METHODS[0]
#: A difference between methods as large by chance is no difference.
LEVEL = 0.01


@dataclass(frozen=True)
class Refound:
    """One known fault under one method: the searches that found it, of all."""

    known: Known
    tried: list[int]
    seconds: list[float]
    nr_seeds: int

    @property
    def typical(self) -> float | None:
        """The median of streams until it was found; None where fewer than half found it."""
        missed = [float("inf")] * (self.nr_seeds - len(self.tried))
        middle = median([*self.tried, *missed]) if self.nr_seeds else float("inf")
        return None if middle == float("inf") else middle


def refound(rows: Sequence[SearchRow], method: str) -> list[Refound]:
    """What one method found of each known fault that was searched for."""
    found = []
    for one in KNOWN:
        of = [
            row
            for row in rows
            if (row.variant, row.rcache, row.method) == (one.variant, one.rcache, method)
        ]
        hits = [row.found[one.key] for row in of if one.key in row.found]
        if of:
            tried, seconds = [nr for nr, _ in hits], [spent for _, spent in hits]
            found.append(Refound(one, tried, seconds, len(of)))
    return found


def write_worst(results: Path, out_dir: Path) -> Path:
    """Write worst.md, worst.html and the figure into ``out_dir``."""
    rows: list[SearchRow] = study.stored(results, study.SEARCHES, SearchRow)
    ours = refound(rows, OURS)
    if not ours:
        raise NoResultsError(f"{results} has no searches: `{study.COMMAND}` makes them")
    finds: list[FindRow] = study.stored(results, study.FINDS, FindRow)
    holds: list[HoldRow] = study.stored(results, study.HOLDS, HoldRow)
    bounds: list[BoundRow] = study.stored(results, bounded.BOUND, BoundRow)
    out_dir.mkdir(parents=True, exist_ok=True)
    compared = _by_all(rows)
    by_method: dict[str, list[Refound]] = {one: refound(compared, one) for one in METHODS}
    save(figure(by_method), out_dir / "worst")
    new = [row for row in finds if _is_new(row)]
    stores = (study.SEARCHES, study.FINDS, study.HOLDS, bounded.BOUND)
    return write_page(
        out_dir,
        "worst",
        answer=_answer(ours),
        budget=f"{max(row.nr_tried for row in rows):,}",
        nr_seeds=max(one.nr_seeds for one in ours),
        known=pd.DataFrame([_known_row(one) for one in ours]),
        methods=pd.DataFrame([_method_row(name, found) for name, found in by_method.items()]),
        told_apart=_told_apart(by_method),
        per_fault=_per_fault(by_method),
        holds=_holds(holds),
        holds_at=f"{study.HOLDS_AT:,}",
        stepped=study.STEPPED,
        stepped_nodes=study.STEPPED_NODES,
        nr_streams=len({row.stream for row in holds if not row.stream.startswith("find: ")}),
        instructions=_most_instructions(finds),
        nr_live=NR_LIVE,
        bounds=pd.DataFrame([_bound_row(row) for row in bounds]),
        finds=pd.DataFrame([_find_row(row) for row in finds if row.goal not in INSTRUCTIONS]),
        new=[_named(row) for row in new],
        old=_old([*finds, *holds, *bounds]),
        made=provenance.of_files([results / name for name in stores], "worst"),
    )


def _by_all(rows: Sequence[SearchRow]) -> list[SearchRow]:
    """Searches of a variant and seed that were made by every method."""
    done: dict[tuple[str, str, int], set[str]] = {}
    for row in rows:
        done.setdefault((row.variant, row.rcache, row.seed), set()).add(row.method)
    return [
        row for row in rows if done[row.variant, row.rcache, row.seed].issuperset(METHODS)
    ] or list(rows)


def _answer(ours: Sequence[Refound]) -> str:
    typical = [one.typical for one in ours]
    found = [nr for nr in typical if nr is not None]
    text = f"It finds {len(found)} of {len(ours)} known faults"
    if not found:
        return f"{text}."
    return f"{text}, half of them within {median(found):,.0f} streams, from random streams alone."


def _known_row(one: Refound) -> dict[str, str]:
    known = one.known
    behind = f" behind rcache {known.rcache}" if known.rcache != "off" else ""
    nothing = f"in {len(one.tried)} of {one.nr_seeds}"
    typical = one.typical
    return {
        "fault": known.title,
        "in": f"{known.variant}{behind}",
        "found by": f"{len(one.tried)} of {one.nr_seeds}",
        "streams": f"{typical:,.0f}" if typical is not None else nothing,
        "seconds": f"{median(one.seconds):.0f}" if one.seconds else NOTHING,
        "there since": f"{known.since[0]} ({known.since[1][:7]})",
        "published": known.published or "not found published",
        "years": f"{known.years:.0f}" if known.years is not None else NOTHING,
        "source": known.source,
    }


def _method_row(name: str, found: Sequence[Refound]) -> dict[str, str]:
    nr = sum(one.nr_seeds for one in found)
    hits = [tried for one in found for tried in one.tried]
    typical = [one.typical for one in found if one.typical is not None]
    return {
        "method": name,
        "found": f"{len(hits)} of {nr}",
        "faults found by most seeds": f"{len(typical)} of {len(found)}",
        "streams, median of the found": f"{median(hits):,.0f}" if hits else NOTHING,
    }


def _told_apart(by_method: dict[str, list[Refound]]) -> str:
    """Whether the methods that find the most and the fewest differ by more than chance."""
    counts = counted(by_method)
    shares = {method: hits / nr for method, (hits, nr) in counts.items()}
    best, least = max(shares, key=lambda name: shares[name]), min(shares, key=lambda n: shares[n])
    table = [[hits, nr - hits] for hits, nr in (counts[best], counts[least])]
    chance = float(stats.fisher_exact(np.array(table)).pvalue)
    found = "finds more faults than" if chance < LEVEL else "is not shown to find more faults than"
    return f"“{best}” {found} “{least}” (Fisher's exact test, p = {chance:.2g})."


def _per_fault(by_method: dict[str, list[Refound]]) -> pd.DataFrame:
    """A row per fault, a column per method: median streams, and how many seeds where not all."""
    rows: dict[str, dict[str, str]] = {}
    for method, found in by_method.items():
        for one in found:
            row = rows.setdefault(one.known.key, {"fault": one.known.key, "in": one.known.variant})
            hits = f" ({len(one.tried)}/{one.nr_seeds})" * (len(one.tried) < one.nr_seeds)
            typical = one.typical
            row[method] = NOTHING + hits if typical is None else f"{typical:,.0f}{hits}"
    return pd.DataFrame(rows.values()).fillna(NOTHING)


def _holds(rows: Iterable[HoldRow]) -> pd.DataFrame:
    """Per variant the longest hold over the workloads, and over the finds."""
    most: dict[str, dict[str, HoldRow]] = {}
    for row in rows:
        kind = "find" if row.stream.startswith("find: ") else "workload"
        known = most.setdefault(row.variant, {}).get(kind)
        if known is None or row.hold > known.hold:
            most[row.variant][kind] = row
    kinds = [kind for kind in ("workload", "find") if any(kind in found for found in most.values())]
    ordered = sorted(most.items(), key=lambda item: max(one.hold for one in item[1].values()))
    table = []
    for variant, found in ordered:
        line = {"variant": variant}
        for kind in kinds:
            row_of = found.get(kind)
            line[f"{kind}s: instructions"] = f"{row_of.hold:,}" if row_of else NOTHING
            line[f"{kind}s: nodes"] = f"{row_of.nodes:,}" if row_of else NOTHING
            line[f"{kind}"] = row_of.stream.removeprefix("find: ") if row_of else NOTHING
        table.append(line)
    return pd.DataFrame(table)


def _most_instructions(finds: Iterable[FindRow]) -> pd.DataFrame:
    table: dict[str, dict[str, str]] = {}
    for row in finds:
        if row.goal in INSTRUCTIONS:
            line = table.setdefault(row.variant, {"variant": row.variant})
            line[row.goal] = f"{row.value:,.0f}"
    return pd.DataFrame(table.values()).fillna(NOTHING)


def _bound_row(row: BoundRow) -> dict[str, str]:
    return {
        "seed": str(row.seed),
        "streams tried": f"{row.nr_tried:,}",
        "seconds": f"{row.seconds:,.0f}",
        "live ranges": f"{row.most_live:,}",
        "alloc": str(row.alloc),
        "free": str(row.free),
        "bound": str(bounded.most_visits(row.most_live)),
    }


def _find_row(row: FindRow) -> dict[str, str]:
    behind = f", rcache {row.rcache}" if row.rcache != "off" else ""
    return {
        "variant": f"{row.variant}{behind}",
        "find": row.goal,
        "cost or share of requests": row.fit or f"{row.value:.1%}",
        "streams": f"{row.first_tried:,}",
        "workloads with such ops": _shortened(row.alike) or "none",
    }


def _shortened(names: Sequence[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 3 else ""
    return ", ".join(names[: 2 if more else 3]) + more


def _is_new(row: FindRow) -> bool:
    """Neither a workload nor a known fault of the variant has it."""
    if row.alike or row.goal in INSTRUCTIONS:
        return False
    name = row.goal.partition(", ")[0]
    return not any(
        (one.variant, one.rcache) == (row.variant, row.rcache) and one.goal == name for one in KNOWN
    )


def _named(row: FindRow) -> dict[str, str]:
    history = row.genome.history(5)
    return {
        "name": f"{row.variant}{'' if row.rcache == 'off' else f' behind rcache {row.rcache}'}:"
        f" {row.goal}",
        "what": row.fit or f"{row.value:.1%} of the requests",
        "stream": "\n".join(history.described()[:10]),
    }


def _old(rows: Iterable[FindRow | HoldRow | BoundRow]) -> list[str]:
    return sorted({row.variant for row in rows if row.code != code_digest(row.variant, "counted")})
