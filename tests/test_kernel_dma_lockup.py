"""Does a full space stall the kernel through dma_map_page(), and is what happened stored?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from iova_lab.commands.cli import main
from iova_lab.kernel import dma_lockup, packages, tools
from iova_lab.kernel.machine import Machine
from tests.support.printed import Printed

FILLED = (
    "[ 9.0] iova_dma_lockup: 0000:00:0b.0 of driver e1000 has 1046527 pages and 16 buffers mapped, "
    "2 CPUs refill"
)
STUCK = [
    "[ 31.5] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [iova_dma/0:99]",
    "[ 31.6]  alloc_iova+0x10/0x20",
    "[ 31.7]  </TASK>",
]
DONE = "[ 60.0] iova_dma_lockup: CPU 0 is done, longest request 1500 us"
END = "iova_lab: step refilled"


def followed(*lines: str) -> dma_lockup.Outcome:
    machine = cast("Machine", Printed(*lines))
    return dma_lockup.followed(machine, "stock", Path("/m/6.12-0123456789abcdef/iova_io.ko"))


def test_what_the_watchdog_printed_is_kept_and_the_guest_goes_on() -> None:
    outcome = followed("iova_lab: step drivers", FILLED, *STUCK, DONE, END)
    assert outcome.error == ""
    assert (outcome.driver, outcome.nr_pages) == ("e1000", 1046527)
    assert outcome.watched.words == tuple(STUCK)
    assert (outcome.watched.uptime, outcome.watched.longest_us) == (31.5, 1500)
    assert outcome.code == "0123456789abcdef"
    assert not followed(FILLED, DONE, END).watched.locked_up


def test_a_guest_that_does_not_get_there_is_an_error() -> None:
    assert followed(FILLED, DONE).error == "the guest ended before all was done"
    assert followed("iova_lab: failed: no device", END).error == "failed: no device"
    assert "kernel crashed" in followed(FILLED, "[ 9.9] Kernel panic - not syncing").error


def test_an_unknown_allocator_is_rejected_before_anything_boots() -> None:
    done = CliRunner().invoke(main, ["kernel", "dma-lockup", "nothing"])
    assert done.exit_code != 0
    assert "no allocator named 'nothing' for the DMA API" in done.output + str(done.exception)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(tools.missing() is not None, reason=tools.missing() or "")
def test_the_kernels_own_locks_up_and_the_candidate_does_not() -> None:
    kernel = packages.get("6.12")
    own, candidate = (dma_lockup.run(kernel, name) for name in ("unpatched", "candidate"))
    assert (own.error, candidate.error) == ("", "")
    assert own.driver == candidate.driver == "e1000"
    # What is below 4 GiB, but for the windows of the PCI bus.
    assert min(own.nr_pages, candidate.nr_pages) > 500_000
    assert own.watched.locked_up
    # The watchdog comes where interrupts are on again: behind a request, or behind an unmap.
    words = "\n".join(own.watched.words)
    assert "[iova_dma/" in own.watched.words[0]
    assert re.search(r"\] +dma_(un)?map_page_attrs\+.*\n(.*\n)*?.*\] +refill_thread\+", words)
    assert not candidate.watched.locked_up
