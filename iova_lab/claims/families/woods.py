"""Was the 64-bit path linear in 2017, did a second cached node make it flat, was it redundant?"""

from __future__ import annotations

from functools import partial

from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.counting import grow, growing
from iova_lab.claims.measurement import Measured
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
    claim="Drivers that map pages at start-up and never free them: each 64-bit allocation scans "
    "all live ranges, so its cost is linear.",
    source=MAIL,
    confidence="H",
    why="The rules above define linear, logarithmic and flat.",
    not_in=NOT_IN,
    **growing(
        "Nodes visited per alloc on `startup`, original allocator (cached32)",
        *("linear", ORIGINAL, CASE, "alloc"),
    ),
)

SEARCH = Claim(
    id="woods-flat",
    claim='With a second cached node, for 64-bit requests, the search is "normally in constant '
    'time".',
    source=MAIL,
    confidence="H",
    why="Constant is flat. Only the search is counted, because the claim is about the search.",
    not_in=NOT_IN + " The claim names no exception; frees above the node are one.",
    seconds=10,
    **growing(
        "Nodes searched per alloc on `startup`, his patch (cached64)",
        *("flat", PATCH, CASE, "searched", LARGEST),
    ),
)

WHOLE = Claim(
    id="woods-log",
    claim="With the patch the whole allocation, insertion included, is O(log n).",
    source=MAIL,
    confidence="H",
    why="O() is an upper bound: what is flat is within it.",
    not_in=NOT_IN,
    seconds=10,
    **growing(
        "All nodes visited per alloc on `startup`, cached64",
        *("logarithmic", PATCH, CASE, "alloc", LARGEST),
    ),
)

REDUNDANT = Claim(
    id="woods-withdrawal",
    claim="Robin Murphy's series solves the same case, so the patch is redundant.",
    source="David Woods, iommu list, 27 September 2017, withdrawing his patch after measuring",
    confidence="H",
    rule="Nodes per alloc on `startup`, Robin's series (anchor): reproduced if flat or logarithmic "
    "and at no size above cached64's; partly if only the former; not otherwise.",
    why="Redundant: with Robin's series, the patch saves no further nodes.",
    not_in=NOT_IN + " Only his case: the two differ in others (see the thread of 2017).",
    judge=_redundant,
    measure=partial(grow, variants=[PATCH, ROBIN], workload=CASE, kind="alloc", most=LARGEST),
    seconds=15,
    published=Quantity("exponent", 0, 0.3010),
)
