"""Does a variant do what iova_variant.h says of each call, in the plainest situations?

Each scenario is a few calls with one expectation.  What is wrong is told as the calls that led
there, which run as they stand in Python.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import iova_variants
from iova_variants import Claim, Variant
from iova_variants.child import Tell, run_in_child
from iova_variants.making import LIMIT_32BIT, LIMIT_48BIT, LIMIT_64BIT
from iova_variants.opstream import Op, OpStream, new_ops
from iova_variants.watch import Limits

#: Of one domain: more is a mistake in the table, and would be taken a dozen times.
MOST_BYTES = 16 << 20
LIMITS = (1, 2, 4095, LIMIT_32BIT - 1, LIMIT_32BIT, LIMIT_32BIT + 1, LIMIT_48BIT, LIMIT_64BIT)


class _BrokenError(Exception):
    pass


class Calls:
    """A domain whose calls are told before they are made."""

    def __init__(self, variant: Variant, tell: Tell, start_pfn: int = 1) -> None:
        self._tell = tell
        name = variant.name if iova_variants.is_foreign(variant.name) else f"{variant.name}.c"
        tell(f"d = iova_variants.Domain('{name}', start_pfn={start_pfn})")
        self._domain = iova_variants.Domain(variant, start_pfn=start_pfn)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: int | bool) -> Any:
            text = ", ".join(map(_shown, arguments))
            self._tell(f"d.{name}({text})")
            return getattr(self._domain, name)(*arguments)

        return call


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return f"{value[0]:#x}..{value[1]:#x}"
    return hex(value) if isinstance(value, int) and value > 9 else str(value)


def _expect(got: object, wanted: object) -> None:
    if got != wanted:
        raise _BrokenError(f"answers {_shown(got)}, and not {_shown(wanted)}")


class _NothingToTryError(Exception):
    pass


def _granted(d: Calls) -> int:
    """Ten pfns to work on; who refuses them breaks no promise, and is not tried further."""
    pfn: int | None = d.alloc(10, 100)
    if pfn is None:
        raise _NothingToTryError
    if not 1 <= pfn <= 91:
        raise _BrokenError(f"answers {_shown(pfn)}, outside of 1..100")
    return pfn


Scenario = Callable[[Variant, Tell], None]
SCENARIOS: dict[str, Scenario] = {}


def _scenario(promise: str) -> Callable[[Scenario], Scenario]:
    def register(function: Scenario) -> Scenario:
        SCENARIOS[promise] = function
        return function

    return register


@_scenario("a range that is granted is found, within its limit, wherever that lies")
def _limits(variant: Variant, tell: Tell) -> None:
    for limit_pfn in LIMITS:
        d = Calls(variant, tell)
        pfn = d.alloc(1, limit_pfn)
        if variant.claims & Claim.COMPLETE and variant.claims & Claim.EXACT:
            _expect(pfn, limit_pfn)
        if pfn is not None:
            _expect(d.find(pfn), (pfn, pfn))
        d.close()


@_scenario("no pfn is given twice, and who claims to be complete gives every one")
def _every_pfn(variant: Variant, tell: Tell) -> None:
    for start_pfn in (0, 1, 37):
        d = Calls(variant, tell, start_pfn=start_pfn)
        given: set[int] = set()
        for _ in range(10):
            pfn = d.alloc(1, start_pfn + 9)
            if pfn in given:
                _expect(pfn, "another one")
            if pfn is None and Claim.COMPLETE in variant.claims:
                _expect(pfn, f"one of {start_pfn}..{start_pfn + 9}")
            given |= {pfn} - {None}
        d.close()


@_scenario("a request that is larger than the space is refused")
def _too_large(variant: Variant, tell: Tell) -> None:
    d = Calls(variant, tell, start_pfn=1)
    for size in (100, 101, 2**32 - 1):
        _expect(d.alloc(size, 99), None)
    d.close()


@_scenario("free() takes any pfn of the range")
def _free_any(variant: Variant, tell: Tell) -> None:
    if Claim.FREE_NEEDS_SIZE in variant.claims:
        return
    d = Calls(variant, tell)
    for offset in (0, 4, 9):
        pfn = _granted(d)
        d.free(pfn + offset)
        _expect(d.find(pfn), None)
    d.close()


def _lowest_free(claims: Claim) -> int:
    """The lowest pfn in no live range of a new domain that begins at 1."""
    return 1 if Claim.LOW_RANGE in claims else 0


@_scenario("free() of a pfn in no live range does nothing")
def _free_nothing(variant: Variant, tell: Tell) -> None:
    d = Calls(variant, tell)
    pfn = _granted(d)
    before = d.dump()
    for other in (_lowest_free(variant.claims), pfn - 1, pfn + 10, LIMIT_64BIT):
        d.free(other)
        d.verify()
        _expect(d.find(pfn), (pfn, pfn + 9))
    if not np.array_equal(before, d.dump()):
        raise _BrokenError("differs from the dump before those frees")
    d.close()


@_scenario("find() tells the bounds from every pfn of a range, and no other")
def _find_bounds(variant: Variant, tell: Tell) -> None:
    d = Calls(variant, tell)
    pfn = _granted(d)
    for inside in (pfn, pfn + 5, pfn + 9):
        _expect(d.find(inside), (pfn, pfn + 9))
    for outside in (_lowest_free(variant.claims), pfn - 1, pfn + 10, LIMIT_64BIT):
        _expect(d.find(outside), None)
    d.close()


@_scenario("reserve() takes free space, and lowers and extends what it meets")
def _reserve(variant: Variant, tell: Tell) -> None:
    if Claim.FREE_NEEDS_SIZE in variant.claims:
        return
    d = Calls(variant, tell)
    d.reserve(10, 12)
    d.reserve(20, 30)
    d.reserve(5, 25)
    low, high = (5, 12), (13, 30)
    if Claim.MERGES in variant.claims:
        low = high = (5, 30)
    for pfn, bounds in ((4, None), (5, low), (13, high), (30, high), (31, None)):
        _expect(d.find(pfn), bounds)
    d.free(13)
    _expect(d.find(20), None)
    d.close()


@_scenario("equal histories have equal dumps, and a dump keeps to its room")
def _dump(variant: Variant, tell: Tell) -> None:
    dumps = []
    for _ in range(2):
        d = Calls(variant, tell)
        pfns = [d.alloc(1 + index % 3, LIMIT_32BIT) for index in range(9)]
        for pfn in [pfn for pfn in pfns if pfn is not None][4:5]:
            d.free(pfn)
        dumps.append(d.dump())
    if not np.array_equal(*dumps):
        raise _BrokenError("differs from the dump of a domain with the same calls")
    words = np.full(8, 77, np.uint64)
    domain = d._domain
    domain.variant.ops.dump(domain._open(), words.ctypes.data, 4)
    if (words[4:] != 77).any():
        raise _BrokenError("writes more words than it was given room for")


@_scenario("all but a free may be refused for want of memory; a free only if it says so")
def _memory_to_free(variant: Variant, tell: Tell) -> None:
    if Claim.FREE_NEEDS_MEM in variant.claims:
        return
    nr = 200
    ops = new_ops(2 * nr, limit_pfn=LIMIT_32BIT)
    ops["slot"] = [*range(nr), *range(1, nr, 2), *range(0, nr, 2)]
    ops["op"][nr:] = Op.FREE
    tell(f"a stream of {nr} allocs and as many frees")
    asked = [
        iova_variants.replay(variant, OpStream(ops[:end]), build="counted").nr_memory_requests
        for end in (nr, 2 * nr)
    ]
    if asked[1] > asked[0]:
        raise _BrokenError(
            f"asks for memory {asked[1] - asked[0]} times in {nr} frees, and does not claim "
            "IOVA_V_FREE_NEEDS_MEM"
        )


@dataclass(frozen=True)
class Broken:
    """A promise that was not kept, what the last call did, and all calls on its domain up to it."""

    promise: str
    says: str
    calls: tuple[str, ...]


def run(variant: Variant) -> Broken | None:
    """Go through all scenarios, each in a process of its own; the first that is not kept."""
    for promise in SCENARIOS:
        report = run_in_child(functools.partial(_try, promise, variant), _LIMITS)
        if report.error:
            raise report.error
        if says := report.died or report.answer:
            domains = [i for i, text in enumerate(report.told) if text.startswith("d = ")]
            return Broken(promise, says, tuple(report.told[max(domains, default=0) :]))
    return None


#: What a scenario may take: a few calls.
_LIMITS = Limits(wall_s=120.0, cpu_s=2.0)


def _try(promise: str, variant: Variant, tell: Tell) -> str | None:
    """What is wrong, or None."""
    try:
        SCENARIOS[promise](variant, tell)
    except (_BrokenError, iova_variants.VariantError, MemoryError) as error:
        return str(error) or "asks for more memory than there is"
    except _NothingToTryError:
        pass
    return None


def table_is_wrong(variant: iova_variants.Variant) -> str | None:
    """What does its table say that can't be, though all members are there?"""
    if variant.claims & ~sum(Claim):
        return f".flags has a bit that means nothing: {int(variant.claims):#x}"
    if "\n" in variant.summary or not variant.summary.strip():
        return ".summary is not one line of text"
    if not 0 < variant.domain_size <= MOST_BYTES:
        return f".domain_size is {variant.domain_size:,}, not within 1..{MOST_BYTES:,}"
    breach = Claim.ABOVE_LIMIT | Claim.BELOW_START
    if Claim.EXACT in variant.claims and variant.claims & breach:
        return ".flags claims to be exact, and to answer outside of limit or start"
    return None
