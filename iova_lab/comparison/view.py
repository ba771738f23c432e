"""Which numbers stand in every output: terminal, mail, page, CSV?

Frames of numbers, made once from a `Comparison`; how they are written is the outputs' business.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from iova_lab.comparison import latency
from iova_lab.comparison.counting import KINDS
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.comparison.words import Verdict, change, verdicts
from iova_lab.measuring.cells import number
from iova_lab.rendering.tables import NOTHING

#: The one metric that is the machine's more than the variant's: no change of it is told.
NOISE = "worst timed ns"

#: What a mean of pyperf's runs is worth: mean and standard deviation of all values, in ns per op.
NS = 1e9


def mean_ns(cell: CellResult, which: int) -> tuple[float, float]:
    """Mean ns per op and its standard deviation in per cent of it, as pyperf has them."""
    benchmark = cell.benchmark(which)
    if benchmark is None:
        return math.nan, math.nan
    mean = benchmark.mean()
    spread = 100 * benchmark.stdev() / mean if benchmark.get_nvalue() > 1 else math.nan
    return mean * NS, spread


def summary(result: Comparison) -> pd.DataFrame:
    """One row per cell and candidate: time per op of both, the ratio, and what it supports."""
    return pd.DataFrame([_summary_row(result, verdict) for verdict in verdicts(result)])


def _summary_row(result: Comparison, verdict: Verdict) -> dict[str, object]:
    base_ns, base_spread = mean_ns(verdict.cell, 0)
    ns, spread = mean_ns(verdict.cell, verdict.which)
    ratio = verdict.ratio
    return {
        "cell": verdict.cell.cell.name,
        "base": result.subjects[0].label,
        "candidate": result.subjects[verdict.which].label,
        "base_ns_per_op": base_ns,
        "base_stddev_percent": base_spread,
        "ns_per_op": ns,
        "stddev_percent": spread,
        "ratio": ratio.value if ratio else math.nan,
        "ratio_lo": ratio.lo if ratio else math.nan,
        "ratio_hi": ratio.hi if ratio else math.nan,
        "visible_ratio": ratio.visible if ratio else math.nan,
        "nr_processes": ratio.nr_processes if ratio else 0,
        "nr_pairs": ratio.nr_rounds if ratio else 0,
        "outcome": verdict.outcome,
        "verdict": verdict.text,
        "caveats": "; ".join(verdict.caveats),
    }


def metrics(cell: CellResult, which: int) -> dict[str, float]:
    """Everything but the ratio that is known of one variant in one cell, in a reader's order."""
    return dict(_metrics(cell, which))


def _metrics(cell: CellResult, which: int) -> Iterator[tuple[str, float]]:
    for kind in KINDS:
        found = latency.of(cell, which, kind)
        if found is None:
            continue
        yield f"{kind} mean ns", found.mean.value
        yield from ((f"{kind} {name} ns", value) for name, value in found.quantiles.items())
        yield f"{kind} {NOISE}", found.timed_max
    counts = cell.counts.get(which)
    if counts is None:
        return
    for kind, found_kind in counts.kinds.items():
        if found_kind.nr_ops:
            yield f"{kind} nodes mean", found_kind.mean
            yield f"{kind} nodes worst", found_kind.worst
    yield "refused", counts.nr_failures
    yield "spurious failures", math.nan if counts.nr_spurious is None else counts.nr_spurious
    yield (
        "answers above limit",
        math.nan if counts.nr_above_limit is None else counts.nr_above_limit,
    )
    yield "bytes/range", counts.bytes_per_range
    yield "node bytes", counts.node_bytes
    yield "span/live pfn", counts.span_per_pfn


def details(result: Comparison, cell: CellResult) -> pd.DataFrame:
    """Metrics of one cell as numbers: a row per metric, a column per variant."""
    columns = {subject.label: metrics(cell, which) for which, subject in enumerate(result.subjects)}
    return pd.DataFrame(columns).rename_axis("metric")


def detail_texts(result: Comparison, cell: CellResult) -> pd.DataFrame:
    """`details` as text: every candidate's value with its change against the base beside it."""
    numbers = details(result, cell)
    base = numbers[result.subjects[0].label]
    texts = {"": list(numbers.index)}
    for which, label in enumerate(numbers.columns):
        texts[label] = [
            number(value, exact=not _is_time(metric))
            if which == 0 or metric.endswith(NOISE)
            else _against(value, reference, exact=not _is_time(metric))
            for metric, value, reference in zip(numbers.index, numbers[label], base, strict=True)
        ]
    return pd.DataFrame(texts)


def _is_time(metric: str) -> bool:
    return "ns" in metric.split() or metric.endswith(NOISE)


def _against(value: float, reference: float, *, exact: bool) -> str:
    if math.isnan(value):
        return NOTHING
    text = number(value, exact=exact)
    if math.isnan(reference) or not reference or not value:
        return f"{text} ({'=' if value == reference else '-':>8})"
    return f"{text} ({change(value / reference).replace(' %', '%'):>8})"


def long(result: Comparison) -> pd.DataFrame:
    """Every metric of every cell and variant, one per row, for a CSV file."""
    rows = [
        {"cell": cell.cell.name, "variant": subject.label, "metric": metric, "value": value}
        for cell in result.cells
        for which, subject in enumerate(result.subjects)
        for metric, value in metrics(cell, which).items()
    ]
    return pd.DataFrame(rows, columns=["cell", "variant", "metric", "value"])


def histograms(result: Comparison) -> pd.DataFrame:
    """Every bucket of every histogram, one per row, for a CSV file."""
    rows = []
    for cell in result.cells:
        for kind in KINDS:
            found = [latency.of(cell, which, kind) for which in range(len(result.subjects))]
            for bucket in latency.histogram(found):
                for subject, count in zip(result.subjects, bucket.counts, strict=True):
                    rows.append(
                        {
                            "cell": cell.cell.name,
                            "op": kind,
                            "variant": subject.label,
                            "ns_lo": bucket.lo,
                            "ns_hi": bucket.hi,
                            "count": count,
                        }
                    )
    return pd.DataFrame(rows, columns=["cell", "op", "variant", "ns_lo", "ns_hi", "count"])
