"""How does Python call a variant's shared object?  The ctypes mirror of the C headers."""

from __future__ import annotations

import ctypes as c
from pathlib import Path
from typing import Any

from iova_lab.basics.errors import IovaLabError

ABI_VERSION = 1
REFUSED = 2**64 - 1
COMPLETE, EXACT, FAKE, FREE_NEEDS_MEM, ABOVE_LIMIT = (1 << bit for bit in range(5))
BELOW_START, FREE_NEEDS_SIZE, LOW_RANGE, UNALIGNED, ENDLESS, MERGES = (
    1 << bit for bit in range(5, 11)
)

JUDGE, VERIFY = 1 << 0, 1 << 1

_PFN, _DOMAIN = c.c_ulong, c.c_void_p
_PFN_P = c.POINTER(_PFN)


def words(*names: str) -> list[tuple[str, type[c.c_uint64]]]:
    """Fields of a structure that are words of 64 bits."""
    return [(name, c.c_uint64) for name in names]


class Ops(c.Structure):
    """``struct iova_variant_ops``"""

    _fields_ = [
        ("abi_version", c.c_uint32),
        ("ops_size", c.c_uint32),
        ("name", c.c_char_p),
        ("summary", c.c_char_p),
        ("kernel_release", c.c_char_p),
        ("flags", c.c_uint32),
        ("domain_size", c.c_uint32),
        ("init_domain", c.c_void_p),
        ("put_domain", c.c_void_p),
        ("alloc", c.CFUNCTYPE(_PFN, _DOMAIN, _PFN, _PFN, c.c_bool)),
        ("free", c.CFUNCTYPE(None, _DOMAIN, _PFN)),
        ("reserve", c.CFUNCTYPE(c.c_int, _DOMAIN, _PFN, _PFN)),
        ("find", c.CFUNCTYPE(c.c_bool, _DOMAIN, _PFN, _PFN_P, _PFN_P)),
        ("verify", c.CFUNCTYPE(c.c_char_p, _DOMAIN)),
        ("dump", c.CFUNCTYPE(c.c_size_t, _DOMAIN, c.c_void_p, c.c_size_t)),
        ("place", c.c_void_p),
        ("free_sized", c.CFUNCTYPE(None, _DOMAIN, _PFN, _PFN)),
    ]


class Stream(c.Structure):
    """``struct replay_stream``"""

    _fields_ = [
        ("ops", c.c_void_p),
        *words("nr_ops", "nr_ageing", "nr_slots", "nr_domains", "granule", "start_pfn"),
    ]


class Watch(c.Structure):
    """``struct replay_watch``"""

    _fields_ = [
        *words("flags", "max_visits"),
        ("pfns", c.c_void_p),
        ("op_ns", c.c_void_p),
        ("op_visits", c.c_void_p),
        ("progress", c.c_void_p),
        ("fail_alloc_at", c.c_uint64),
    ]


VISITS = ("search", "descend", "update")


class Visits(c.Structure):
    """``struct iova_visits``"""

    _fields_ = words(*VISITS)


class Result(c.Structure):
    """``struct replay_result``"""

    _fields_ = [
        *words("ns", "clock_ns", "nr_failures", "nr_spurious", "nr_not_highest", "nr_above_limit"),
        *words("nr_leaked"),
        ("visits", Visits),
        *words("worst_visits", "nr_live", "nr_live_pfns", "span", "bytes", "peak_bytes"),
        *words("node_bytes", "nr_requests", "nr_arenas", "endless", "error_op"),
        ("error", c.c_char * 192),
    ]


RCACHE_NR_ORDERS = 6


class RcacheStats(c.Structure):
    """``struct rcache_stats``"""

    _fields_ = [
        ("nr_allocs", c.c_uint64 * (RCACHE_NR_ORDERS + 1)),
        ("nr_hits", c.c_uint64 * RCACHE_NR_ORDERS),
        ("nr_frees", c.c_uint64 * (RCACHE_NR_ORDERS + 1)),
        *words("nr_tree_allocs", "nr_tree_frees", "nr_flushes", "nr_flush_locks"),
        *words("nr_overflows", "nr_trims"),
        ("nr_held", c.c_uint64 * RCACHE_NR_ORDERS),
        *words("held_pfns", "peak_held_pfns", "magazine_bytes", "peak_magazine_bytes"),
    ]


class Rcache(c.Structure):
    """``struct replay_rcache``; its first seven fields are ``struct rcache_config``"""

    _fields_ = [
        *words("nr_cpus", "nr_possible", "lazy", "magazine_size", "depot_max"),
        *words("flush", "flush_depots"),
        ("ticks", c.c_void_p),
        ("nr_ticks", c.c_uint64),
        ("tree_ops", c.c_void_p),
        ("nr_tree_ops", c.c_uint64),
        ("stats", RcacheStats),
    ]


class VariantLoadError(IovaLabError, OSError):
    """A file that is not a variant of this lab, or one of another version of it."""


def open_library(path: Path) -> tuple[c.CDLL, Ops]:
    """Load one shared object and check that it speaks this contract.

    Raises `VariantLoadError` where it does not.
    """
    try:
        library: Any = c.CDLL(str(path))
    except OSError as error:  # a function that it calls and nobody has, for instance
        raise VariantLoadError(str(error)) from None
    try:
        library.replay_variant.restype = c.POINTER(Ops)
    except AttributeError:
        raise VariantLoadError(f"{path} is not a variant: it has no replay_variant()") from None
    ops: Ops = library.replay_variant().contents
    if (ops.abi_version, ops.ops_size) != (ABI_VERSION, c.sizeof(Ops)):
        raise VariantLoadError(
            f"{path} was built for ABI {ops.abi_version} with an ops table of {ops.ops_size} bytes;"
            f" this lab has ABI {ABI_VERSION} with {c.sizeof(Ops)}: build it again"
        )
    unused = "free" if ops.flags & FREE_NEEDS_SIZE else "free_sized"
    optional = ("flags", "place", unused)
    fields = [field[0] for field in Ops._fields_ if field[0] not in optional]
    missing = [name for name in fields if not getattr(ops, name)]
    if missing:
        raise VariantLoadError(
            f"{path}: its ops table has no .{', no .'.join(missing)}: IOVA_VARIANT()"
        )
    library.replay_check.argtypes = [c.POINTER(Stream), c.POINTER(Result)]
    library.replay_run.argtypes = [c.POINTER(Stream), c.POINTER(Watch), c.POINTER(Result)]
    library.replay_run_rcached.argtypes = [
        *(c.POINTER(structure) for structure in (Stream, Watch, Rcache, Result))
    ]
    library.replay_domain_new.argtypes = [c.c_ulong, c.c_ulong]
    library.replay_domain_new.restype = _DOMAIN
    library.replay_domain_alloc.argtypes = [_DOMAIN, _PFN, _PFN, c.c_bool, _PFN_P]
    library.replay_domain_put.argtypes = [_DOMAIN]
    library.replay_domain_put.restype = None
    return library, ops
