"""What fits into a hole: aligned_room() and take_top() beside the specification.

The specification shares nothing with the C: a size fits into [lo, end) if some pfn p has
lo <= p, p + size <= end, and is a multiple of the least power of two that is not below the size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import z3

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof.c_paths import Translator
from iova_lab.checking.proof.c_text import BOOL, ULONG, ProofError, Text
from iova_lab.checking.proof.c_values import Int, Path, Value
from iova_lab.checking.proof.lemma import Lemma

LO, END, SIZE, ALIGN, PFN, HIGH = (
    z3.BitVec(name, 64) for name in ("lo", "end", "size", "align", "pfn", "high")
)
ALIGNED = z3.BitVec("size_aligned", 8)
#: A larger size has an alignment of 2^64 or more, which no unsigned long is.
MOST_SIZE = 1 << 63
SHOWS = {"lo": LO, "end": END, "size": SIZE}
LIMITED = SHOWS | {"high": HIGH, "size_aligned": ALIGNED}

HOLE = z3.ULT(LO, END)


def is_alignment(align: Any, size: Any) -> Any:
    """``align`` is the least power of two that is not below ``size``, which is not 0."""
    power = z3.And(align != 0, align & (align - 1) == 0)
    return z3.And(size != 0, power, z3.UGE(align, size), z3.ULT(z3.LShR(align, 1), size))


def fits(pfn: Any, align: Any, end: Any) -> Any:
    """A request of SIZE pfns fits at ``pfn`` into [LO, ``end``); no sum can overflow here."""
    inside = z3.And(z3.UGE(pfn, LO), z3.ULE(pfn, end), z3.ULE(SIZE, end - pfn))
    return z3.And(inside, pfn & (align - 1) == 0)


def enough(room: Any) -> Any:
    """What is at most ``room`` fits into [LO, END) aligned: at its top."""
    return z3.Implies(z3.ULE(SIZE, room), fits((END - SIZE) & ~(ALIGN - 1), ALIGN, END))


def most(room: Any, pfn: Any) -> Any:
    """What fits into [LO, END) aligned, at ``pfn``, is at most ``room``."""
    return z3.Implies(fits(pfn, ALIGN, END), z3.ULE(SIZE, room))


def greater(left: Any, right: Any) -> Any:
    """The greater of two unsigned terms."""
    return z3.If(z3.UGT(left, right), left, right)


def as_int(term: Any) -> Int:
    """A 64-bit term as an unsigned long."""
    return Int(term, ULONG)


class Rooms:
    """The lemmas of one text about what fits into one hole.

    ``room`` is what the C of aligned_room makes of the hole [LO, END).
    """

    def __init__(self, text: Text) -> None:
        self.c = Translator(text)
        self.demands: list[Any] = []
        hole = (as_int(LO), as_int(END))
        self.room = c.term(self.c.value("aligned_room", *hole, demands=self.demands))
        self.request, self.asked = self.make_request()

    def make_request(self) -> tuple[dict[str, Value], list[Any]]:
        """The request that hole_alloc() makes of its arguments, and what C asks for on the way."""
        function = self.c.text.function("hole_alloc")
        given = {
            "size": as_int(SIZE),
            "limit_pfn": as_int(HIGH - 1),
            "size_aligned": Int(ALIGNED, BOOL),
        }
        path = self.c.start(function, given, {})
        made = [
            each for each in function.body.block_items if getattr(each, "name", "") == "request"
        ]
        if len(made) != 1:
            raise ProofError("hole_alloc() makes no struct request")
        self.c.declare(made[0], path)
        members = {name: value for name, value in path.env.items() if name.startswith("request.")}
        return {f"*{name}": value for name, value in members.items()}, path.demands

    @property
    def request_given(self) -> Any:
        """What alloc() is asked: a limit below 2^64 - 1, and a size that has an alignment."""
        return z3.And(
            z3.ULE(SIZE, MOST_SIZE),
            HIGH != 0,
            z3.ULE(ALIGNED, 1),
            z3.If(ALIGNED != 0, is_alignment(ALIGN, SIZE), z3.And(SIZE != 0, ALIGN == 1)),
        )

    def take_top(self) -> list[Path]:
        """Ways through the C of take_top, for the hole [LO, END)."""
        given = {"lo": as_int(LO), "end": as_int(END)}
        return self.c.paths("take_top", given, self.request)

    def granted(self) -> Iterator[tuple[Path, Any]]:
        """Ways through take_top(), and the pfn that is written on the way, 0 if none is."""
        for path in self.take_top():
            yield path, c.term(path.env.get("*pfn_lo", c.number(0)))

    def takes(self) -> Any:
        """Whether take_top() answers at all."""
        return z3.Or(
            *(z3.And(path.condition, c.truth(path.value)) for path in self.take_top())  # type: ignore[arg-type]
        )

    def has_room(self, anywhere: Any, aligned: Any) -> Any:
        """Whether the C of has_room finds that a request fits into such a room."""
        memory = {"*room.anywhere": as_int(anywhere), "*room.aligned": as_int(aligned)}
        paths = self.c.paths("has_room", {}, {**self.request, **memory})
        return z3.Or(*(z3.And(path.condition, c.truth(path.value)) for path in paths))  # type: ignore[arg-type]

    def hole_room(self) -> dict[str, Any]:
        """What the C of hole_room keeps of [LO, END)."""
        room = self.c.value("hole_room", {"lo": as_int(LO), "end": as_int(END)})
        assert isinstance(room, dict)
        return {name: value.term for name, value in room.items()}

    # ---- statements ----

    def lemmas(self) -> Iterator[Lemma]:
        """All of this module."""
        yield from self.of_aligned_room()
        yield from self.of_take_top()

    def of_aligned_room(self) -> Iterator[Lemma]:
        shows = SHOWS | {"aligned_room()": self.room, "align": ALIGN}
        asked = z3.And(HOLE, is_alignment(ALIGN, SIZE))
        yield Lemma(
            "room-defined",
            "aligned_room(lo, end) shifts by less than 64 bits and asks for no bit of 0.",
            HOLE,
            z3.And(self.demands),
            shows,
        )
        yield Lemma(
            "room-bounds",
            "1 <= aligned_room(lo, end) <= end - lo.",
            HOLE,
            z3.And(z3.UGE(self.room, 1), z3.ULE(self.room, END - LO)),
            shows,
        )
        yield Lemma(
            "room-enough",
            "If size <= aligned_room(lo, end), it fits into [lo, end) aligned to its own size.",
            asked,
            enough(self.room),
            shows,
        )
        yield Lemma(
            "room-most",
            "If size fits into [lo, end) aligned to its own size, size <= aligned_room(lo, end).",
            asked,
            most(self.room, PFN),
            shows | {"pfn": PFN},
        )
        yield Lemma(
            "room-large",
            "In a hole that ends at or below 2^63, aligned_room() is at most 2^63: what is larger, "
            "and would have to be aligned to 2^64, is refused.",
            z3.And(HOLE, z3.ULE(END, MOST_SIZE)),
            z3.ULE(self.room, MOST_SIZE),
            shows,
        )
        yield Lemma(
            "room-large-needed",
            "Above 2^63 that is not so: a hole at pfn 0 may have more room.",
            HOLE,
            z3.ULE(self.room, MOST_SIZE),
            shows,
            refuted=True,
        )

    def of_take_top(self) -> Iterator[Lemma]:
        cut = z3.If(z3.ULT(HIGH, END), HIGH, END)
        mask = c.term(self.request["*request.mask"])
        found, refused = [], []
        for path, pfn in self.granted():
            assert path.value is not None
            highest = z3.Implies(fits(PFN, ALIGN, cut), z3.ULE(PFN, pfn))
            answer = z3.And(path.condition, c.truth(path.value))
            found.append(z3.Implies(answer, z3.And(fits(pfn, ALIGN, cut), highest)))
            none = z3.And(path.condition, z3.Not(c.truth(path.value)))
            refused.append(z3.Implies(none, z3.Not(fits(PFN, ALIGN, cut))))
        yield Lemma(
            "mask",
            "hole_alloc() makes the mask that clears the offset within the alignment, and no shift "
            "in it is undefined.",
            self.request_given,
            z3.And(*self.asked, mask == ~(ALIGN - 1)),
            {"size": SIZE, "size_aligned": ALIGNED, "mask": mask},
        )
        given = z3.And(HOLE, self.request_given)
        yield Lemma(
            "top-highest",
            "What take_top() grants is a fit below the limit, and no fit is higher.",
            given,
            z3.And(*found),
            LIMITED | {"pfn": PFN},
        )
        yield Lemma(
            "top-refused",
            "Where take_top() refuses, nothing fits below the limit.",
            given,
            z3.And(*refused),
            LIMITED | {"pfn": PFN},
        )
