"""The candidate's expressions, compiled, for a comparison with the terms that are proved."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

from iova_variants import building

UNIT = Path(__file__).with_suffix(".c")


class Request(ctypes.Structure):
    """A ``struct request`` of hole_domain.h."""

    _fields_ = (
        ("size", ctypes.c_ulong),
        ("high", ctypes.c_ulong),
        ("mask", ctypes.c_ulong),
        ("size_aligned", ctypes.c_bool),
    )


class Unit:
    """Functions of the shared object."""

    def __init__(self, folder: Path) -> None:
        path = folder / "unit.so"
        include = [f"-I{each}" for each in building.include_dirs("timed")]
        flags = [*building.CFLAGS, "-Wno-unused-function", "-shared", *include]
        sources = [UNIT, *building.shim_sources()]
        command = [building.compiler(), *flags, *map(str, sources), "-o", str(path)]
        subprocess.run(command, check=True)
        self.library = ctypes.CDLL(str(path))
        self.library.unit_aligned_room.restype = ctypes.c_ulong
        self.library.unit_aligned_room.argtypes = [ctypes.c_ulong] * 2
        pointer = ctypes.POINTER(Request)
        self.library.unit_take_top.restype = ctypes.c_bool
        self.library.unit_take_top.argtypes = [
            *[ctypes.c_ulong] * 2,
            pointer,
            ctypes.POINTER(ctypes.c_ulong),
        ]
        self.library.unit_has_room.restype = ctypes.c_bool
        self.library.unit_has_room.argtypes = [*[ctypes.c_ulong] * 2, pointer]
        self.library.unit_join.restype = ctypes.c_bool
        self.library.unit_join.argtypes = [ctypes.c_uint, *[ctypes.POINTER(ctypes.c_uint)] * 2]

    def aligned_room(self, lo: int, end: int) -> int:
        return int(self.library.unit_aligned_room(lo, end))

    def node_most(self, level: int) -> int:
        return int(self.library.unit_node_most(level))

    def take_top(self, lo: int, end: int, request: Request) -> int | None:
        """The pfn, or None if nothing fits."""
        pfn = ctypes.c_ulong()
        found = self.library.unit_take_top(lo, end, ctypes.byref(request), ctypes.byref(pfn))
        return pfn.value if found else None

    def has_room(self, anywhere: int, aligned: int, request: Request) -> bool:
        return bool(self.library.unit_has_room(anywhere, aligned, ctypes.byref(request)))

    def join(self, level: int, left: int, right: int) -> tuple[bool, int, int]:
        """Whether one node is left, and how many items both have."""
        nr = (ctypes.c_uint(left), ctypes.c_uint(right))
        one = self.library.unit_join(level, ctypes.byref(nr[0]), ctypes.byref(nr[1]))
        return bool(one), nr[0].value, nr[1].value
