"""Folded stacks, as flame graphs are made of: functions joined by semicolons, and a count."""

from __future__ import annotations

from dataclasses import dataclass, field

from iova_lab.diagnosis.profiles import Samples, note_samples
from iova_lab.diagnosis.readers import BaseReader

_MOST_FRAMES = 512


@dataclass(eq=False)
class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "folded stacks"
    WORDS = (b";",)

    _samples: Samples = field(init=False, default_factory=Samples)

    def take(self, line: bytes, number: int) -> bool:
        """Read one stack."""
        stack, _, count = line.rstrip().rpartition(b" ")
        if not count.isdigit() or len(count) > 15 or b"; " in stack or stack.count(b";") < 2:
            return False
        samples = self._samples
        if b"iova" in stack or b"flush" in stack or b"cmdq" in stack or samples.first is None:
            names = stack.decode("ascii", errors="replace").split(";")[-_MOST_FRAMES:]
            names = [name.removesuffix("_[k]").partition("+0x")[0] for name in reversed(names)]
            samples.add(names, int(count), self.place(line, number))
        else:
            samples.total += int(count)
        return False

    def end(self) -> None:
        """Note the profile."""
        note_samples(self.seen, self._samples, self.KIND)
