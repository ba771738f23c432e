"""Which domains are there, what is live in each, and what do all of them have in common?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Geometry(NamedTuple):
    """What one trace file has one of."""

    granule: int
    start_pfn: int

    @property
    def highest(self) -> int:
        """The last pfn whose address fits in 64 bits."""
        return (2**64 - 1) >> (self.granule.bit_length() - 1)

    def is_possible(self) -> bool:
        """Could a domain be like that?"""
        granule = self.granule
        power = granule.bit_count() == 1 and 1 < granule <= 2**31
        return power and 1 <= self.start_pfn <= self.highest


#: Taken for granted until a domain says otherwise.
USUAL = Geometry(4096, 1)


@dataclass(slots=True)
class Domain:
    """One domain of the trace file; sizes of the live ranges by lowest pfn, at each level."""

    number: int
    fast: dict[int, int] = field(default_factory=dict)
    tree: dict[int, int] = field(default_factory=dict)


@dataclass
class Domains:
    """All domains, by the address of their struct iova_domain, which may be used again.

    ``geometry`` is that of the first domain that was initialised in the recording; ``start_pfn``
    and ``highest`` are its bounds.
    """

    geometry: Geometry = USUAL
    start_pfn: int = USUAL.start_pfn
    highest: int = USUAL.highest
    nr_domains: int = 0
    nr_initialised: int = 0
    _by_address: dict[int, Domain | None] = field(default_factory=dict)  # None: left out

    def initialise(self, address: int, geometry: Geometry, *, is_first: bool) -> bool:
        """A domain begins; False if this trace file can't have it.

        ``is_first``: there are no rows yet, that were held against another geometry.
        """
        self.put(address)
        if is_first and not self.nr_initialised and geometry.is_possible():
            self.geometry = geometry
            self.start_pfn, self.highest = geometry.start_pfn, geometry.highest
        if geometry != self.geometry:
            self._by_address[address] = None
            return False
        self.get(address)
        self.nr_initialised += 1
        return True

    def put(self, address: int) -> None:
        """A domain ends, with all that is live in it."""
        self._by_address.pop(address, None)

    def get(self, address: int) -> Domain | None:
        """The domain there, a new one if it was not heard of; None if it is left out."""
        if address not in self._by_address:
            self._by_address[address] = Domain(self.nr_domains)
            self.nr_domains += 1
        return self._by_address[address]

    def known(self, address: int) -> Domain | None:
        """The domain there, None if there is none."""
        return self._by_address.get(address)

    def is_left_out(self, address: int) -> bool:
        """Has it begun in the recording, and with another geometry?"""
        return address in self._by_address and self._by_address[address] is None
