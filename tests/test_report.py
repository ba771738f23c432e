"""Figures, answers, page and mail say what the frame supports, and nothing else."""

from __future__ import annotations

import itertools
import math
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.measuring import scaling, scorecard
from iova_lab.measuring.catalogue import fake_variants
from iova_lab.measuring.cells import number
from iova_lab.measuring.metrics import METRICS
from iova_lab.measuring.results import ResultsError, find_run, tidy
from iova_lab.measuring.scaling import exponents
from iova_lab.measuring.statistics import Interval
from iova_lab.rendering import figures, labels, looks
from iova_lab.rendering.pages import read_page
from iova_lab.rendering.plain_text import shortened
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import change, coinciding, common_size, missing
from iova_lab.rendering.workload_figure import workload_figure
from iova_lab.reports import finding, mail, overview, thread_2026, variant_figure
from iova_lab.reports.contents import write_contents
from iova_lab.reports.report import headline, write_report
from iova_lab.reports.report_data import gather
from iova_lab.reports.thread import Answer, Thread, growth_lines, judge
from iova_lab.reports.thread_2017 import answer
from tests.support import asv_files
from tests.support.alike import assert_alike, assert_folders_alike
from tests.support.drawn import drawn

pytestmark = pytest.mark.slow

FAKES = frozenset({"null"})
REPORTED = ["lost_space", "near_empty", "startup"]


def frame_of(root: Path, **replaced: Any) -> pd.DataFrame:
    asv_files.suite(**replaced).write(root)
    return tidy(root, find_run(root, "lab-1"))


def answers(root: Path, **replaced: Any) -> list[Answer]:
    frame = frame_of(root, **replaced)
    return answer(frame, exponents(frame, FAKES))


def shaped(**exponent: float) -> Any:
    """Make nodes per op on startup n ** exponent for the variants named, else as ever."""

    def nodes(variant: str, workload: str, nr_live: int) -> float:
        if workload == "startup" and variant in exponent:
            return math.pow(nr_live, exponent[variant])
        return asv_files.nodes(variant, workload, nr_live)

    return nodes


# The thread of 2017


def test_the_thread_as_the_lineage_would_answer_it(tmp_path: Path) -> None:
    linear, flat, redundant, unsolved = answers(tmp_path)
    assert linear.verdict.startswith("Yes: ")
    assert flat.verdict.startswith("Yes: ")
    assert redundant.verdict.startswith("Yes: on startup, the case of his patch")
    assert "the same within 5% on startup, ring, random_replace, near_empty" in redundant.verdict
    assert len(unsolved.evidence) == 2
    assert "random_replace: linear" in unsolved.evidence[0]
    assert "lost_space at 100,000: 150 and 150 requests" in unsolved.evidence[1]


@pytest.mark.parametrize(
    ("shapes", "index", "verdict"),
    [
        ({"cached32": 0.0}, 0, "No: it is flat."),
        ({"cached32": 0.5}, 0, "No: it grows, but not linearly."),
        ({"cached64": 1.0}, 1, "No: it is still linear."),
        ({"cached64": 1.0}, 2, "No: on startup cached64 is linear, anchor is constant."),
        ({"anchor": 1.0}, 2, "No: on startup cached64 is constant, anchor is linear."),
        ({"anchor": 1.0, "cached64": 1.0}, 2, "Yes, by growth: on startup both are linear."),
    ],
)
def test_other_measurements_give_other_answers(
    tmp_path: Path, shapes: dict[str, float], index: int, verdict: str
) -> None:
    assert answers(tmp_path, nodes_per_op=shaped(**shapes))[index].verdict.startswith(verdict)


def test_what_is_not_known_is_not_answered(tmp_path: Path) -> None:
    few = answers(tmp_path / "few", sizes=[100, 1000])
    assert few[0].verdict == "Undecided: fewer than 3 sizes a decade apart."
    assert few[2].verdict.startswith("Undecided: the growth of cached64 and anchor")

    absent = answers(tmp_path / "absent", variants=["anchor", "mainline", "null"])
    assert absent[0].verdict == "Not measured: not measured in this run."
    assert absent[2].verdict.startswith("Undecided: the growth of cached64 on startup")

    failed = answers(tmp_path / "failed", nodes_per_op=lambda *_: None)
    assert failed[0].verdict.startswith("Not measured: failed")


def test_nothing_unsolved_is_claimed_where_nothing_shows(tmp_path: Path) -> None:
    assert (
        len(answers(tmp_path, nodes_per_op=lambda *_: 2.0, spurious_failures=lambda *_: 0.0)) == 3
    )


def test_a_slower_anchor_is_called_slower(tmp_path: Path) -> None:
    def seconds(variant: str, workload: str, nr_live: int) -> Any:
        cost = asv_files.seconds(variant, workload, nr_live)
        if variant != "anchor" or not isinstance(cost, list):
            return cost
        return [1.2 * sample for sample in cost]

    redundant = answers(tmp_path, ns_per_op=seconds)[2]
    assert "slower on startup, ring, random_replace, near_empty" in redundant.verdict
    assert "( +20.0% [" in redundant.evidence[0]


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((1.06, 1.5), "slower"),
        ((0.5, 0.94), "faster"),
        ((0.96, 1.04), "the same within 5%"),
        ((0.9, 1.2), "no difference beyond 5% shown"),
        ((1.01, 1.2), "no difference beyond 5% shown"),
        ((math.nan, math.nan), "not comparable in time: no interval"),
    ],
)
def test_judge_claims_what_the_whole_interval_supports(
    bounds: tuple[float, float], words: str
) -> None:
    assert judge(Interval(1.0, *bounds)) == words


# Numbers and tables


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (2, "2"),
        (2.004, "2.00"),
        (9.999, "10.0"),
        (862.4, "862"),
        (999.9, "1,000"),
        (123456, "123,456"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (Interval(1.024, 1.016, 1.031), "( +2.4% [+1.6..+3.1] )"),
        (Interval(0.5, 0.5, 0.5), "( -50.0% )"),
        (Interval(0.769, math.nan, math.nan), "-"),
        (Interval(0.769, 0.6, 1.1), "( none shown [-40.0..+10.0%] )"),
        (Interval(0.99999, 0.99999, 0.99999), "( +0.0% )"),
        (Interval(930.0, 519.0, 954.0), "( x930 [519..954] )"),
        (Interval(0.00042, 0.00042, 0.00042), "( x0.000420 )"),
        (Interval(0.00042, 0.0004, 0.0005), "( x0.000420 [0.000400..0.000500] )"),
        (Interval(math.nan, math.nan, math.nan), "-"),
    ],
)
def test_change(ratio: Interval, text: str) -> None:
    assert change(ratio) == text


def test_every_missing_cell_is_named_once_with_its_reason(tmp_path: Path) -> None:
    def why_not(variant: str, workload: str, nr_live: int) -> float:
        return 2.0 if (variant, nr_live) == ("cached32", 100_000) else 0.0

    def nodes(variant: str, workload: str, nr_live: int) -> float | None:
        if variant == "anchor" and nr_live == 1000:
            return None
        return math.nan if why_not(variant, workload, nr_live) else 2.0

    frame = frame_of(tmp_path, nodes_per_op=nodes, why_not=why_not, workloads=["ring"])
    lines = missing(frame, "ring", FAKES)
    assert sorted(line.partition(":")[0] for line in lines) == [
        "anchor at 1,000 (nodes)",
        "cached32 at 100,000 (nodes)",
    ]
    assert "node budget" in next(line for line in lines if "cached32" in line)


def test_the_common_size_is_the_largest_that_all_share(tmp_path: Path) -> None:
    def seconds(variant: str, workload: str, nr_live: int) -> Any:
        far = (variant, nr_live) == ("cached32", 100_000)
        return math.nan if far else asv_files.seconds(variant, workload, nr_live)

    frame = frame_of(tmp_path, ns_per_op=seconds)
    assert common_size(frame, "startup", FAKES) == 10_000
    assert common_size(frame, "near_empty", FAKES) == 100


def test_curves_that_coincide_are_named(tmp_path: Path) -> None:
    frame = frame_of(tmp_path)
    assert coinciding(frame, "startup") == ["anchor = cached64 = mainline"]


def test_fakes_are_known_by_their_claim_or_by_name() -> None:
    assert fake_variants({"null", "mainline", "gone"}) == FAKES


# Figures


def lines_of(figure: Figure, panel: int) -> dict[str, Any]:
    """Curves with markers by their points, of one panel."""
    return {
        str(line.get_xydata().tolist()): line  # type: ignore[union-attr]
        for line in figure.axes[panel].get_lines()
        if line.get_linestyle() not in ("None", "")
    }


def test_a_curve_has_every_measured_point_and_ticks_only_there(tmp_path: Path) -> None:
    frame = frame_of(tmp_path)
    figure = workload_figure(frame, "startup", FAKES, "a finding")
    for axes in figure.axes:
        assert axes.get_xticks().tolist() == asv_files.SIZES
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    rows = frame[(frame["workload"] == "startup") & (frame["variant"] == "cached32")]
    nodes = rows[rows["metric"] == "nodes_per_op"][["nr_live", "value"]].astype(float)
    assert str(nodes.to_numpy().tolist()) in lines_of(figure, 1)


def names_in(axes: Axes) -> list[str]:
    """Names written beside curves, one by one, without line breaks."""
    words = " ".join(text.get_text() for text in axes.texts).replace(",", " ")
    return [word for word in words.split() if word in asv_files.VARIANTS]


def test_every_curve_has_its_name_beside_it_and_the_floor_too(tmp_path: Path) -> None:
    figure = workload_figure(frame_of(tmp_path), "startup", FAKES, "a finding")
    assert not figure.legends
    for axes in figure.axes:
        assert sorted(names_in(axes)) == ["anchor", "cached32", "cached64", "mainline"]
    nodes = [text.get_text().replace("\n", " ") for text in figure.axes[1].texts]
    assert nodes == ["anchor, cached64, mainline", "cached32"]
    floors = [line for line in figure.axes[0].get_lines() if line.get_color() == figures.FLOOR]
    assert [line.get_linestyle() for line in floors] == ["--"]
    assert "null: the floor" in [text.get_text() for text in figure.axes[0].texts]


def test_refusals_are_marked_on_the_curve(tmp_path: Path) -> None:
    """Whoever refuses looks fast."""
    frame = frame_of(tmp_path)
    figure = workload_figure(frame, "lost_space", FAKES, "a finding")
    rows = frame[(frame["workload"] == "lost_space") & (frame["metric"] == "spurious_failures")]
    refusing = set(rows[rows["value"] > 0]["variant"])
    assert refusing == {"anchor", "cached32", "cached64"}
    for axes in figure.axes:
        marks = marks_of(axes)
        sizes = {len(np.asarray(line.get_xydata())) for line in marks} - {0}
        assert sizes == {len(asv_files.SIZES)}
    text = " ".join(text.get_text() for text in figure.axes[0].texts).replace("\u00a0", " ")
    assert all(f"{name} x150" in text for name in refusing)
    assert "mainline x" not in text
    near = workload_figure(frame, "random_replace", FAKES, "a finding")
    assert not any(len(np.asarray(line.get_xydata())) for line in marks_of(near.axes[0]))


def marks_of(axes: Axes) -> list[Any]:
    return [line for line in axes.get_lines() if line.get_marker() == figures.REFUSAL]


def test_labels_keep_their_distance_and_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        places, heights = rng.uniform(0, 60, 12), rng.choice([10.0, 20.0], 12)
        moved = labels.spread(places.tolist(), heights.tolist())
        order = np.argsort(places)
        gaps = np.diff(moved[order]) - (heights[order][1:] + heights[order][:-1]) / 2
        assert gaps.min() > -1e-9
    assert labels.spread([0.0, 50.0], [10.0, 10.0]).tolist() == [0, 50]
    assert labels.spread([0.0, 50.0], [10.0, 10.0], (0, 52)).tolist() == [5, 47]
    assert labels.spread([9.0, 9.0], [10.0, 10.0], (0, 12)).tolist() == [1, 11]


def test_the_finding_stands_above(tmp_path: Path) -> None:
    figure = workload_figure(frame_of(tmp_path), "startup", FAKES, "one grows")
    assert figure.get_suptitle() == "one grows"


def test_findings_say_who_grows_and_who_refuses(tmp_path: Path) -> None:
    frame = frame_of(tmp_path)
    table, ratios = exponents(frame, FAKES), scaling.ratios(frame, "mainline", FAKES)

    def found(workload: str) -> str:
        return finding.of_workload(frame, table, ratios, workload, "mainline", FAKES)

    assert found("startup").startswith("1 of 4 allocators visits nodes in proportion")
    assert "fewest nodes at 100,000 live ranges: anchor, cached64, mainline" in found("startup")
    assert found("near_empty").startswith("fewest nodes at 100 live ranges")
    assert finding.faults_of_workload(frame, "lost_space") == [
        "Fails spuriously: anchor, cached32, cached64."
    ]
    assert finding.faults_of_workload(frame, "ring") == ["Exceeds the limit: cached32."]
    nothing = frame_of(tmp_path / "none", nodes_per_op=lambda *_: None)
    assert finding.of_workload(
        nothing, exponents(nothing, FAKES), ratios, "ring", "mainline", FAKES
    ) == ("No nodes were counted.")
    assert "Fails spuriously on lost_space." in finding.of_variant(frame, "anchor", "mainline")


def test_fewer_nodes_in_more_time_is_one_sentence(tmp_path: Path) -> None:
    """Seen: candidate's nodes praised on aligned_holes, where its time is x1.7 mainline's."""

    def slow(variant: str, workload: str, nr_live: int) -> Any:
        cost = asv_files.seconds(variant, workload, nr_live)
        return [1.7 * x for x in cost] if variant == "anchor" and isinstance(cost, list) else cost

    frame = frame_of(
        tmp_path,
        nodes_per_op=lambda v, w, n: 1.0 if v == "anchor" else 2.0,
        ns_per_op=slow,
        spurious_failures=lambda *_: 0.0,
    )
    table, ratios = exponents(frame, FAKES), scaling.ratios(frame, "mainline", FAKES)
    said = finding.of_workload(frame, table, ratios, "startup", "mainline", FAKES)
    assert "fewest nodes at 100,000 live ranges: anchor, x0.500 of mainline's" in said
    assert said.endswith("but x1.70 of its time.")
    # Seen: as fast at the largest size, where the baseline's interval is wide, and x2.2 at 100.
    there = ratios["nr_live"] == 100_000
    rows = ratios.assign(lo=ratios["lo"].where(~there, 0.9))
    less = (rows["nr_live"] == 100) & (rows["variant"] == "anchor")
    rows = rows.assign(ratio=rows["ratio"].where(~less, 2.2))
    said = finding.of_workload(frame, table, rows, "startup", "mainline", FAKES)
    assert said.endswith("but x2.20 of its time at 100.")


def quick(**replaced: Any) -> dict[str, Any]:
    """What `make bench` measured before it counted the worst op: nothing of it, nor coverage."""
    absent = {"worst_nodes": lambda *_: math.nan, "why_not": lambda *_: math.nan}
    return absent | replaced


def test_a_worst_op_that_was_not_measured_is_not_a_short_one(tmp_path: Path) -> None:
    """Seen: "6 never walk", no_cache among them; "0 of 0 allocators" over an empty figure."""
    asv_files.suite(**quick(spurious_failures=lambda *_: 0.0, above_limit=lambda *_: 0.0)).write(
        tmp_path
    )
    data = gather(tmp_path, "lab-1", "mainline", None)
    assert headline(data).startswith("Which allocators have a pathological workload was not")
    assert all(one.finding.startswith("Worst op not measured.") for one in data.variants)
    figure = overview.worst_ops(data.frame, FAKES)
    assert figure.get_suptitle() == "Worst operation: not measured"
    assert [text.get_text() for text in figure.axes[0].texts] == ["not measured"]
    thread = {
        one.question: one.verdict
        for one in thread_2026.answer(
            data.frame, pd.DataFrame(columns=["variant", "workload", "metric"])
        )
    }
    assert thread["Does mainline scan live ranges linearly?"] == "Worst op not measured."
    assert "worst op at" in data.facts
    assert data.facts["worst op at"] == "not measured"


def test_times_whose_samples_do_not_agree_are_named(tmp_path: Path) -> None:
    def seconds(variant: str, workload: str, nr_live: int) -> Any:
        samples: Any = asv_files.seconds(variant, workload, nr_live)
        wild = (variant, workload, nr_live) == ("anchor", "ring", 1000)
        return [samples[0], *(3 * one for one in samples[1:])] if wild else samples

    asv_files.suite(ns_per_op=seconds).write(tmp_path)
    said = gather(tmp_path, "lab-1", "mainline", None).facts["wide intervals"]
    assert re.fullmatch(
        r"1 of \d+ times, more than x2 from end to end: anchor on ring at 1,000, x[23]\.\d+", said
    )
    asv_files.suite().write(tmp_path)
    assert gather(tmp_path, "lab-1", "mainline", None).facts["wide intervals"].startswith("0 of ")


def test_workloads_that_were_not_measured_are_named(tmp_path: Path) -> None:
    asv_files.suite().write(tmp_path)
    missing = sorted(set(workloads.names()) - set(asv_files.WORKLOADS))
    facts = gather(tmp_path, "lab-1", "mainline", None).facts
    said = f"{len(asv_files.WORKLOADS)}; not measured: {', '.join(missing)}"
    assert facts["workloads"] == said


def test_a_fault_is_known_although_the_worst_op_is_not(tmp_path: Path) -> None:
    asv_files.suite(**quick()).write(tmp_path)
    said = headline(gather(tmp_path, "lab-1", "mainline", None))
    assert said == (
        "0 of 4 allocators have no pathological workload; 1 of them can't be judged by what was"
        " measured."
    )


def test_an_allocator_is_clean_only_if_all_was_measured(tmp_path: Path) -> None:
    def worst(variant: str, workload: str, nr_live: int) -> float:
        if variant == "cached64" and workload == "ring":
            return math.nan
        return asv_files.nodes(variant, workload, nr_live) if workload != "random_replace" else 9.0

    sound = {"spurious_failures": lambda *_: 0.0, "above_limit": lambda *_: 0.0}
    frame = frame_of(tmp_path, worst_nodes=worst, **sound)
    assert scorecard.is_clean(frame, "mainline") is True
    assert scorecard.is_clean(frame, "cached64") is None
    assert scorecard.is_clean(frame, "cached32") is False
    assert [scan.workload for scan in scorecard.linear_scans(frame, "cached32")] == ["startup"]


def test_the_overview_draws_each_workload_at_one_size(tmp_path: Path) -> None:
    """Seen: 10^6 live ranges for mainline beside 10^5 for others, in one scale of grey."""

    def worst(variant: str, workload: str, nr_live: int) -> float:
        far = nr_live == 100_000 and variant != "mainline"
        return math.nan if far or not asv_files.exists(workload, nr_live) else float(nr_live)

    frame = frame_of(tmp_path, worst_nodes=worst, variants=["anchor", "mainline", "null", "retry"])
    axes = overview.worst_ops(frame, FAKES).axes[0]
    labels = {label.get_text() for label in axes.get_xticklabels()}
    assert {"ring @ 10k", "startup @ 10k", "near_empty @ 100"} <= labels
    assert {text.get_text().split()[0] for text in axes.texts} == {"10k", "100"}
    shades = np.unique(np.asarray(axes.images[0].get_array()))
    assert shades.tolist() == [1e-4, 1.0]


def test_a_ratio_of_a_variant_has_one_size_for_nodes_and_time(tmp_path: Path) -> None:
    """Seen: nodes at 10^6 beside ns at 10^4 on one row."""

    def seconds(variant: str, workload: str, nr_live: int) -> Any:
        return asv_files.seconds(variant, workload, nr_live) if nr_live <= 10_000 else math.nan

    frame = frame_of(tmp_path, ns_per_op=seconds)
    rows = variant_figure.one_size(scaling.ratios(frame, "mainline", FAKES), "anchor")
    assert set(rows.groupby("workload")["nr_live"].nunique()) == {1}
    assert set(rows[rows["workload"] == "ring"]["row"]) == {"ring @ 10k"}
    assert set(rows[rows["workload"] == "ring"]["metric"]) == {"nodes_per_op", "ns_per_op"}
    figure = variant_figure.variant_figure(frame, "anchor", "mainline", FAKES)
    assert "ring @ 10k" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_the_common_case_carries_its_sizes(tmp_path: Path) -> None:
    """Seen: "ring, 1,000,000 live: ns/op +189.3 %" where no time was taken at 10^6."""

    def seconds(variant: str, workload: str, nr_live: int) -> Any:
        return asv_files.seconds(variant, workload, nr_live) if nr_live <= 10_000 else math.nan

    frame = frame_of(tmp_path, variants=["candidate", "mainline", "null"], ns_per_op=seconds)
    said = {one.question: one for one in thread_2026.answer(frame, exponents(frame, FAKES))}
    lines = said["Is candidate no more expensive than mainline in the common case?"].evidence
    ring = [line for line in lines if line.startswith("ring")]
    assert ["ns/op" in line for line in ring if "100,000 live" in line] == [False]
    assert ["ns/op" in line for line in ring if " 10,000 live" in line] == [True]


def test_one_size_is_written_once(tmp_path: Path) -> None:
    """Seen: "ns/op: 29,626 at 10,000, 29,626 at 10,000"."""

    def seconds(variant: str, workload: str, nr_live: int) -> Any:
        return [29_626e-9 * 1200] * 8 if nr_live == 10_000 else math.nan

    frame = frame_of(tmp_path, ns_per_op=seconds)
    lines = growth_lines(Thread(frame, exponents(frame, FAKES)), "mainline", "startup")
    assert "ns/op: 29,600 at 10,000 live ranges." in lines


def walking(variant: str, workload: str, nr_live: int) -> float:
    """Let augmented walk on high_limit only, mainline everywhere but in the common case."""
    walks = {"augmented": ["high_limit"], "mainline": ["high_limit", "random_replace"]}
    return float(nr_live if workload in walks.get(variant, []) else 20)


def test_the_thread_of_2026_is_answered_by_what_walks(tmp_path: Path) -> None:
    frame = frame_of(
        tmp_path,
        variants=["augmented", "mainline", "maple", "null"],
        workloads=["high_limit", "near_empty", "random_replace", "ring"],
        worst_nodes=walking,
        spurious_failures=lambda variant, *_: 3.0 if variant == "maple" else 0.0,
    )
    said = {one.question: one for one in thread_2026.answer(frame, exponents(frame, FAKES))}
    scans = said["Does mainline scan live ranges linearly?"].verdict
    assert scans.startswith("Yes, on 2 workloads, fragmented ones among them")
    ends = said["Does augmented end the linear scans?"]
    assert ends.verdict == "No: it still scans on high_limit."
    assert ends.evidence[-1] == "No linear scan on: random_replace."
    assert said["Does maple end the linear scans?"].verdict == (
        "Yes, on every workload measured: no op visits more than 20 nodes."
    )
    assert said["Does any fail spuriously?"].verdict == "Yes: maple."
    assert thread_2026.headline(frame) == "Allocators without a pathological workload: none."
    sentences = thread_2026.summaries(frame)
    assert "fails spuriously on high_limit, near_empty, random_replace, ring" in sentences[1]
    assert not any("alignable" in one for one in sentences)


def test_without_mainline_the_thread_of_2026_has_no_answer(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, variants=["anchor", "maple", "null"])
    assert thread_2026.headline(frame) == "Not measured: mainline is not in these results."
    assert thread_2026.answer(frame, exponents(frame, FAKES)) == []


def test_twenty_variants_are_told_apart_without_colour() -> None:
    names = [f"variant_{index}" for index in range(20)]
    found = looks.styles(names)
    assert len({(str(look["marker"]), str(look["linestyle"])) for look in found.values()}) == 20
    assert len({look["markersize"] for look in found.values()}) == 20


LOOK = ("color", "marker", "linestyle")


def test_a_variant_has_one_look_whatever_else_is_drawn() -> None:
    alone = looks.styles(["candidate"])["candidate"]
    among = looks.styles(sorted([*looks.ORDER, "mine"]))
    assert [alone[key] for key in LOOK] == [among["candidate"][key] for key in LOOK]
    assert len({tuple(str(look[key]) for key in LOOK) for look in among.values()}) == len(among)
    black = [name for name, look in among.items() if look["color"] == "#000000"]
    assert black == ["mainline"]


def test_mainline_is_drawn_on_top_and_thin() -> None:
    found = looks.styles(sorted(looks.ORDER))
    assert max(found, key=lambda name: float(found[name]["zorder"])) == "mainline"
    assert min(found, key=lambda name: float(found[name]["linewidth"])) == "mainline"


def boxes(figure: Figure) -> list[tuple[str, Any]]:
    """Every text of a figure, with its place in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw(renderer)
    found = []
    for axes in figure.axes:
        texts = [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label, axes._left_title]  # type: ignore[attr-defined]
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels()]
        found += [(text.get_text(), Text.get_window_extent(text, renderer)) for text in texts]
    assert figure._suptitle is not None  # type: ignore[attr-defined]
    found.append(("title", figure._suptitle.get_window_extent(renderer)))  # type: ignore[attr-defined]
    return [(text, box) for text, box in found if text and box.width]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes(figure), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5
    ]


def cut_off(figure: Figure) -> list[str]:
    width, height = figure.get_size_inches() * figure.dpi
    return [
        text
        for text, box in boxes(figure)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]


def many(variant: str, workload: str, nr_live: int) -> float:
    """Curves that end close to each other, some of them early."""
    late = looks.ORDER.index(variant) % 3 if variant in looks.ORDER else 0
    if not asv_files.exists(workload, nr_live) or (late and nr_live > 10_000):
        return math.nan
    return 12.0 + looks.ORDER.index(variant) / 9 if variant in looks.ORDER else 0.0


@pytest.mark.parametrize("workload", ["startup", "near_empty", "lost_space"])
def test_no_text_of_a_figure_lies_over_another_or_is_cut_off(tmp_path: Path, workload: str) -> None:
    """Also where curves end at different sizes, with long names and a title of three lines."""
    frame = frame_of(
        tmp_path,
        variants=sorted([*looks.ORDER, "null"]),
        nodes_per_op=many,
        ns_per_op=lambda v, w, n: many(v, w, n) * 1e-6 if n in (100, 10_000) else math.nan,
    )
    figure = workload_figure(frame, workload, FAKES, "a long finding, " * 20)
    assert overlaps(figure) == []
    assert cut_off(figure) == []


def test_a_metric_of_one_size_is_dots_beside_the_curves_of_the_other(tmp_path: Path) -> None:
    frame = frame_of(
        tmp_path,
        ns_per_op=lambda v, w, n: asv_files.seconds(v, w, n) if n == 10_000 else math.nan,
    )
    dots, curves = workload_figure(frame, "startup", FAKES, "a finding").axes
    assert dots.get_title(loc="left") == "at 10,000 live ranges"
    assert "mainline" in [label.get_text() for label in dots.get_yticklabels()]
    assert curves.get_xticks().tolist() == asv_files.SIZES


def test_ticks_are_of_one_kind(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, nodes_per_op=lambda *cell: 29.0 + math.log2(cell[2]))
    axes = workload_figure(frame, "startup", FAKES, "a finding").axes[1]
    FigureCanvasAgg(axes.figure).draw()  # type: ignore[arg-type, no-untyped-call]
    ticks = axes.get_yticklabels() + axes.get_yticklabels(minor=True)
    written = [label.get_text() for label in ticks]
    assert {"20", "50"} <= set(written)
    assert not any("$" in text or "^" in text for text in written)


def test_what_a_figure_draws_can_be_compared(tmp_path: Path) -> None:
    frame = frame_of(tmp_path)
    one, same = (workload_figure(frame, "startup", FAKES, "a finding") for _ in range(2))
    assert drawn(one) == drawn(same)
    other = frame_of(tmp_path / "other", nodes_per_op=shaped(anchor=0.5))
    assert drawn(workload_figure(other, "startup", FAKES, "a finding")) != drawn(one)
    title, (ns, _) = drawn(one)
    assert title == "a finding"
    assert ns.labels == ("live ranges", "ns per op")


def test_one_size_makes_a_dot_per_variant(tmp_path: Path) -> None:
    figure = workload_figure(frame_of(tmp_path), "near_empty", FAKES, "a finding")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert sorted(labels) == ["anchor", "cached32", "cached64", "mainline"]
    assert figure.axes[0].get_title(loc="left") == "at 100 live ranges"


def test_a_workload_without_values_has_an_empty_figure(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, ns_per_op=lambda *_: None, nodes_per_op=lambda *_: math.nan)
    paths = save(workload_figure(frame, "ring", FAKES, "a finding"), tmp_path / "ring")
    assert [path.stat().st_size > 0 for path in paths] == [True, True]


def test_equal_data_gives_equal_figures(tmp_path: Path) -> None:
    frame = frame_of(tmp_path)
    for workload in ("startup", "near_empty"):
        saved = [
            save(workload_figure(frame, workload, FAKES, "a finding"), tmp_path / name)
            for name in ("first", "second")
        ]
        for first, second in zip(*saved, strict=True):
            assert_alike(first, second)
        assert ET.parse(saved[0][0]).getroot().tag.endswith("svg")
        assert np.ptp(imread(saved[0][1])) > 0


# The whole report


class Links(HTMLParser):
    """What a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a whole report once; the path of its index.html."""
    root = tmp_path_factory.mktemp("results")
    asv_files.suite(workloads=REPORTED).write(root)
    return write_report(root, "lab-1", "mainline", root.parent / "report")


def test_every_page_is_whole_and_needs_nothing_from_outside(report: Path) -> None:
    pages = sorted(report.parent.rglob("*.html"))
    # Each of the three folders has a glossary.
    assert len(pages) == 3 + 1 + 2 + len(REPORTED) + len(asv_files.VARIANTS) - 1
    for page in pages:
        parser = Links()
        parser.feed(page.read_text())
        for link in parser.found:
            if link == "../index.html":
                continue  # of all reports: `iova-lab report contents` writes it
            path, _, anchor = link.partition("#")
            assert (page.parent / path).is_file(), (page, link)
            assert not anchor or f'id="{anchor}"' in (page.parent / path).read_text(), (page, link)


def test_every_page_asks_and_answers(report: Path) -> None:
    for page in report.parent.rglob("*.md"):
        assert read_page(page).answer.startswith("**")


def test_what_comes_from_the_results_is_escaped(report: Path) -> None:
    page = report.read_text()
    assert "a &lt;fast&gt; one" in page
    assert "<fast>" not in page


def test_the_summary_is_the_frame(report: Path, tmp_path: Path) -> None:
    summary = pd.read_csv(report.parent / "summary.csv", parse_dates=["date"])
    frame = frame_of(tmp_path, workloads=REPORTED)
    assert len(summary) == len(frame) > len(METRICS)
    assert summary["value"].sum() == pytest.approx(frame["value"].sum())


def test_the_same_results_give_the_same_report(report: Path, tmp_path: Path) -> None:
    asv_files.suite(workloads=REPORTED).write(tmp_path)
    first = report.parent
    second = write_report(tmp_path, "lab-1", "mainline", tmp_path / "out").parent
    names = [path.relative_to(first) for path in sorted(first.rglob("*")) if path.is_file()]
    nr_variants = len(asv_files.VARIANTS) - 1
    nr_figures = 3 + len(REPORTED) + nr_variants - 1  # none of mainline against itself
    nr_pages = 3 + len(REPORTED) + nr_variants
    nr_texts = 3 + len(REPORTED)
    assert len(names) == 2 * nr_figures + 2 * nr_pages + nr_texts + 3 + 1
    assert_folders_alike(second, first)


def test_every_mail_fits_and_says_how_to_make_it_again(report: Path) -> None:
    texts = {path.name: path.read_text() for path in report.parent.rglob("*.txt")}
    assert set(texts) == {
        "mail.txt",
        "thread-2017.txt",
        "thread-2026.txt",
        *(f"{name}.txt" for name in REPORTED),
    }
    for text in texts.values():
        assert max(map(len, text.splitlines())) <= 72
        assert text.isascii()
        assert "iova-lab report --machine lab-1 --baseline mainline" in text
        assert "asv run --machine lab-1" in text
    text = texts["mail.txt"]
    assert text.index("Was David Woods right") < text.index("startup: 1 of 4 allocators")
    lost = texts["lost_space.txt"]
    assert "refused 150, spurious 150: anchor, cached32, cached64" in lost
    near = " ".join(texts["near_empty.txt"].split())
    assert "1,000, 10,000, 100,000: not applicable: the workload has no such size" in near
    for text in texts.values():
        assert text.count("\n") <= 120
        for fact in ("machine:", "commit:", "compiled with:", "load:", "drift:"):
            assert fact in text


def test_long_names_still_fit_the_mail(tmp_path: Path) -> None:
    long = "a_variant_with_a_name_as_long_as_its_author_cared"
    asv_files.suite(variants=[*asv_files.VARIANTS, long]).write(tmp_path)
    texts = mail.render(gather(tmp_path, "lab-1", long, None), "A sentence.")
    assert max(len(line) for text in texts.values() for line in text.splitlines()) <= 72
    assert long in texts["mail.txt"]


def test_a_quick_run_reports_without_intervals(tmp_path: Path) -> None:
    def once(variant: str, workload: str, nr_live: int) -> Any:
        cost = asv_files.seconds(variant, workload, nr_live)
        return cost[:1] if isinstance(cost, list) else cost

    asv_files.suite(ns_per_op=once).write(tmp_path)
    data = gather(tmp_path, "lab-1", "mainline", None)
    startup = next(section for section in data.sections if section.workload == "startup")
    table = startup.growth.set_index("variant")
    assert table.loc["cached32", "nodes: class"] == "linear"
    assert table.loc["cached32", "ns: class"] == "undecided"
    answers = data.threads[0].answers
    assert answers[0].verdict.startswith("Yes")
    assert "not comparable in time" in answers[2].verdict


def test_a_workload_that_was_not_run_says_so_and_has_no_figure(tmp_path: Path) -> None:
    def seldom(variant: str, workload: str, nr_live: int) -> float:
        return math.nan if workload == "ring" else 2.0

    costs = {"nodes_per_op": seldom, "ns_per_op": seldom}
    left_over = tmp_path / "out" / "figures" / "ring.svg"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    asv_files.suite(**costs, workloads=["near_empty", "ring"]).write(tmp_path)
    index = write_report(tmp_path, "lab-1", "mainline", tmp_path / "out")
    drawn = {path.stem for path in (index.parent / "figures").iterdir()}
    assert "near_empty" in drawn
    assert "ring" not in drawn
    ring = (index.parent / "workloads" / "ring.md").read_text()
    assert "figures/ring" not in ring
    assert "all variants at 100, 1,000, 10,000, 100,000" in ring


def test_fakes_have_neither_ratio_nor_exponent(tmp_path: Path) -> None:
    asv_files.suite().write(tmp_path)
    for section in gather(tmp_path, "lab-1", "mainline", None).sections:
        row = section.costs.set_index("variant").loc["null"]
        assert row["ns/op vs mainline"] == "( floor )"
        assert "null" not in set(section.growth["variant"])


def test_a_bad_baseline_writes_nothing(tmp_path: Path) -> None:
    asv_files.suite().write(tmp_path)
    with pytest.raises(ResultsError, match="no baseline 'mapel'"):
        write_report(tmp_path, "lab-1", "mapel", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_line_writes_it_and_answers_mistakes_with_one_line(tmp_path: Path) -> None:
    asv_files.suite(workloads=["near_empty"]).write(tmp_path)
    common = ["report", "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, common)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "index.html").exists()
    wrong = CliRunner().invoke(main, [*common, "--machine", "lab-3"])
    assert wrong.exit_code == 1
    assert wrong.output.strip().endswith("there are: lab-1")
    assert len(wrong.output.strip().splitlines()) == 1


def test_the_contents_are_made_of_the_pages(report: Path, tmp_path: Path) -> None:
    shutil.copytree(report.parent, tmp_path / "lab-1")
    index = write_contents(tmp_path)
    text = index.read_text()
    for name in ("lab-1/index.html", "lab-1/thread-2017.html", "lab-1/thread-2026.html"):
        assert f'href="{name}"' in text
    assert "workloads/" not in text
    assert "Was David Woods right" in text
    first = index.read_text()
    assert write_contents(tmp_path).read_text() == first


def test_there_are_no_contents_of_nothing(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["report", "contents", "--out", str(tmp_path)])
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert line.startswith(f"iova-lab: no pages in {tmp_path} ")
    assert "`make reports` writes them" in line


def test_a_long_mail_is_cut_with_the_page_that_has_the_rest() -> None:
    text = "".join(f"line {index}\n" for index in range(300))
    lines = shortened(text, "thread-2026.txt").splitlines()
    assert len(lines) == 120
    assert lines[-1] == "[181 more lines: thread-2026.md]"
    assert shortened("a\n", "mail.txt") == "a\n"
