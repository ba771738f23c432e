"""Shape of the nodes: what a split and a join leave, and that no item is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import z3

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof.c_paths import Translator
from iova_lab.checking.proof.c_text import UINT
from iova_lab.checking.proof.c_values import Call, Int, Ref, Value, term
from iova_lab.checking.proof.lemma import Lemma
from iova_lab.checking.proof.node_text import NODE, NodeText, wide


class Nodes(NodeText):
    """The lemmas of one text about the shape of nodes."""

    def lemmas(self) -> Iterator[Lemma]:
        """All of this module."""
        yield self.of_split()
        yield from self.of_join()
        yield self.of_pack()
        yield from self.of_slots()

    @property
    def half(self) -> Any:
        """Fewest items of a node on ``level`` that is not the root."""
        return z3.If(self.level == 0, *(z3.BitVecVal(self.fewest(level), 32) for level in (0, 1)))

    def of_split(self) -> Lemma:
        slot = z3.BitVec("slot", 32)
        node = "***path.at[level].node"
        memory: dict[str, Value] = {
            f"{node}.nr": Int(self.most, UINT),
            "**path.at[level].slot": Int(slot, UINT),
        }
        claims = []
        for path in self.c.paths("btree_split", {"level": Int(self.level, UINT)}, memory):
            new = next(name for name in path.env if name.startswith("spare_pop#"))
            left, right = term(path.env[f"{node}.nr"]), term(path.env[new])
            moved = [call for call in path.calls if call.name == "btree_move_items"]
            fair = [z3.UGE(nr, self.half) for nr in (left, right)]
            room = [z3.ULT(nr, self.most) for nr in (left, right)]
            where = z3.BoolVal(False)
            if len(moved) == 1:
                _, to, _, start, nr, _ = moved[0].arguments
                where = z3.And(term(to) == 0, term(start) == left, term(nr) == right)
            at = term(path.env["**path.at[level].slot"])
            chosen = path.env.get("**path.at[level].node")
            inside = z3.ULE(at, right if chosen else left)
            whole = left + right == self.most
            claims.append(z3.Implies(path.condition, z3.And(whole, where, inside, *fair, *room)))
        return Lemma(
            "split",
            "btree_split() leaves two nodes that are at least half full and have room for one item "
            "more; it moves exactly the items behind the first half, and the path's slot is in the "
            "half that the path goes to.",
            z3.And(z3.ULE(slot, self.most), z3.ULT(self.level, self.constant("TREE_LEVELS"))),
            z3.And(*claims),
            {"level": self.level, "most": self.most, "slot": slot},
        )

    def of_join(self) -> Iterator[Lemma]:
        left, right, index = z3.BitVecs("left right index", 32)
        item = z3.Function("item", z3.IntSort(), z3.BitVecSort(32), z3.BitVecSort(64))
        names = {"*left": 0, "*right": 1}
        memory: dict[str, Value] = {"*left.nr": Int(left, UINT), "*right.nr": Int(right, UINT)}
        shape, kept = [], []
        for path in self.c.paths("btree_join", {"level": Int(self.level, UINT)}, memory):
            new_left, new_right = term(path.env["*left.nr"]), term(path.env["*right.nr"])
            assert path.value is not None
            one = c.truth(path.value)
            fair = [
                z3.And(z3.UGE(nr, self.half), z3.ULE(nr, self.most)) for nr in (new_left, new_right)
            ]
            shape.append(
                z3.Implies(path.condition, z3.And(fair[0], z3.If(one, new_right == 0, fair[1])))
            )
            before = self.contents(item, left, index, [], names)
            moves = [call for call in path.calls if call.name == "btree_move_items"]
            after = self.contents(item, new_left, index, moves, names)
            bounds = [each for call in moves for each in self.within(call)]
            same = z3.And(new_left + new_right == left + right, before == after, *bounds)
            kept.append(z3.Implies(path.condition, same))
        low = z3.If(z3.ULT(left, right), left, right)
        high = z3.If(z3.ULT(left, right), right, left)
        given = z3.And(z3.UGE(low + 1, self.half), z3.UGE(high, self.half), z3.ULE(high, self.most))
        shows = {"level": self.level, "left": left, "right": right}
        yield Lemma(
            "join",
            "Of two neighbours, one of which may lack one item of half, btree_join() makes one "
            "node that is not overfull and leaves the other empty, or two that are at least half "
            "full.",
            given,
            z3.And(*shape),
            shows,
        )
        yield Lemma(
            "join-keeps",
            "btree_join() loses no item, repeats none and keeps their order, and writes inside of "
            "the nodes.",
            z3.And(given, z3.ULT(index, left + right)),
            z3.And(*kept),
            shows | {"index": index},
        )

    def contents(
        self, item: Any, nr_left: Any, index: Any, calls: list[Call], names: dict[str, int]
    ) -> Any:
        """The item number ``index`` of both nodes in a row, after these moves."""

        def moved(
            old: Callable[[Any], Any], start: Callable[[Any], Any], call: Call
        ) -> Callable[[Any], Any]:
            to, slot, nr = (term(call.arguments[which]) for which in (1, 3, 4))
            return lambda at: z3.If(
                z3.And(z3.UGE(at, to), z3.ULT(at - to, nr)), start(at - to + slot), old(at)
            )

        nodes: list[Callable[[Any], Any]] = [partial(item, node) for node in (0, 1)]
        for call in calls:
            to, start = (names[call.arguments[which].name] for which in (0, 2))
            nodes[to] = moved(nodes[to], nodes[start], call)
        return z3.If(z3.ULT(index, nr_left), nodes[0](index), nodes[1](index - nr_left))

    def within(self, call: Call) -> list[Any]:
        """A move reads and writes items that a node has place for."""
        most = wide(self.most)
        nr = wide(call.arguments[4])
        return [z3.ULE(wide(call.arguments[which]) + nr, most) for which in (1, 3)]

    def of_pack(self) -> Lemma:
        nr, first = z3.BitVecs("nr first", 32)
        memory: dict[str, Value] = {"node.nr": Int(nr, UINT), "node.first": Int(first, UINT)}
        arguments: dict[str, Value] = {"level": Int(self.level, UINT), "node": Ref("node", NODE)}
        follow = Translator(self.text, ("btree_move_items",))
        claims = []
        for path in follow.paths("btree_pack", arguments, memory):
            moved = path.calls[0].arguments
            exact = [term(moved[1]) == 0, term(moved[3]) == first, term(moved[4]) == nr]
            at_0 = term(path.env["node.first"]) == 0
            inside = self.within(path.calls[0])
            claims.append(z3.Implies(path.condition, z3.And(at_0, *exact, *inside)))
        return Lemma(
            "pack",
            "btree_pack() moves all items of a node, and only those, to its beginning.",
            z3.And(z3.ULE(first, self.most), z3.ULE(nr, self.most - first)),
            z3.And(*claims),
            {"nr": nr, "first": first},
        )

    def of_slots(self) -> Iterator[Lemma]:
        nr, slot, first = z3.BitVecs("nr slot first", 32)
        places = z3.And(z3.ULE(first, self.most), z3.ULE(nr, self.most - first))
        for name, more, given, says in (
            ("btree_open_slot", 1, z3.And(z3.ULE(slot, nr), z3.ULT(nr, self.most)), "is not full"),
            (
                "btree_close_slot",
                -1,
                z3.And(z3.ULT(slot, nr), z3.ULE(nr, self.most)),
                "has that slot",
            ),
        ):
            arguments: dict[str, Value] = {
                "slot": Int(slot, UINT),
                "level": Int(self.level, UINT),
                "node": Ref("node", NODE),
            }
            claims = [
                z3.Implies(
                    path.condition,
                    z3.And(
                        term(path.env["node.nr"]) == nr + more,
                        z3.ULE(term(path.env["node.first"]) + nr + more, self.most),
                        z3.Implies(self.level != 0, term(path.env["node.first"]) == 0),
                        *(each for call in path.calls for each in self.within(call)),
                    ),
                )
                for path in self.c.paths(
                    name, arguments, {"node.nr": Int(nr, UINT), "node.first": Int(first, UINT)}
                )
            ]
            yield Lemma(
                name.removeprefix("btree_").replace("_", "-"),
                f"{name}() changes the number of items by {more:+}, and writes inside of the node "
                f"if that {says}; the items of a branch begin at 0.",
                z3.And(given, places, z3.Implies(self.level != 0, first == 0)),
                z3.And(*claims),
                {"level": self.level, "nr": nr, "slot": slot, "first": first},
            )
