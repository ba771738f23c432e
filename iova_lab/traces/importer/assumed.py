"""What is assumed of a recording that has no limits, and what a reader of the trace should know."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Of dma-iommu's domains on x86, and of most on arm.
SHIFT = 12
_32BIT = 32


def pages_of(start: int, length: int) -> int:
    """How many pages has a range of ``length`` bytes that begins at the address ``start``?"""
    return (start % (1 << SHIFT) + length + (1 << SHIFT) - 1) >> SHIFT


@dataclass
class Assumed:
    """``bits`` is the limit that was given, None where the addresses show it.

    Then an address below 4 GiB stands for a limit of 32 bits, as PCI devices are served, and one
    above for the smallest power of two above all addresses of its domain so far.  ``nr_above``
    addresses lay above the limit that was given, and got a larger one.  ``devices`` are those that
    an event attached to a domain; ``by`` is what tells domains apart.
    """

    bits: int | None = None
    by: str = "device"
    nr_above: int = 0
    nr_ranges: int = 0
    nr_pieces: int = 0
    nr_before: int = 0
    devices: set[bytes] = field(default_factory=set)
    _highest: dict[int, int] = field(default_factory=dict)  # bits by domain

    def limit(self, dom: int, end: int, *, refused: bool = False) -> int:
        """The limit of a request, inclusive; ``end`` is the address behind its range."""
        needed = max((end - 1).bit_length(), _32BIT) if end else _32BIT
        bits = self.bits
        if bits is None:
            highest = max(self._highest.get(dom, _32BIT), needed)
            self._highest[dom] = highest
            bits = highest if refused or needed > _32BIT else _32BIT
        elif needed > bits:
            self.nr_above += 1
            bits = needed
        return (1 << (bits - SHIFT)) - 1

    def words(self) -> str:
        """What whoever shows the trace says of it."""
        limits = f"limits of {self.bits} bits" if self.bits else "limits by address"
        domains = {
            "device": "a domain for each device",
            "address": "domains told apart by address",
            "column": "domains as given",
        }
        return (
            f"no probe saw the allocator; assumed are {limits}, {domains[self.by]}, and that a"
            " range is freed when it is unmapped"
        )

    def notes(self) -> list[str]:
        """What became of it, one line each."""
        found = [f"APPROXIMATE: {self.words()}"]
        if self.nr_pieces > self.nr_ranges:
            found.append(
                f"{self.nr_pieces:,} pieces were taken for {self.nr_ranges:,} ranges: those that"
                " one task maps one right after the other, at addresses that follow"
            )
        if self.nr_above:
            found.append(
                f"{self.nr_above:,} addresses lie above {self.bits} bits: these requests got as"
                " large a limit as they need"
            )
        if self.nr_before:
            found.append(
                f"{self.nr_before:,} ranges were reserved at the beginning: they were live before"
                " the recording, or no request got them"
            )
        if self.devices:
            found.append(f"{len(self.devices):,} devices were attached to a domain")
        return found
