"""Does the same code answer the same in user space and in the kernel?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import iova_variants
from iova_lab.kernel.replay import KernelResult

#: What exists in the kernel only, and the variant that must answer as it does.
COUNTERPARTS = {"kernel": "mainline", "maple_kernel": "maple"}


@dataclass(frozen=True)
class Agreement:
    """How many ops got the same pfn in the kernel as ``counterpart`` got in user space."""

    variant: str
    counterpart: str
    nr_ops: int
    nr_equal: int
    first: tuple[int, int, int] | None  # op, pfn in the kernel, pfn in user space

    @property
    def differs(self) -> bool:
        return self.nr_equal != self.nr_ops

    def __str__(self) -> str:
        text = f"{self.nr_equal:,} of {self.nr_ops:,}"
        if self.first is None:
            return text
        op, here, there = self.first
        return (
            f"{self.variant}: {text} addresses as {self.counterpart} in user space; the first "
            f"that is not: op {op}, {here:#x} in the kernel, {there:#x} in user space"
        )


def addresses(result: KernelResult) -> Agreement:
    """Hold every pfn of ``result`` against a replay of the same stream in user space."""
    counterpart = COUNTERPARTS.get(result.job.variant, result.job.variant)
    expected = iova_variants.replay(counterpart, result.job.stream, pfns=True).pfns
    assert expected is not None
    assert result.pfns is not None
    different = np.flatnonzero(expected != result.pfns)
    first = None
    if len(different):
        op = int(different[0])
        first = (op, int(result.pfns[op]), int(expected[op]))
    nr_ops = len(expected)
    return Agreement(result.job.variant, counterpart, nr_ops, nr_ops - len(different), first)


def row(result: KernelResult, agreement: Agreement, *, icount: bool) -> list[str]:
    """A line for the terminal: cost of the measured window, and the agreement of all ops."""
    assert result.cycles is not None
    measured = result.cycles[result.job.stream.nr_ageing :].astype(np.float64)
    if not icount:
        measured *= 1e6 / result.tsc_khz
    figures = [measured.mean(), *np.quantile(measured, [0.5, 0.99]), measured.max()]
    verdict = str(agreement) if agreement.first is None else f"{agreement.nr_equal:,} (!)"
    return [result.job.variant, *(f"{figure:,.1f}" for figure in figures), verdict]
