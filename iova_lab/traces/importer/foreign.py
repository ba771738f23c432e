"""Which other file is this, where there is no request in a text, and what is needed instead?"""

from __future__ import annotations

import re

_PROBES = "record the probes of docs/recording.md instead (`iova-lab kernel probes` prints them)"

#: A line of such a file; what the file is, and what to do.
KINDS = (
    (
        re.compile(rb"\b(?:alloc|free)_iova(?:_fast)?(?: <-|\(\))"),
        f"output of the function tracer, which has no arguments and no results: {_PROBES}",
    ),
    (
        re.compile(rb"BUG: soft lockup|hard LOCKUP|detected stalls? on|self-detected stall"),
        "a kernel log with a lockup, not a trace. The stack names the function that ran, not its"
        f" requests: {_PROBES} on that machine before the next one",
    ),
    (
        re.compile(rb"OBJ/SLAB|^slabinfo - version|<objperslab>"),
        "a listing of slab caches (slabtop, /proc/slabinfo). It counts live objects and has no"
        f" requests: {_PROBES}",
    ),
    (
        re.compile(rb'"linux-perf-json-version"'),
        "perf's JSON without the fields of events: a later perf, built with libtraceevent, writes"
        " them, and `perf script` of every perf prints them",
    ),
    (
        re.compile(rb"con-bounces|^lock_stat version"),
        "lock statistics (/proc/lock_stat). These are sums over all requests and have none of"
        f" them: {_PROBES}",
    ),
)


def kind_of(line: bytes) -> str | None:
    """What a file with this line is, None if the line is of no kind that is known."""
    return next((what for pattern, what in KINDS if pattern.search(line)), None)
