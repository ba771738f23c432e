"""What the lemmas about nodes read of the C: constants, and when a node is refilled."""

from __future__ import annotations

from typing import Any

import z3

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof.c_paths import Translator
from iova_lab.checking.proof.c_text import UINT, ProofError, Struct, Text
from iova_lab.checking.proof.c_values import Int, Path, Value, term

NODE = Struct("btree_node")
OPAQUE = (
    *("btree_move_items", "btree_grow_root", "btree_split", "btree_open_slot"),
    *("btree_child_renew", "btree_pack", "spare_pop", "spare_push", "kmem_cache_alloc"),
    *("spin_lock_irqsave", "spin_unlock_irqrestore"),
)


def wide(value: Any) -> Any:
    """A number of items as 64 bits, so that sums and products do not wrap."""
    return z3.ZeroExt(32, term(value) if isinstance(value, Int) else value)


class NodeText:
    """What the lemmas about nodes read of one text."""

    def __init__(self, text: Text) -> None:
        self.c = Translator(text, OPAQUE, {"spare_pop": NODE, "kmem_cache_alloc": NODE})
        self.text = text
        self.level = z3.BitVec("level", 32)
        self.most = term(self.c.value("btree_node_most", Int(self.level, UINT)))

    def constant(self, name: str) -> int:
        """A constant of the C text."""
        expression = self.text.macro(name)
        if expression is None:
            raise ProofError(f"{name} is not defined in {self.text.names}")
        value = self.c.integer(expression, Path({}, {}, z3.BoolVal(True)))
        return int(z3.simplify(value.term).as_long())

    def refilled(self, level: int, nr: int) -> bool:
        """Whether btree_settle_up() refills a node of ``nr`` items that is not the root."""
        arguments: dict[str, Value] = {"level": c.number(level, UINT)}
        ways = self.c.paths("btree_too_empty", arguments, {"*node.nr": c.number(nr, UINT)})
        answers = [z3.simplify(c.truth(way.value)) for way in ways if way.value is not None]
        if len(answers) != 1 or not (z3.is_true(answers[0]) or z3.is_false(answers[0])):
            raise ProofError("btree_too_empty() is no comparison of a node's items")
        return bool(z3.is_true(answers[0]))

    def fewest(self, level: int) -> int:
        """The fewest items of a node that is not the root, once btree_settle_up() is done."""
        most = self.constant("BRANCH_CHILDREN" if level else "LEAF_HOLES")
        return next(nr for nr in range(most + 1) if not self.refilled(level, nr))
