"""Samples of `perf data convert --to-json`: a function of the stack a line, the innermost first."""

from __future__ import annotations

import re

from iova_lab.diagnosis.profiles import StackReader

_SYMBOL = re.compile(rb'^\s*"symbol": "(?P<name>[A-Za-z_][\w.]*)"')
_CPU = re.compile(rb'^\s*"cpu": (\d{1,6}),?$')
_RELEASE = re.compile(rb'^\s*"os-release": "(?P<release>\d+\.\d+[^"\s]{0,80})"')


class Reader(StackReader):
    """See the package's docstring."""

    KIND = "perf data as JSON"
    WORDS = (b'"callchain": [', b'"symbol": "', b'"cpu": ', b'"os-release": "')

    def take(self, line: bytes, number: int) -> bool:
        """Read the beginning of a stack, or a function of it."""
        if b'"callchain": [' in line:
            self.begin(line, number)
        elif self.has_begun and (symbol := _SYMBOL.match(line)):
            self.called(symbol["name"], line, number)
        elif cpu := _CPU.match(line):
            self.seen.cpu(int(cpu[1]))
        elif match := _RELEASE.match(line):
            self.named(match["release"], line, number)
        return False
