"""Does the candidate's API layer answer as the candidate, and offer the API as its callers use it?

And does the conformance test find what is wrong with a file?
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.linux import conformance, dropin
from iova_lab.linux.conformance import Outcome
from iova_lab.measuring import releases
from iova_variants import Rcache
from iova_variants._rcache import Kernel
from tests.support import dropin_tree
from tests.support.debian_texts import RCACHES, text_of
from tests.support.lab import random_stream, reserve, stream_of
from tests.support.rcache_streams import waves

pytestmark = pytest.mark.sanitize

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results/dropin"

#: What the kernel's file does for no caller, and the layer does not.
GIVEN_UP = {
    "fast_range_is_found",
    "fast_range_freed_by_pfn",
    "fast_range_freed_as_less",
    "fast_range_reserved_over",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return dropin_tree.write(tmp_path / "tree")


def failed(name: str) -> dict[str, Outcome]:
    return {one.case: one for one in conformance.run(name) if not one.passed}


# ---- the layer ----


def test_it_is_one_file_that_includes_headers_of_the_kernel_alone() -> None:
    included = re.findall(r"^\s*#\s*include\s*(.*)", dropin.text(), re.MULTILINE)
    assert included
    assert all(re.fullmatch(r"<(linux/[\w.]+)>", name) for name in included)
    for path in dropin.sources():
        assert path.read_text().splitlines()[-5] in dropin.text()


@pytest.mark.slow
@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_it_offers_the_api_but_for_what_no_caller_does(tmp_path: Path, release: str) -> None:
    name = f"linux:{dropin_tree.write(tmp_path / 'tree', release)}"
    found = failed(name)
    assert set(found) == GIVEN_UP
    assert not any(outcome.is_used for outcome in found.values())


@pytest.mark.parametrize("workload", ["random_replace", "full_32bit", "misaligned_gaps", "startup"])
def test_its_addresses_are_the_candidates(tree: Path, workload: str) -> None:
    stream = workloads.generate(workload, 200)
    found = iova_variants.replay(
        f"linux:{tree}", stream, pfns=True, judge=True, verify=True, build="counted"
    )
    candidate = iova_variants.replay("candidate", stream, pfns=True, build="counted")
    np.testing.assert_array_equal(found.pfns, candidate.pfns)
    assert (found.nr_spurious, found.nr_not_highest) == (0, 0)


@pytest.mark.skipif("IOVA_LAB_BUILD" in os.environ, reason="only the counted build counts hits")
@pytest.mark.parametrize(("release", "kernel"), [("6.12", "6.7"), ("7.3", "7.3")])
def test_its_magazines_are_those_of_the_release(
    tmp_path: Path, release: str, kernel: Kernel
) -> None:
    """As the lab's own in front of the candidate: addresses, hits, magazines and their bytes."""
    name = f"linux:{dropin_tree.write(tmp_path / 'tree', release)}"
    stream = waves(1, 6000, 3)
    pairs: list[tuple[str, Kernel]] = [(name, "own"), ("candidate", kernel)]
    results = [
        iova_variants.replay(
            variant,
            stream,
            pfns=True,
            build="counted",
            rcache=Rcache(rcache, nr_cpus=3, nr_possible=5, ns_per_op=0),
        )
        for variant, rcache in pairs
    ]
    np.testing.assert_array_equal(results[0].pfns, results[1].pfns)
    own, labs = (result.rcache for result in results)
    assert own is not None
    assert labs is not None
    assert own.nr_hits == labs.nr_hits
    assert own.nr_tree_frees == labs.nr_tree_frees
    assert own.nr_held == labs.nr_held
    assert own.magazine_bytes == labs.magazine_bytes
    assert sum(own.nr_hits) > 0


@pytest.mark.slow
def test_each_refused_request_for_memory_leaves_it_whole(tree: Path) -> None:
    name = f"linux:{tree}"
    rows = [reserve(slot, 100 * slot, 100 * slot + 9) for slot in range(1, 20)]
    rows += [reserve(20 + slot, 200 * slot + 5, 200 * slot + 130) for slot in range(1, 9)]
    for stream in (random_stream(3, 250, reserves=0.1), stream_of(rows)):
        nr_requests = iova_variants.replay(name, stream, build="counted").nr_memory_requests
        assert nr_requests > 20
        for number in range(1, nr_requests + 1):
            result = iova_variants.replay(
                name, stream, judge=True, verify=True, build="counted", fail_alloc_at=number
            )
            assert result.nr_spurious <= 1


@pytest.mark.slow
@pytest.mark.parametrize("series", ["6.12", "7.3"])
def test_behind_the_kernels_own_header_it_is_as_good(series: str) -> None:
    kernels = text_of(series)
    assert not failed(kernels)
    assert set(failed(kernels + dropin.SUFFIX)) == GIVEN_UP
    assert RCACHES[series]


#: A row of prices in docs/dropin.md: API, cell, quantity, and for two releases the kernel's figure,
#: the drop-in's and their ratio.
_PRICE = re.compile(
    r"^\| (fast API|`alloc_iova\(\)`), (\w+)(?:, ([\d,]+))?: (\w+)"
    r" \| ([\d.,]+) \| ([\d.,]+) \(([\d.]+)\) \| ([\d.,]+) \| ([\d.,]+) \(([\d.]+)\) \|",
    re.MULTILINE,
)


def test_the_prices_of_the_page_are_the_stored_ones() -> None:
    stored = {(row.source, row.rcache, row.cell): row for row in releases.load(RESULTS)}
    prices = _PRICE.findall((ROOT / "docs/dropin.md").read_text(encoding="utf-8"))
    assert len(prices) > 5
    for api, workload, nr_live, quantity, *figures in prices:
        cell = f"{workload}@{nr_live.replace(',', '') or 100}"
        rcache = "own" if api == "fast API" else "off"
        name = {"instructions": "instructions", "bytes": "bytes_per_range"}[quantity]
        for series, shown in (("6.12", figures[:3]), ("7.3", figures[3:])):
            kernel, dropin = (
                getattr(stored[f"debian-{series}{suffix}", rcache, cell], name)
                for suffix in ("", "+candidate")
            )
            for text, value in zip(shown, (kernel, dropin, dropin / kernel), strict=True):
                decimals = len(text.partition(".")[2])
                assert text == f"{value:,.{decimals}f}", (workload, quantity, series)


# ---- the test finds what is wrong ----

_RELEASE = "candidate.free_sized(holes, lo, record->iova.pfn_hi - lo + 1);"
#: A change, and a case that it has to fail.
BROKEN = {
    "nothing is given back": ({_RELEASE: ";"}, "alloc_all_there_is"),
    "one pfn too few is given back": (
        {_RELEASE: _RELEASE.replace(" + 1", "")},
        "alloc_all_there_is",
    ),
    "freed by its first pfn only": (
        {"record && record->iova.pfn_hi >= pfn ?": "record && record->iova.pfn_lo == pfn ?"},
        "free_by_any_pfn",
    ),
    "a reserve grows nothing": ({"piece.end <= pfn_hi) {": "false) {"}, "reserve_overlaps"),
    "a neighbour grows": ({"piece.end <= pfn_hi) {": "true) {"}, "reserve_overlaps"),
    "below start_pfn is not reserved": (
        {"if (!taken && lo < iovad->start_pfn)": "if (false)"},
        "reserve_overlaps",
    ),
    "a cached range above the limit": (
        {"if (likely(pfn <= highest)) {": "if (true) {"},
        "fast_cache",
    ),
    "the fast API is not aligned": (
        {"&space->holes, size, limit_pfn, true);": "&space->holes, size, limit_pfn, false);"},
        "fast_sizes",
    ),
    "a flush forgets the depots": (
        {"\tfree_global_cached_iovas(iovad);\n": ""},
        "fast_flush",
    ),
    "a flush forgets the CPUs": (
        {"\t\tfree_cpu_cached_iovas(cpu, iovad);\n": "\t\t;\n"},
        "fast_flush",
    ),
    "a CPU that goes keeps its magazines": (
        {
            "\tfree_cpu_cached_iovas(cpu, hlist_entry_safe(node, struct iova_domain,\n"
            "\t\t\t\t\t\t    cpuhp_dead));\n": ""
        },
        "cpu_hotplug",
    ),
    "no CPU has another's depot": (
        {"\tfull = depot_pop(rcache, 0);": "\tfull = NULL;"},
        "fast_depot",
    ),
    "a depot is never trimmed": (
        {"if (depot_trim(rcache, num_online_cpus()))": "if (false)"},
        "fast_depot_trimmed",
    ),
    "magazines leak": (
        {"\t\tkfree(per_cpu_ptr(rcache->cpu_rcaches, cpu)->loaded);\n": ""},
        "put_with_live_ranges",
    ),
    "records leak": ({"\trecords_put(&iovad->rbroot);\n": ""}, "put_with_live_ranges"),
    "a mixed free is by size": (
        {"if (unlikely(READ_ONCE(space->has_ranges)) && record_free(iovad, pfn))": "if (false)"},
        "slow_range_freed_fast",
    ),
    "a freed range is used": (
        {
            "\tcandidate.free_sized(holes, lo, record->iova.pfn_hi - lo + 1);\n"
            "\tkmem_cache_free(record_cache, record);": "\tkmem_cache_free(record_cache, record);\n"
            "\tcandidate.free_sized(holes, lo, record->iova.pfn_hi - lo + 1);"
        },
        "alloc_from_the_top",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "what",
    [pytest.param(what, marks=[pytest.mark.long] * (at > 3)) for at, what in enumerate(BROKEN)],
)
def test_a_broken_file_fails(tmp_path: Path, what: str) -> None:
    changes, case = BROKEN[what]
    name = f"linux:{dropin_tree.write(tmp_path / 'tree', changes=changes)}"
    found = failed(name)
    assert case in found, found
    assert found[case].reason


@pytest.mark.slow
def test_behind_a_case_that_ends_the_run_the_others_go_on(tmp_path: Path) -> None:
    """The kernel's words are the reason."""
    frees = "\tif (likely(record_free(iovad, pfn)) || !space)\n"
    changes = {frees: f"\tBUG_ON(pfn == 1008);\n{frees}"}
    name = f"linux:{dropin_tree.write(tmp_path / 'tree', changes=changes)}"
    outcomes = list(conformance.run(name))
    names = [one.case for one in outcomes]
    assert len(names) == len(set(names)) > 30
    wrong = {one.case: one.reason for one in outcomes if not one.passed and one.is_used}
    assert list(wrong) == ["tegra_drm"]
    assert wrong["tegra_drm"].startswith("kernel BUG at drivers/iommu/iova.c:")


# ---- the command ----


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.slow
def test_the_command_prints_a_table_and_fails_for_a_broken_file(tmp_path: Path) -> None:
    whole = f"linux:{dropin_tree.write(tmp_path / 'whole')}"
    changes, case = BROKEN["a depot is never trimmed"]
    broken = f"linux:{dropin_tree.write(tmp_path / 'broken', changes=changes)}"
    status, output, errors = run("kernel", "api", "--no-boot", whole)
    assert (status, errors) == (0, "")
    assert re.search(r"^dma_iommu .* pass .* drivers/iommu/dma-iommu.c", output, re.MULTILINE)
    assert re.search(r"^fast_range_is_found .* no .* none", output, re.MULTILINE)
    status, output, errors = run("kernel", "api", "--no-boot", whole, broken)
    assert status == 1
    assert re.search(rf"^{case} .* pass +FAIL ", output, re.MULTILINE)
    assert f"{broken}: {case}: line " in errors


def test_a_name_without_the_api_is_one_line() -> None:
    status, _, errors = run("kernel", "api", "--no-boot", "mainline")
    assert status == 1
    assert len(errors.splitlines()) == 1
    assert "mainline has no kernel API in user space" in errors
