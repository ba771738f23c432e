"""Perf script: samples with their stacks, a function a line."""

from __future__ import annotations

import re

from iova_lab.diagnosis.profiles import StackReader

_HEAD = re.compile(
    rb"^\S.{0,40}?\s+\d+(?:/\d+)?\s+(?:\[(?P<cpu>\d+)\]\s+)?\d+\.\d+:\s+(?:\d+\s+)?[\w:/-]+:[\w:]*\s*$"
)
_FRAME = re.compile(rb"^\s+[0-9a-f]{6,16}\s+(?P<name>[A-Za-z_][\w.]*)(?:\+0x[0-9a-f]+)?\s+\(")


class Reader(StackReader):
    """See the package's docstring."""

    KIND = "perf script"
    WORDS = (b"cycles", b"clock:", b"instructions:", b"([kernel.kallsyms])", b"([k")

    def take(self, line: bytes, number: int) -> bool:
        """Read the head of a sample, or a frame of it."""
        frame = _FRAME.match(line)
        if frame and self.has_begun:
            self.called(frame["name"], line, number)
            return True
        self.finish()
        if match := _HEAD.match(line):
            self.begin(line, number)
            if match["cpu"]:
                self.seen.cpu(int(match["cpu"][:6]))
            return True
        return False
