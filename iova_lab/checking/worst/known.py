"""What people have found, which the search is held to: where, since when, who published it when.

Dates are of a release, a mail or a paper, as exact as they are known: a day, a month or a year.  A
fault without ``published`` is one that this lab has not found published anywhere.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from iova_lab.checking.worst.elites import Elite, Elites, is_pathological
from iova_lab.checking.worst.score import Goal

ABOVE_32, AT_32, ODD = "limit above 32 bits", "32-bit limit", "odd limit"
#: What a niche is called in which all requests are equal.
EQUAL = "one kind of request"

V2_6_24 = ("2.6.24", "2008-01-24")
V4_8 = ("4.8", "2016-10-02")
V4_15 = ("4.15", "2018-01-28")
V4_20 = ("4.20", "2018-12-23")
V5_11 = ("5.11", "2021-02-14")
MAY_2026 = ("mail of 18 May 2026", "2026-05-18")
JUNE_2026 = ("mail of 3 June 2026", "2026-06-03")
SEPT_2022 = ("mail of September 2022", "2022-09")
SEPT_2017 = ("mail of September 2017", "2017-09")


@dataclass(frozen=True)
class Known:
    """One fault of one variant, and the niches that show it.

    "" leaves a part of a niche open; so does ``aligned`` where it is False.
    """

    key: str
    title: str
    variant: str
    goal: str
    since: tuple[str, str]
    source: str
    published: str = ""
    limit: str = ""
    mix: str = ""
    aligned: bool = False
    rcache: str = "off"

    def is_shown_by(self, goal: Goal) -> bool:
        """Whether a niche is one of this fault."""
        asked = ((self.goal, goal.name), (self.limit, goal.limit), (self.mix, goal.mix))
        return all(want in ("", found) for want, found in asked) and goal.aligned >= self.aligned

    @property
    def years(self) -> float | None:
        """From the release or mail that has the fault to its publication, to half a unit."""
        if not self.published:
            return None
        return _years(self.published) - _years(self.since[1])

    def first(self, elites: Elites) -> Elite | None:
        """The elite that showed it first; None if none shows it."""
        shown = [
            elite
            for goal, elite in elites.items()
            if self.is_shown_by(goal) and is_pathological(goal, elite.value)
        ]
        return min(shown, key=lambda elite: elite.first_tried, default=None)


def _years(date: str) -> float:
    """A date as a number of years; of a month or a year its middle."""
    year, *rest = map(int, date.split("-"))
    if not rest:
        return year + 0.5
    day = rest[1] if len(rest) > 1 else 15
    return year + (datetime.date(year, rest[0], day).timetuple().tm_yday - 1) / 365.25


KNOWN = (
    Known(
        "replace",
        "Free one range, allocate one: a search visits the ranges in between",
        "mainline",
        "grant",
        V4_15,
        "Peng Zhang (ByteDance), iommu list, September 2022, v3 of the augmented tree",
        published="2022-09",
        limit=ABOVE_32,
        mix=EQUAL,
    ),
    Known(
        "full-32bit",
        "Full 32-bit space: a request that fails visits all of it",
        "mainline",
        "refusal",
        V4_15,
        "Peng Zhang (ByteDance), iommu list, August 2022, v1 of the augmented tree",
        published="2022-08",
        limit=AT_32,
    ),
    Known(
        "odd-limit",
        "A limit of 33 to 56 bits: a search steps over every range above it",
        "mainline",
        "grant",
        V4_15,
        "iova-lab's claim mainline-odd-limit",
        limit=ODD,
    ),
    Known(
        "short-mask",
        "A failure below a short mask refuses 32-bit requests that fit",
        "mainline",
        "spurious refusal",
        V4_20,
        "iova-lab's example max32-short-mask",
        limit=AT_32,
        mix="several limits",
    ),
    Known(
        "second-pass",
        "The second pass leaves the domain (CVE-2023-52910)",
        "retry",
        "below start_pfn",
        V5_11,
        "Linux commit dcdb3ba7e2a8, v6.2-rc4",
        published="2023-01",
    ),
    Known(
        "endless",
        "The second pass never ends, lock held (CVE-2023-52910)",
        "retry",
        "endless",
        V5_11,
        "Linux commit dcdb3ba7e2a8, v6.2-rc4",
        published="2023-01",
    ),
    Known(
        "stale-size",
        "A failed size is remembered after there is room again",
        "max32",
        "spurious refusal",
        V4_20,
        "stable list, 5 April 2022: 5b61343b5059 (v5.18)",
        published="2022-04-05",
        limit=AT_32,
    ),
    Known(
        "lost-space",
        "Space above the cached node is not found",
        "anchor",
        "spurious refusal",
        V4_15,
        "Robin Murphy and Vijayanand Jitta, iommu list, 2020; 4e89dce72521 (v5.11)",
        published="2020",
    ),
    Known(
        "startup",
        "64-bit requests always search from the top",
        "cached32",
        "grant",
        V2_6_24,
        "David Woods, iommu list, September 2017",
        published="2017-09",
        limit=ABOVE_32,
        mix=EQUAL,
    ),
    Known(
        "above",
        "Answers above the limit of the request",
        "cached64",
        "above the limit",
        SEPT_2017,
        "iova-lab's reference model and judge",
    ),
    Known(
        "unaligned",
        "Unaligned requests that fit are refused",
        "alignable",
        "spurious refusal",
        SEPT_2022,
        "iova-lab's reference model and judge",
    ),
    Known(
        "misaligned",
        "Gaps that are large enough and not aligned are visited one by one",
        "augmented",
        "grant",
        MAY_2026,
        "iova-lab's claim augmented-log-aligned",
        mix="several sizes",
        aligned=True,
    ),
    Known(
        "unused-holes",
        "Holes that fit exactly are not used",
        "maple",
        "not the highest fit",
        JUNE_2026,
        "iova-lab's claim maple-holes",
    ),
    Known(
        "mixed-routes",
        "Ranges in the caches are lost to requests past them",
        "room_augmented",
        "refused, held in caches",
        V4_8,
        "documentation of the RK3588 NPU driver, September 2026",
        published="2026-09",
        rcache="6.7",
    ),
    Known(
        "rcache-limit",
        "The rcache returns a range above the limit of the request",
        "room_augmented",
        "above the limit",
        V4_8,
        "iova-lab's replays through the rcache",
        rcache="6.7",
    ),
)


def searched() -> list[tuple[str, str]]:
    """The variants that have a known fault, each with the rcache in front, once."""
    return list(dict.fromkeys((one.variant, one.rcache) for one in KNOWN))
