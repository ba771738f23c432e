"""Lines of `perf data convert --to-ctf` that babeltrace has printed, as lines of perf script.

Such a line has the time first, then what the trace is called if that is known, and the fields in
braces:

    [10:00:01.000002000] (+0.000000100) host iommu:map: { cpu_id = 4 }, { perf_tid = 7, ... }

The time has a date with ``--clock-date``, and is in seconds with ``--clock-seconds``.  Facts:
babeltrace2-sink.text.pretty(7), and perf's converter, which writes one field for each of the event.
"""

from __future__ import annotations

import re

from iova_lab.traces.importer.records import NAMES, number, script_line

_LINE = re.compile(
    rb"^\[(?:\d{4}-\d\d-\d\d )?(?:(?P<h>\d{1,4}):(?P<m>\d\d):)?(?P<s>\d{1,12})\.(?P<ns>\d{1,9})\] "
    rb"(?:\(\S{1,40}\) )?(?:\S{1,64} )?(?:iommu|dma):(?P<name>\w{1,40}): "
    rb"\{ cpu_id = (?P<cpu>\d{1,5}) \}, \{ (?P<rest>.*)$"
)
_FIELD = re.compile(
    rb"\b(?P<name>" + "|".join(NAMES).encode() + rb") = "
    rb'(?P<value>"[^"]{0,100}"|0x[0-9a-fA-F]{1,16}|\d{1,20})(?=[ ,])'
)
_EVENTS = (b" iommu:", b" dma:")


def plain(line: bytes) -> bytes:
    """The line in the form of perf script, or as it was."""
    if not line.startswith(b"[") or not any(event in line for event in _EVENTS):
        return line
    match = _LINE.match(line)
    if match is None:
        return line
    fields = {one["name"].decode(): one["value"] for one in _FIELD.finditer(match["rest"])}
    seconds = int(match["s"])
    if match["h"]:
        seconds += 3600 * int(match["h"]) + 60 * int(match["m"])
    time = b"%d.%s" % (seconds, match["ns"])
    tid = number(fields.get("perf_tid", b"")) or 0
    return script_line(match["name"].decode(), tid, int(match["cpu"]), time, fields) or line
