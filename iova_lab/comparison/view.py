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
from iova_lab.measuring.statistics import Ratio

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
    ratio = verdict.ratio or Ratio(math.nan, math.nan, math.nan)
    return {
        "cell": verdict.cell.cell.name,
        "base": result.subjects[0].label,
        "candidate": result.subjects[verdict.which].label,
        "base_ns_per_op": base_ns,
        "base_stddev_percent": base_spread,
        "ns_per_op": ns,
        "stddev_percent": spread,
        "ratio": ratio.value,
        "ratio_lo": ratio.lo,
        "ratio_hi": ratio.hi,
        "visible_ratio": ratio.visible,
        "nr_processes": ratio.nr_processes,
        "nr_pairs": ratio.nr_rounds,
        "outcome": verdict.outcome,
        "verdict": verdict.text,
        "caveats": "; ".join(verdict.caveats),
    }


def metrics(cell: CellResult, which: int) -> dict[str, float]:
    """Everything but the ratio that is known of one variant in one cell, in a reader's order."""
    return dict(_metrics(cell, which))


def _metrics(cell: CellResult, which: int) -> Iterator[tuple[str, float]]:
    for kind in KINDS:
        if found := latency.of(cell, which, kind):
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
    judged = {"spurious failures": counts.nr_spurious, "answers above limit": counts.nr_above_limit}
    for name, nr_found in judged.items():
        yield name, math.nan if nr_found is None else nr_found
    yield "bytes/range", counts.bytes_per_range
    yield "node bytes", counts.node_bytes
    yield "span/live pfn", counts.span_per_pfn


def detail_texts(result: Comparison, cell: CellResult) -> pd.DataFrame:
    """Metrics of one cell as text: a row per metric, a column per variant.

    Every candidate's value has its change against the base beside it.
    """
    columns = {subject.label: metrics(cell, which) for which, subject in enumerate(result.subjects)}
    numbers = pd.DataFrame(columns)
    base = numbers[result.subjects[0].label]
    texts = {"": list(numbers.index)}
    for which, label in enumerate(numbers.columns):
        texts[label] = [
            _text(metric, value, reference if which else None)
            for metric, value, reference in zip(numbers.index, numbers[label], base, strict=True)
        ]
    return pd.DataFrame(texts)


def _text(metric: str, value: float, reference: float | None) -> str:
    text = number(value, exact="ns" not in metric.split())
    if reference is None or math.isnan(value) or metric.endswith(NOISE):
        return text
    if math.isnan(reference) or not reference or not value:
        return f"{text} ({'=' if value == reference else '-':>8})"
    return f"{text} ({change(value / reference):>8})"


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
    rows = [
        (cell.cell.name, kind, subject.label, bucket.lo, bucket.hi, count)
        for cell in result.cells
        for kind, buckets in latency.histograms(cell, len(result.subjects)).items()
        for bucket in buckets
        for subject, count in zip(result.subjects, bucket.counts, strict=True)
    ]
    return pd.DataFrame(rows, columns=["cell", "op", "variant", "ns_lo", "ns_hi", "count"])
