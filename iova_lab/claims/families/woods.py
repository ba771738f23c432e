"""Was the 64-bit path linear in 2017, did a second cached node make it flat, was it redundant?"""

from __future__ import annotations

from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.counting import SIZES, grow
from iova_lab.claims.judging import judge_growth
from iova_lab.claims.measurement import Measured, Run
from iova_lab.claims.rules import exponents, growth
from iova_lab.measuring.cells import number

#: When the first of these was said; claims are listed by it.
YEAR = 2017

MAIL = 'David Woods, iommu list, September 2017, "iommu/iova: Improve alloc_iova performance"'
CASE = "startup"
ORIGINAL, PATCH, ROBIN = "cached32", "cached64", "anchor"
LARGEST = 1_000_000
NOT_IN = (
    "Nodes, not time: the start-up of a driver with a 64-bit mask that frees nothing, one thread."
)


def _original(run: Run) -> Measured:
    return grow(run, [ORIGINAL], CASE, "alloc", SIZES[-1])


def _searched(run: Run) -> Measured:
    return grow(run, [PATCH], CASE, "searched", LARGEST)


def _whole(run: Run) -> Measured:
    return grow(run, [PATCH], CASE, "alloc", LARGEST)


def _both(run: Run) -> Measured:
    return grow(run, [PATCH, ROBIN], CASE, "alloc", LARGEST)


def _redundant(measured: Measured) -> Finding:
    sizes, costs = measured["sizes"], measured["costs"]
    his, robins = costs[PATCH], costs[ROBIN]
    found = growth(sizes, robins)
    solved = found in ("flat", "logarithmic")
    no_dearer = all(b <= a for a, b in zip(his, robins, strict=True))
    answer = (
        f"at {sizes[-1]:,} live ranges {PATCH} visits {number(his[-1])} nodes per alloc, {ROBIN} "
        f"{number(robins[-1])}; {ROBIN} is {found}"
    )
    verdict = Verdict.NOT
    if solved:
        verdict = Verdict.REPRODUCED if no_dearer else Verdict.PARTLY
    if found == "unknown":
        verdict = Verdict.UNDECIDED
    slope = round(exponents(sizes, robins)[-1], 4)
    return Finding(verdict, answer, Quantity("exponent", slope, slope))


LINEAR = Claim(
    id="woods-linear",
    claim="Drivers that map pages at start-up and never free them: each 64-bit allocation walks "
    "over all that is live, so its cost is linear.",
    source=MAIL,
    confidence="H",
    rule="Nodes visited per alloc on `startup`, original allocator (cached32): reproduced if "
    "linear, partly if they grow faster than a logarithm in another way, not if they don't.",
    why="The claim's word is linear; what linear, logarithmic and flat mean is said above, once.",
    not_in=NOT_IN,
    judge=judge_growth("linear", ORIGINAL, "nodes/alloc", less=Verdict.PARTLY),
    measure=_original,
    published=Quantity("exponent", 1, 1),
)

SEARCH = Claim(
    id="woods-flat",
    claim='With a second cached node, for 64-bit requests, the search is "normally in constant '
    'time".',
    source=MAIL,
    confidence="H",
    rule="Nodes searched per alloc on `startup`, his patch (cached64): reproduced if flat, partly "
    "if logarithmic, not if they grow faster.",
    why="Constant is flat. Only the search is counted, for only of that is it said.",
    not_in=NOT_IN + ' "Normally" leaves open which cases are not: frees above the node are.',
    judge=judge_growth("flat", PATCH, "nodes searched/alloc", less=Verdict.PARTLY),
    measure=_searched,
    seconds=10,
    published=Quantity("exponent", 0, 0),
)

WHOLE = Claim(
    id="woods-log",
    claim="With the patch the whole allocation, insertion included, is O(log n).",
    source=MAIL,
    confidence="H",
    rule="All nodes visited per alloc on `startup`, cached64: reproduced if flat or logarithmic, "
    "not if they grow faster.",
    why="O() is an upper bound: what is flat is within it.",
    not_in=NOT_IN,
    judge=judge_growth("logarithmic", PATCH, "nodes/alloc", less=Verdict.NOT),
    measure=_whole,
    seconds=10,
    published=Quantity("exponent", 0, 0.3010),
)

REDUNDANT = Claim(
    id="woods-withdrawal",
    claim="Robin Murphy's series solves the same case, so the patch is redundant.",
    source="David Woods, iommu list, 27 September 2017, withdrawing his patch after measuring",
    confidence="H",
    rule="Nodes per alloc on `startup`, Robin's series (anchor): reproduced if flat or logarithmic "
    "and at no size above cached64's; partly if only the former; not otherwise.",
    why="Redundant: where Robin's series is, the patch takes nothing off any more.",
    not_in=NOT_IN + " Only his case: the two differ in others (see the thread of 2017).",
    judge=_redundant,
    measure=_both,
    seconds=15,
    published=Quantity("exponent", 0, 0.3010),
)
