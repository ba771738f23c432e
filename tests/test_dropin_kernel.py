"""Does the candidate's API layer pass in booted kernels what their own allocator passes?"""

from __future__ import annotations

from pathlib import Path

import pytest

from iova_lab.kernel import KernelError, api, packages, tools
from iova_lab.kernel.files import Kernel
from tests.support import dropin_tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(tools.missing() is not None, reason=tools.missing() or ""),
]

GIVEN_UP = {
    "fast_range_is_found",
    "fast_range_freed_by_pfn",
    "fast_range_freed_as_less",
    "fast_range_reserved_over",
}


@pytest.fixture(params=["6.12", "7.3"])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """A kernel of Debian; of the one that experimental has today, a skip with its reason."""
    try:
        return packages.get(request.param)
    except KernelError as error:
        if request.param == "6.12":
            raise
        pytest.skip(str(error))


def test_the_kernels_own_passes_all_of_it(kernel: Kernel) -> None:
    outcomes = list(api.run(kernel, api.STOCK))
    assert len(outcomes) > 30
    assert [one for one in outcomes if not one.passed] == []


def test_the_candidate_passes_what_callers_do(kernel: Kernel) -> None:
    failed = [one for one in api.run(kernel, api.CANDIDATE) if not one.passed]
    assert {one.case for one in failed} == GIVEN_UP
    assert not any(one.is_used for one in failed)


def test_a_broken_file_fails_there_and_a_crash_takes_one_case(tmp_path: Path) -> None:
    """Behind a guest that died the others run in the next; a leak is the kernel's warning."""
    frees = "\tif (likely(record_free(iovad, pfn)) || !space)\n"
    changes = {
        frees: f"\tBUG_ON(pfn == 1008);\n{frees}",
        "if (depot_trim(rcache, num_online_cpus()))": "if (false)",
        "\trecords_put(&iovad->rbroot);\n": "",
    }
    tree = dropin_tree.write(tmp_path / "tree", changes=changes)
    outcomes = list(api.run(packages.get("6.12"), f"linux:{tree}"))
    names = [one.case for one in outcomes]
    assert len(names) == len(set(names)) > 30
    wrong = {one.case: one.reason for one in outcomes if not one.passed and one.is_used}
    assert set(wrong) == {"fast_depot_trimmed", "cache_users", "tegra_drm"}
    assert "Objects remaining" in wrong["cache_users"]
    assert "kernel BUG at" in wrong["tegra_drm"] or "invalid opcode" in wrong["tegra_drm"]
