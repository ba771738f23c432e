"""A booted machine's console, without the machine."""

from __future__ import annotations

from collections.abc import Iterator

from iova_lab.kernel.machine import MachineError


class Printed:
    """A machine that prints these lines, and crashes after a panic."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    def lines(self) -> Iterator[str]:
        yield from self._lines
        if any("panic" in line for line in self._lines):
            raise MachineError("the guest's kernel crashed:", list(self._lines))
