"""Number of nodes: m holes need at most m / NODE_COVERS + 1, and the stock has as many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import z3
from pycparser import c_ast

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof.c_paths import Translator
from iova_lab.checking.proof.c_text import BOOL, ULONG, Pointer, Struct
from iova_lab.checking.proof.c_values import Int, Path, Ref, Value, term
from iova_lab.checking.proof.lemma import Lemma
from iova_lab.checking.proof.node_text import NODE, OPAQUE, NodeText


class Counts(NodeText):
    """The lemmas of one text about the number of nodes."""

    def lemmas(self) -> Iterator[Lemma]:
        """All of this module."""
        yield from self.of_count()
        yield from self.of_stock()

    # ---- the number of nodes ----

    def of_count(self) -> Iterator[Lemma]:
        """By induction over the levels, and over the children of a branch; numbers without bounds.

        Below a root, h m >= (h - 1) l n + l for m holes in n nodes, where l is the fewest holes in
        a leaf and h the fewest children of a branch.
        """
        leaf, branch = self.fewest(0), self.fewest(1)
        covers = self.constant("NODE_COVERS")
        m, n, others, nodes, children = z3.Ints("holes nodes other_holes other_nodes children")
        shows = {"holes": m, "nodes": n, "other holes": others, "other nodes": nodes}
        each = (branch - 1) * leaf

        def row(holes: Any, nr_nodes: Any, nr_children: Any) -> Any:
            law = branch * holes >= each * nr_nodes + leaf * nr_children
            return z3.And(nr_nodes >= nr_children, law)

        law = f"{branch} m >= {each} n + {leaf}"
        yield Lemma(
            "count-leaf",
            f"A leaf that is not the root, n = 1, has {law}.",
            m >= leaf,
            row(m, 1, 1),
            shows,
        )
        yield Lemma(
            "count-child",
            f"One child more, which has {law}: c children in a row have "
            f"{branch} m >= {each} n + {leaf} c.",
            z3.And(row(others, nodes, children), row(m, n, 1), children >= 0),
            row(others + m, nodes + n, children + 1),
            shows | {"children": children},
        )
        yield Lemma(
            "count-branch",
            f"A branch that is not the root, of {branch} children at least, has {law} again.",
            z3.And(row(m, n, children), children >= branch),
            row(m, n + 1, 1),
            shows | {"children": children},
        )
        yield Lemma(
            "count-root",
            f"A tree has {covers} (n - 1) <= m: its root is a leaf, or a branch of two children at "
            "least.",
            z3.And(m >= 0, z3.Or(n == 1, z3.And(row(m, n - 1, children), children >= 2))),
            covers * (n - 1) <= m,
            shows | {"children": children},
        )
        live, stock = z3.Ints("live stock")
        yield Lemma(
            "count-stock",
            f"With no more holes than live ranges, and live < {covers} * nodes in tree and spare, "
            "there are as many nodes as the tree can need.",
            z3.And(covers * (n - 1) <= m, m <= live, live < covers * stock),
            n <= stock,
            {"nodes": n, "holes": m, "live": live, "nodes in all": stock},
        )

    # ---- live ranges and nodes in stock ----

    def of_stock(self) -> Iterator[Lemma]:
        live, covered = z3.BitVecs("nr_live nr_covered", 64)
        covers = self.constant("NODE_COVERS")
        domain = Struct("hole_domain")
        given: dict[str, Value] = {"domain": Ref("domain", domain)}
        counts: dict[str, Value] = {
            "domain.nr_live": Int(live, ULONG),
            "domain.nr_covered": Int(covered, ULONG),
        }
        shows = {"nr_live": live, "nr_covered": covered}
        function = self.text.function("hole_alloc")
        loop = next(each for each in function.body.block_items if isinstance(each, c_ast.While))
        path = Path(counts | given, {"domain": Pointer(domain)}, z3.BoolVal(True))
        again = c.truth(self.c.evaluate(loop.cond, path))
        yield Lemma(
            "stock-alloc",
            "After hole_alloc() has filled the stock, one live range more is still fewer than the "
            "nodes are enough for.",
            z3.And(z3.ULT(live, covered), z3.Not(again)),
            z3.ULT(live + 1, covered),
            shows,
        )
        yield from self.of_surplus(counts, covers, shows)
        ends = self.c.paths("stock_up", given, counts)
        grown = [
            z3.Implies(
                z3.And(end.condition, c.truth(end.value)),
                term(end.env["domain.nr_covered"]) == covered + covers,
            )
            for end in ends
            if end.value is not None
        ]
        yield Lemma(
            "stock-up",
            f"A node that stock_up() adds is counted for {covers} live ranges.",
            z3.BoolVal(True),
            z3.And(len(grown) == len(ends), *grown),
            shows,
        )

    def of_surplus(
        self, counts: dict[str, Value], covers: int, shows: dict[str, Any]
    ) -> Iterator[Lemma]:
        live, covered = shows["nr_live"], shows["nr_covered"]
        domain = Struct("hole_domain")
        follow = Translator(
            self.text,
            (*OPAQUE, "to_hole_domain", "give_back", "surplus", "kmem_cache_free"),
            {"to_hole_domain": domain, "give_back": BOOL, "surplus": NODE},
        )
        memory = {
            name.replace("domain", "to_hole_domain#1", 1): each for name, each in counts.items()
        }
        claims = []
        for path in follow.paths("hole_free_sized", {}, memory):
            left = term(path.env["to_hole_domain#1.nr_live"])
            gone = covers * sum(call.name == "surplus" for call in path.calls)
            claims.append(z3.Implies(path.condition, z3.ULT(left, covered - gone)))
        yield Lemma(
            "stock-free",
            "hole_free_sized() gives a node back only if the rest is enough for the live ranges; "
            "numbers of ranges are below 2^63.",
            z3.And(z3.ULT(live, covered), z3.UGE(live, 1), z3.ULT(covered, 1 << 63)),
            z3.And(*claims),
            shows,
        )
        ends = self.c.paths("surplus", {"domain": Ref("domain", domain)}, counts)
        yield Lemma(
            "stock-surplus",
            f"A node that surplus() gives back was counted for {covers} live ranges.",
            z3.BoolVal(True),
            z3.And(*(term(end.env["domain.nr_covered"]) == covered - covers for end in ends)),
            shows,
        )
