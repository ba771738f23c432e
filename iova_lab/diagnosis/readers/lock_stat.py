"""Rows of /proc/lock_stat: how often the locks of the allocator are taken, waited for and held."""

from __future__ import annotations

import re
from contextlib import suppress

from iova_lab.diagnosis.readers import BaseReader

#: Since version 0.4; before, the two averages are missing.
_COLUMNS = (
    "con-bounces contentions waittime-min waittime-max waittime-total waittime-avg"
    " acq-bounces acquisitions holdtime-min holdtime-max holdtime-total holdtime-avg"
).split()
_OLDER = [name for name in _COLUMNS if not name.endswith("-avg")]
_NAME = re.compile(rb"^\s*\S*iova_rbtree_lock\S{0,20}?:(?=\s|$)(?P<rest>.*)$")
_NUMBERS = re.compile(rb"^(?:\s*\d+(?:\.\d+)?(?=\s|$))+\s*$")
#: A mail wraps a row into so many lines at most.
_MOST_LINES = 6
_CONTENDED, _BUSY, _LONG_US, _SHORT_US = 0.01, 100_000, 1000.0, 10.0


class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "lock_stat"
    WORDS = (b"iova_rbtree_lock", b"con-bounces")

    _row: list[bytes] | None = None
    _at: tuple[bytes, int] = b"", 0
    _nr_lines = 0

    def take(self, line: bytes, number: int) -> bool:
        """Read the row of the tree's lock, which a mail may have wrapped."""
        if b"con-bounces" in line and b"contentions" in line:
            self.seen.recognised(self.KIND)
        if match := _NAME.match(line):
            self.end()
            self._row, self._at, self._nr_lines = match["rest"].split(), (line, number), 0
        elif self._row is not None and _NUMBERS.match(line) and self._nr_lines < _MOST_LINES:
            self._row += line.split()
            self._nr_lines += 1
        else:
            self.end()
            return False
        return len(self._row) < len(_COLUMNS) or self.end()

    def end(self) -> bool:
        """Note the row that is open, if it is whole; False."""
        row, self._row = self._row, None
        if row is None or len(row) not in (len(_COLUMNS), len(_OLDER)):
            return False
        names = _COLUMNS if len(row) == len(_COLUMNS) else _OLDER
        with suppress(ValueError):
            self._note(dict(zip(names, map(float, row), strict=True)))
        return False

    def _note(self, row: dict[str, float]) -> None:
        held, waited = row["acquisitions"], row["contentions"]
        share = waited / held if held else 0.0
        average = row.get("holdtime-avg", row["holdtime-total"] / held if held else 0.0)
        text = (
            f"lock of the tree: {held:,.0f} acquisitions,"
            f" {waited:,.0f} of them waited ({share:.1%});"
            f" held {_us(average)} on average, {_us(row['holdtime-max'])} at most;"
            f" waited {_us(row['waittime-max'])} at most"
        )
        signs = [
            ("lock_contended", share >= _CONTENDED),
            ("lock_long_hold", row["holdtime-max"] >= _LONG_US),
            ("lock_busy", held >= _BUSY and average < _SHORT_US),
            ("lock_quiet", share < _CONTENDED and row["holdtime-max"] < _LONG_US),
        ]
        for sign, holds in signs:
            if holds:
                self.seen.add(sign, text, [self.place(*self._at)], row)


def _us(value: float) -> str:
    return f"{value:,.0f} us" if value >= 100 else f"{value:.3g} us"
