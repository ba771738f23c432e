"""How is one variant called, one op at a time?"""

from __future__ import annotations

import ctypes as c
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import InvalidValueError
from iova_lab.basics.whole import whole
from iova_variants import native
from iova_variants._variant import Claim, EndlessError, Variant, load
from iova_variants.building import Build
from iova_variants.child import VariantError

#: Of a dump: more than any domain that fits in memory has.
MOST_WORDS = 1 << 32


class Domain:
    """One domain of one variant, one call at a time; a context manager.

    Sizes and addresses are in pfns of ``granule`` bytes; ``limit_pfn`` is inclusive.
    Raises `InvalidValueError` for a request that no kernel would make.
    """

    def __init__(
        self,
        name: str | Variant,
        granule: int = 4096,
        start_pfn: int = 1,
        *,
        build: Build = "counted",
    ) -> None:
        granule, start_pfn = whole("granule", granule), whole("start_pfn", start_pfn)
        if granule < 2 or granule >= 1 << 32 or granule & (granule - 1):
            raise InvalidValueError(f"granule {granule} is not a power of two from 2 to 2 GiB")
        self.max_pfn = (2**64 - 1) // granule
        if not 0 <= start_pfn <= self.max_pfn:
            raise InvalidValueError(f"start_pfn {start_pfn} is not within 0..{self.max_pfn:#x}")
        self.variant = name if isinstance(name, Variant) else load(name, build=build)
        self.start_pfn = start_pfn
        self._sizes: dict[int, int] = {}
        self._iovad = self.variant.library.replay_domain_new(granule, start_pfn)
        if not self._iovad:
            raise MemoryError(f"{self.variant.name}: init_domain() failed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the domain and every range in it; harmless when repeated."""
        iovad, self._iovad = self._iovad, None
        if iovad:
            self.variant.library.replay_domain_put(iovad)

    def _open(self) -> int:
        if not self._iovad:
            raise InvalidValueError("this domain is closed")
        return cast(int, self._iovad)

    def _pfn(self, pfn: int) -> int:
        pfn = whole("pfn", pfn)
        if not 0 <= pfn <= self.max_pfn:
            raise InvalidValueError(f"pfn {pfn} is not within 0..{self.max_pfn:#x}")
        return pfn

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        """Allocate; the lowest pfn of the range, or None when refused.

        Raises `EndlessError` if the request does not return: then the domain is closed.
        """
        size, limit_pfn = whole("size", size), whole("limit_pfn", limit_pfn)
        if not 1 <= size <= self.max_pfn:
            raise InvalidValueError(f"size {size} is not within 1..{self.max_pfn:#x}")
        if self._pfn(limit_pfn) < self.start_pfn:
            raise InvalidValueError(f"limit_pfn {limit_pfn} lies below start_pfn {self.start_pfn}")
        found = c.c_ulong()
        if self.variant.library.replay_domain_alloc(
            self._open(), size, limit_pfn, size_aligned, c.byref(found)
        ):
            self._iovad = None  # its lock is held, so it is lost
            raise EndlessError(
                f"{self.variant.name}: alloc({size}, {limit_pfn:#x}, {size_aligned})"
                " visits nodes and does not return"
            )
        if found.value == native.REFUSED:
            return None
        self._sizes[found.value] = size
        return found.value

    def free(self, pfn: int) -> None:
        """Free the live range that contains ``pfn``; nothing happens if none does.

        Under `Claim.FREE_NEEDS_SIZE` that is the range that `alloc` gave at ``pfn``: this domain
        remembers its size, as a driver does.
        """
        if Claim.FREE_NEEDS_SIZE not in self.variant.claims:
            self.variant.ops.free(self._open(), self._pfn(pfn))
            return
        pfn = self._pfn(pfn)
        iovad, size = self._open(), self._sizes.pop(pfn, 0)
        if size:
            self.variant.ops.free_sized(iovad, pfn, size)

    def reserve(self, pfn_lo: int, pfn_hi: int) -> None:
        """Take [``pfn_lo``, ``pfn_hi``] out of use; what it overlaps grows."""
        pfn_lo, pfn_hi = whole("pfn_lo", pfn_lo), whole("pfn_hi", pfn_hi)
        if self._pfn(pfn_lo) > self._pfn(pfn_hi):
            raise InvalidValueError(f"pfn_lo {pfn_lo} lies above pfn_hi {pfn_hi}")
        if self.variant.ops.reserve(self._open(), pfn_lo, pfn_hi):
            raise MemoryError("reserve() has no memory")

    def find(self, pfn: int) -> tuple[int, int] | None:
        """First and last pfn of the live range that contains ``pfn``, or None."""
        lo, hi = c.c_ulong(), c.c_ulong()
        found = self.variant.ops.find(self._open(), self._pfn(pfn), c.byref(lo), c.byref(hi))
        return (lo.value, hi.value) if found else None

    def verify(self) -> None:
        """Raise `VariantError` if an invariant of the variant does not hold."""
        wrong = self.variant.ops.verify(self._open())
        if wrong is not None:
            text = wrong.decode(errors="replace") or "verify() answers an empty text"
            raise VariantError(f"{self.variant.name}: {text}")

    def dump(self) -> npt.NDArray[np.uint64]:
        """All that decides the future of the domain, as words; equal means identical."""
        nr_words = self.variant.ops.dump(self._open(), None, 0)
        if nr_words > MOST_WORDS:
            raise VariantError(f"{self.variant.name}: dump() has {nr_words:#x} words")
        words = np.zeros(nr_words, np.uint64)
        self.variant.ops.dump(self._open(), words.ctypes.data, nr_words)
        return words
