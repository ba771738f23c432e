"""Which kernel is it, which commits are in it, and which variant stands for it?

A release is read as `uname -r` prints it.  Distributions keep the number of a stable kernel and add
commits to it, so for their kernels it is often unknown whether a commit is in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The variant that stands for releases from this one on (docs/releases.md).
VARIANTS = (
    ((2, 6, 24), "cached32"),
    ((4, 15), "anchor"),
    ((4, 20), "max32"),
    ((5, 11), "retry"),
    ((5, 18), "mainline"),
)
#: Stable updates of `retry` from which on 5b61343b5059 is in: they search as `mainline` does.
_AS_MAINLINE = {(5, 15): 33, (5, 16): 19, (5, 17): 2}

_RELEASE = re.compile(r"(\d{1,2})\.(\d{1,3})(?:\.(\d{1,4}))?([-.+~_\w]*)")
#: Red Hat's, SUSE's and their kind add thousands of commits to one number; others keep a number
#: such as 5.15.0 through all stable updates.
_ENTERPRISE = re.compile(r"\.el\d|\.fc\d|\.amzn|\.uek|\.oe\d|\.cm\d|-default$|\.an\d")
_ABI = re.compile(r"-\d{1,3}(?:-|$)")


@dataclass(frozen=True, order=True)
class Release:
    """A kernel's release: three numbers, and the text that it was read from."""

    numbers: tuple[int, ...]
    text: str = ""

    @property
    def series(self) -> tuple[int, int]:
        """The first two numbers."""
        return self.numbers[0], self.numbers[1]

    @property
    def is_enterprise(self) -> bool:
        """Does a distribution add commits under the same number?"""
        return bool(_ENTERPRISE.search(self.text))

    @property
    def knows_updates(self) -> bool:
        """Does the number say which stable update it is?"""
        if self.is_enterprise:
            return False
        return len(self.numbers) == 2 or self.numbers[2] > 0 or not _ABI.search(self.text)

    @property
    def variant(self) -> str:
        """The variant of the lab that stands for it."""
        update = self.numbers[2] if len(self.numbers) > 2 and self.knows_updates else 0
        if update >= _AS_MAINLINE.get(self.series, update + 1):
            return "mainline"
        return next(
            (name for since, name in reversed(VARIANTS) if self.numbers >= since), VARIANTS[0][1]
        )

    def __str__(self) -> str:
        return self.text or ".".join(map(str, self.numbers))


def parse(text: str) -> Release | None:
    """A release from ``text``, which begins with it; None if it does not."""
    match = _RELEASE.match(text)
    if match is None:
        return None
    numbers = tuple(int(part) for part in match.groups()[:3] if part is not None)
    return Release(numbers, match[0].rstrip(".-+~_,") or text)


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of a release that a file of the lab names, such as 5.15.89."""
    return tuple(map(int, text.split(".")))


def is_before(release: Release, text: str) -> bool:
    """Is ``release`` older than the mainline release ``text``?"""
    return release.numbers < numbers(text)


def has(release: Release, mainline: str, stable: dict[str, str]) -> bool | None:
    """Is a commit of ``mainline`` in ``release``?  ``stable`` has its backports by series.

    None where the number does not say: a distribution may have added it.
    """
    if not is_before(release, mainline):
        return True
    if release.is_enterprise:
        return None
    update = stable.get(".".join(map(str, release.series)))
    if update is not None:
        if not release.knows_updates:
            return None
        return release.numbers >= numbers(update)
    return False if release.knows_updates or not stable else None
