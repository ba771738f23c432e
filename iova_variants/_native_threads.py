"""How does Python call a threaded build?  The ctypes mirror of harness/threaded."""

from __future__ import annotations

import ctypes as c

from iova_variants import native

JUDGE, YIELD, IN_TURN = (1 << bit for bit in range(3))
NR_BINS = 48

#: ``enum lock_class``, in its order.
LOCK_CLASSES = ("variant", "depot", "cpu_cache")


class Plan(c.Structure):
    """``struct threads_plan``"""

    _fields_ = [
        ("thread", c.c_void_p),
        ("turn", c.c_void_p),
        ("cpus", c.c_void_p),
        ("nr_threads", c.c_uint64),
        ("flags", c.c_uint64),
        ("op_ns", c.c_void_p),
        ("op_wait_ns", c.c_void_p),
        ("op_hold_ns", c.c_void_p),
        ("pfns", c.c_void_p),
    ]


class LockStats(c.Structure):
    """``struct lock_stats``"""

    _fields_ = [
        *native.words("nr", "nr_queued", "wait_ns", "hold_ns"),
        *native.words("max_wait_ns", "max_hold_ns", "max_section_ns"),
        ("waits", c.c_uint64 * NR_BINS),
        ("holds", c.c_uint64 * NR_BINS),
    ]


class Share(c.Structure):
    """``struct threads_share``"""

    _fields_ = [
        *native.words("ns", "nr_ops", "nr_failures", "op_ns", "max_op_ns"),
        *native.words("nr_handoffs", "handoff_ns", "nr_preempted"),
        ("ops", c.c_uint64 * NR_BINS),
        ("locks", LockStats * len(LOCK_CLASSES)),
    ]


class Result(c.Structure):
    """``struct threads_result``"""

    _fields_ = [
        *native.words(
            "ns", "clock_ps", "empty_hold_ps", "nr_live", "bytes", "nr_arenas", "error_op"
        ),
        ("error", c.c_char * 192),
    ]


def bind(library: c.CDLL) -> c.CDLL:
    """Say what the two functions of a threaded build take."""
    library.threads_run.argtypes = [
        *(c.POINTER(structure) for structure in (native.Stream, Plan, native.Rcache)),
        *(c.c_void_p, c.POINTER(Result)),
    ]
    library.threads_run_bare.argtypes = [
        *(c.POINTER(Plan), c.c_uint64, c.c_void_p, c.POINTER(Result))
    ]
    return library
