"""Reports of a kernel in trouble: stalls, oopses, KASAN and kmemleak, with their stacks."""

from __future__ import annotations

import re

from iova_lab.diagnosis.readers import BaseReader
from iova_lab.diagnosis.stacks import Frame, Report, note

#: A report ends after so many lines; a kmemleak or KASAN report has fewer.
LONGEST = 250
MOST_FRAMES = 64

_HEADERS = (
    ("soft lockup", re.compile(rb"soft lockup - CPU ?#(?P<cpu>\d+)(?: stuck for (?P<s>\d+)s)?")),
    ("hard lockup", re.compile(rb"hard LOCKUP(?: on cpu (?P<cpu>\d+))?")),
    (
        "hung task",
        re.compile(
            rb"INFO: task (?P<comm>.{1,64}?):\d+ blocked (?:in \S+ )?for more than (?P<s>\d+)"
        ),
    ),
    (
        "RCU stall",
        re.compile(
            rb"(?:self-detected stall|detected (?:expedited )?stalls?) on|rcu_\w+ kthread starved"
        ),
    ),
    ("KASAN report", re.compile(rb"BUG: KASAN: (?P<what>[\w-]+) in(?: (?P<where>[\w.]+))?")),
    ("kmemleak report", re.compile(rb"unreferenced object 0x[0-9a-f]+ \(size (?P<size>\d+)\)")),
    ("oops", re.compile(rb"kernel BUG at (?P<at>\S{1,200}?)!")),
    (
        "oops",
        re.compile(
            rb"nable to handle (?P<what>kernel NULL pointer|kernel paging|page fault|kernel)"
            rb"|BUG: (?P<what2>kernel NULL pointer)|(?P<what3>general protection fault)"
        ),
    ),
    (
        "warning",
        re.compile(rb"WARNING: (?:CPU: (?P<cpu>\d+) PID: \d+ )?at (?P<at>drivers/iommu/\S+)"),
    ),
    ("warning", re.compile(rb"BUG: sleeping function called from invalid context")),
)
_FRAME = re.compile(
    rb"(?:^|[\s\])])(?P<unsure>\? )?(?P<name>[A-Za-z_][\w.]{1,100})\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?"
    rb"(?:\s+\[(?P<module>[\w-]{1,60})[^\]]{0,20}\])?"
)
_POINTER = re.compile(
    rb"\b(?:RIP: \S*?|pc : |PC is at )\s*(?:\[<[0-9a-f]+>\]\s*)*([A-Za-z_][\w.]+)\+0x"
)
#: Where a function of arm returns to: below a lock, the function that took it.
_LINK = re.compile(rb"\b(?:lr : |LR is at )\s*(?:\[<[0-9a-f]+>\]\s*)*([A-Za-z_][\w.]+)\+0x")
_CPU = re.compile(rb"CPU: (\d+) (?:UID: \d+ )?PID: \d+ Comm: (\S+)")
_RELEASE = re.compile(
    rb"(?:[Nn]ot tainted|[Tt]ainted: .{0,120}?)\s(\d+\.\d+(?:\.\d+)?[-.+~\w]*)(?=\s|$)"
)
_RCU_CPU = re.compile(rb"^(?:.*?)(\d+)-[.!O]+[:.]")
_JIFFIES = re.compile(rb"\(t=(\d+) jiffies|detected by \d+, t=(\d+) jiffies")
_END = (b"end trace", b"Allocated by task", b"Freed by task", b"Memory state around")


class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "kernel report"
    WORDS = (
        *(b"soft lockup", b"hard LOCKUP", b"blocked for more", b"blocked in ", b"etected stall"),
        *(b"detected expedited", b"kthread starved", b"BUG: ", b"unreferenced object", b"nable to"),
        *(b"general protection", b"WARNING: ", b"iova", b"CPU: "),
    )

    #: The report that is being read, and how many lines were read since its header.
    _open: Report | None = None
    _nr_lines = 0

    def take(self, line: bytes, number: int) -> bool:
        """Read a line: a header, a line of the open report, or a frame without a header."""
        header = self._header(line, number)
        if header is not None:
            self.end()
            self._open, self._nr_lines = header, 0
            self._details(header, line, number)
            return True
        if self._open is None:
            if not (b"iova" in line and _is_stack_line(line)):
                self._machine(line, number)
                return False
            self._open, self._nr_lines = Report("stack", self.place(line, number)), 0
        self._nr_lines += 1
        if self._nr_lines > LONGEST or any(word in line for word in _END):
            self.end()
            return False
        self._details(self._open, line, number)
        return True

    def end(self) -> None:
        """Close what is open."""
        if self._open is not None:
            note(self.seen, self._open)
        self._open = None

    def _header(self, line: bytes, number: int) -> Report | None:
        if b"%" in line[:24] and b"--" in line:
            return None
        for kind, pattern in _HEADERS:
            match = pattern.search(line)
            if match is None:
                continue
            parts = {k: v for k, v in match.groupdict().items() if v}
            report = Report(kind, self.place(line, number))
            report.what = _text(next((v for k, v in parts.items() if k.startswith("what")), b""))
            report.at = _text(parts.get("at", b""))
            report.comm = _text(parts.get("comm", b""))
            report.seconds = _int(parts.get("s"))
            report.cpu = _int(parts.get("cpu"))
            if where := parts.get("where"):
                report.frames.append(Frame(_text(where), True, "", report.header))
            return report
        return None

    def _machine(self, line: bytes, number: int) -> re.Match[bytes] | None:
        """Note the CPU and the kernel that a line names; the match of the CPU and the task."""
        match = _CPU.search(line)
        if match:
            self.seen.cpu(int(match[1]))
            if found := _RELEASE.search(line):
                self.named(found[1], line, number)
        return match

    def _details(self, report: Report, line: bytes, number: int) -> None:
        place = self.place(line, number)
        if match := self._machine(line, number):
            report.cpu = int(match[1]) if report.cpu is None else report.cpu
            report.comm = report.comm or _text(match[2])
        if report.kind == "RCU stall":
            if match := _JIFFIES.search(line):
                report.jiffies = int(next(one for one in match.groups() if one))
            if report.cpu is None and (match := _RCU_CPU.match(line)):
                report.cpu = int(match[1])
        if match := _POINTER.search(line):
            report.pointer = report.pointer or Frame(_text(match[1]), True, "", place)
            return
        if match := _LINK.search(line):
            report.link = report.link or Frame(_text(match[1]), True, "", place)
            return
        if b"lr : " in line or b"Code: " in line:
            return
        for match in _FRAME.finditer(line):
            if len(report.frames) < MOST_FRAMES:
                module = _text(match["module"] or b"")
                sure = match["unsure"] is None
                report.frames.append(Frame(_text(match["name"]), sure, module, place))


def _is_stack_line(line: bytes) -> bool:
    """Is this a frame of a stack, and not a line of a profile, a table or a trace?"""
    if any(mark in line for mark in (b"%", b"|", b"<-", b"dom=", b"([")):
        return False
    match = _FRAME.search(line)
    return match is not None and b"iova" in match["name"] and len(line) < 400


def _int(text: bytes | None) -> int | None:
    return int(text) if text and len(text) < 10 else None


def _text(text: bytes) -> str:
    return text.decode("ascii", errors="replace")
