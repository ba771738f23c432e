"""What a search skips: has_room() beside take_top(), and what a node keeps of its holes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import z3
from pycparser import c_ast

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof.c_paths import Translator
from iova_lab.checking.proof.c_text import BOOL, UINT, ULONG, ProofError, Struct
from iova_lab.checking.proof.c_values import Int, Path, Value
from iova_lab.checking.proof.lemma import Lemma
from iova_lab.checking.proof.rooms import (
    ALIGN,
    ALIGNED,
    END,
    HIGH,
    HOLE,
    LIMITED,
    LO,
    MOST_SIZE,
    PFN,
    SHOWS,
    SIZE,
    Rooms,
    as_int,
    enough,
    greater,
    is_alignment,
    most,
)


class Searches(Rooms):
    """The lemmas of one text about what a search skips."""

    def lemmas(self) -> Iterator[Lemma]:
        """All of this module."""
        yield from self.of_has_room()
        yield from self.of_fits()
        yield self.of_growth()
        yield from self.of_node_room()
        yield from self.of_change()

    def of_has_room(self) -> Iterator[Lemma]:
        room, takes = self.hole_room(), self.takes()
        given = z3.And(HOLE, self.request_given)
        yield Lemma(
            "room-kept",
            "hole_room() keeps end - lo and aligned_room(lo, end).",
            HOLE,
            z3.And(room["anywhere"] == END - LO, room["aligned"] == self.room),
            SHOWS,
        )
        number = z3.BitVec("room", 64)
        known = [most(number, pfn) for path, pfn in self.granted()] + [enough(number)]
        yield Lemma(
            "room-decides",
            "For a hole that ends at or below the limit, has_room() of the length and of any "
            "number with the properties room-enough and room-most is true if and only if "
            "take_top() grants.",
            z3.And(given, z3.ULE(END, HIGH), z3.Implies(ALIGNED != 0, z3.And(*known))),
            self.has_room(END - LO, number) == takes,
            LIMITED,
        )
        cut = z3.If(z3.ULT(HIGH, END), HIGH, END)
        yield Lemma(
            "limit-cuts",
            "take_top() grants below a limit if and only if it grants in the hole that ends there: "
            "with room-decides, if and only if the size is at most the room of "
            "[lo, min(end, limit + 1)).",
            z3.And(given, z3.ULT(LO, cut)),
            takes == z3.substitute(takes, (END, cut), (HIGH, cut)),
            LIMITED,
        )
        yield Lemma(
            "limit-below",
            "take_top() refuses where the limit is below the hole.",
            z3.And(given, z3.ULE(HIGH, LO)),
            z3.Not(takes),
            LIMITED,
        )
        yield Lemma(
            "limit-takes-away",
            "What take_top() grants below a limit it grants without one: with room-decides, a "
            "search may skip what has no room, for every limit.",
            z3.And(given, takes),
            z3.substitute(takes, (HIGH, END)),
            LIMITED,
        )
        a, b, p, q = z3.BitVecs("anywhere_1 aligned_1 anywhere_2 aligned_2", 64)

        yield Lemma(
            "room-of-two",
            "has_room() is true for the most of two rooms if and only if it is for one of them.",
            self.request_given,
            self.has_room(greater(a, p), greater(b, q))
            == z3.Or(self.has_room(a, b), self.has_room(p, q)),
            {"size": SIZE, "size_aligned": ALIGNED},
        )

    def of_fits(self) -> Iterator[Lemma]:
        """hole_fits() asks what take_top() does, of an aligned request below the limit."""
        hole: dict[str, Value] = {"lo": as_int(LO), "end": as_int(END)}
        mask = self.request["*request.mask"]
        fits = c.truth(self.c.value("hole_fits", hole, as_int(SIZE), mask))
        given = z3.And(HOLE, self.request_given, ALIGNED != 0, z3.ULE(END, HIGH))
        yield Lemma(
            "fits-exact",
            "For an aligned request below the limit, hole_fits() is true if and only if take_top() "
            "grants: with room-decides, if and only if the size is at most the room.",
            given,
            fits == self.takes(),
            LIMITED,
        )
        follow = Translator(
            self.c.text,
            ("btree_hole", "hole_fits"),
            {"btree_hole": Struct("hole"), "hole_fits": BOOL},
        )
        exact = []
        for path in follow.paths("btree_is_as_roomy", {"length": as_int(SIZE)}):
            asked = [call for call in path.calls if call.name == "hole_fits"]
            assert path.value is not None
            same = z3.BoolVal(False)
            if len(asked) == 1:
                _, size, made = asked[0].arguments
                same = z3.And(c.term(size) == SIZE, c.term(made) == ~(ALIGN - 1))
            answer = c.truth(c.variable("hole_fits#2", BOOL))
            exact.append(z3.And(same, z3.Implies(c.truth(path.value), answer), *path.demands))
        yield Lemma(
            "as-roomy",
            "btree_is_as_roomy() is true only where an aligned request of that length fits: with "
            "fits-exact, the hole has at least the room of any hole that is so long.",
            z3.And(is_alignment(ALIGN, SIZE)),
            z3.And(*exact),
            {"length": SIZE, "align": ALIGN},
        )

    def of_node_room(self) -> Iterator[Lemma]:
        """By induction over the items: the loop's body adds one to the most of those before."""
        function = self.c.text.function("btree_room_of_items")
        items = function.body.block_items
        loops = [each for each in items if isinstance(each, c_ast.For)]
        if len(loops) != 1:
            raise ProofError("btree_room_of_items() has not one loop")
        start = self.c.start(function, {}, {})
        for each in items[: items.index(loops[0])]:
            self.c.declare(each, start)
        first = {name: c.term(start.env[f"most.{name}"]) for name in ("anywhere", "aligned")}
        yield Lemma(
            "node-first",
            "btree_room_of_items() begins with no room, and the mask of a request of one pfn.",
            z3.BoolVal(True),
            z3.And(*(term == 0 for term in first.values()), c.term(start.env["mask"]) == ~0),
            first,
        )
        for leaf in (True, False):
            yield self.node_step(start, loops[0].stmt, leaf=leaf)

    def node_step(self, start: Path, body: Any, *, leaf: bool) -> Lemma:
        """One item more, in a leaf or in a branch.

        ``room`` stands for aligned_room(), by room-enough and room-most; what hole_fits() answers
        follows from it, by fits-exact.
        """
        anywhere, aligned, bound, more = z3.BitVecs("anywhere aligned bound bound_aligned", 64)
        number, align, after_align, mask = z3.BitVecs("room align after_align mask", 64)
        fits, room = c.variable("hole_fits#1", BOOL), c.variable("aligned_room#2")
        memory: dict[str, Value] = {
            "level": c.number(0 if leaf else 1, UINT),
            "mask": as_int(mask),
            "most.anywhere": as_int(anywhere),
            "most.aligned": as_int(aligned),
            "bound.anywhere": as_int(bound),
            "bound.aligned": as_int(more),
            "*hole[i].lo": as_int(LO),
            "*hole[i].end": as_int(END),
        }
        child = {name: z3.BitVec(f"*child[i].room.{name}", 64) for name in ("anywhere", "aligned")}
        item = {"anywhere": END - LO, "aligned": number} if leaf else child
        follow = Translator(
            self.c.text,
            ("hole_fits", "aligned_room"),
            {"hole_fits": BOOL, "aligned_room": ULONG},
        )
        path = start.copy(z3.BoolVal(True))
        path.env = memory
        steps, next_masks = [], []
        for end in follow.run(body, path):
            after = {name: c.term(end.env[f"most.{name}"]) for name in item}
            exact = [
                after[name] == greater(old, item[name])
                for name, old in (("anywhere", anywhere), ("aligned", aligned))
            ]
            early = z3.And(z3.UGE(after["anywhere"], bound), z3.UGE(after["aligned"], more))
            asked = [
                z3.And(c.term(call.arguments[1]) == aligned + 1, c.term(call.arguments[2]) == mask)
                for call in end.calls
                if call.name == "hole_fits"
            ]
            kept = c.term(end.env["mask"]) == ~(after_align - 1)
            next_masks.append(
                z3.Implies(end.condition, is_alignment(after_align, after["aligned"] + 1))
            )
            step = [*exact, *asked, early == (end.ended == "break"), *([kept] if leaf else [])]
            steps.append(z3.Implies(end.condition, z3.And(*step)))
        kind = "hole" if leaf else "child"
        return Lemma(
            f"node-{kind}",
            f"With each {kind}, btree_room_of_items() has the most of what it had and of the room "
            f"of that {kind}, and the mask of one pfn more; it ends early exactly where both "
            "numbers reach the bound.",
            z3.And(
                *(HOLE, z3.ULE(aligned, anywhere), z3.ULT(anywhere, MOST_SIZE)),
                *(z3.ULE(number, END - LO), z3.ULT(END - LO, MOST_SIZE), number == c.term(room)),
                *(is_alignment(align, aligned + 1), mask == ~(align - 1), *next_masks),
                (c.term(fits) != 0) == z3.ULE(aligned + 1, number),
                *(z3.ULE(child["aligned"], child["anywhere"]), z3.ULE(more, bound)),
                z3.Not(z3.And(z3.UGE(anywhere, bound), z3.UGE(aligned, more))),
            ),
            z3.And(*steps),
            {"lo": LO, "end": END, "anywhere": anywhere, "aligned": aligned},
        )

    def of_growth(self) -> Lemma:
        """By the two properties of aligned_room(), for the largest size that fits."""
        lo, end, number, more = z3.BitVecs("lo_2 end_2 room room_2", 64)
        around = z3.substitute(most(more, PFN), (LO, lo), (END, end))
        return Lemma(
            "room-grows",
            "A hole that grows has no less room: of two numbers with the properties room-enough "
            "and room-most, one for a hole and one for a hole around it, the second is not less.",
            z3.And(
                *(HOLE, z3.ULE(lo, LO), z3.ULE(END, end), number == SIZE),
                *(is_alignment(ALIGN, SIZE), enough(number)),
                *(PFN == (END - SIZE) & ~(ALIGN - 1), around),
            ),
            z3.And(z3.ULE(number, more), z3.ULE(END - LO, end - lo)),
            SHOWS | {"lo_2": lo, "end_2": end, "room": number, "room_2": more},
        )

    def of_change(self) -> Iterator[Lemma]:
        """What btree_room_after() keeps of a node without a look at its items."""
        names = ("anywhere", "aligned")
        rest, lost, left, merged, gained = (
            {name: z3.BitVec(f"{which}_{name}", 64) for name in names}
            for which in ("rest", "lost", "left", "merged", "gained")
        )
        before = {name: greater(greater(rest[name], lost[name]), merged[name]) for name in names}
        after = {name: greater(greater(rest[name], left[name]), gained[name]) for name in names}
        level, split = z3.BitVecs("level split", 32)
        memory: dict[str, Value] = {"*path.split": Int(split, UINT)}
        length = z3.BitVec("length", 64)
        memory["*change.lost"] = as_int(length)
        for name in names:
            memory[f"*change.gained.{name}"] = as_int(gained[name])
        follow = Translator(self.c.text, ("btree_node_room",), {"btree_node_room": Struct("room")})
        room = {name: as_int(before[name]) for name in names}
        arguments: dict[str, Value] = {"level": Int(level, UINT), "room": room}
        kept, bounds = [], []
        for path in follow.paths("btree_room_after", arguments, memory):
            if path.calls:
                bound = path.calls[0].arguments[2]
                enough_for = [z3.UGE(bound[name].term, after[name]) for name in names]
                bounds.append(z3.Implies(path.condition, z3.And(*enough_for)))
                continue
            assert isinstance(path.value, dict)
            same = [path.value[name].term == after[name] for name in names]
            kept.append(z3.Implies(path.condition, z3.And(*same)))
        given = z3.And(
            *(z3.ULE(left[name], lost[name]) for name in names),
            *(z3.ULE(merged[name], gained[name]) for name in names),
            *(z3.ULE(lost[name], length) for name in names),
            *(z3.ULE(which["aligned"], which["anywhere"]) for which in (rest, merged, gained)),
        )
        shows = {
            f"{which}.{name}": values[name]
            for which, values in (("rest", rest), ("lost", lost), ("gained", gained))
            for name in names
        }
        yield Lemma(
            "change-kept",
            "Where btree_room_after() does not look at the items, it has the most of those that "
            "did not change, of what is left of the lost room, and of the gained room.",
            given,
            z3.And(*kept),
            shows,
        )
        yield Lemma(
            "change-bound",
            "Where btree_room_after() looks at the items, none has more room than its bound.",
            given,
            z3.And(*bounds),
            shows,
        )
