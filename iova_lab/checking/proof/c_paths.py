"""C functions as terms over bit-vectors: every path through a function, with its condition.

Covered are integers of C with its promotions, structs, pointers as names of what they point at,
branches, and calls of functions that are pure.  Loops are not: a lemma takes a loop's body.
Anything else raises `ProofError`, so a change of the C is never silently left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import z3
from pycparser import c_ast

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof.c_expressions import Expressions
from iova_lab.checking.proof.c_text import ProofError, type_of
from iova_lab.checking.proof.c_values import Path, Value


class Translator(Expressions):
    """Paths through the functions of one text."""

    # ---- whole functions ----

    def paths(
        self,
        name: str,
        arguments: Mapping[str, Value] | None = None,
        memory: Mapping[str, Value] | None = None,
    ) -> list[Path]:
        """All ways through a function; what is not given, as parameter or in memory, is free."""
        function = self.text.function(name)
        return self.run(function.body, self.start(function, arguments or {}, memory or {}))

    def start(
        self, function: Any, arguments: Mapping[str, Value], memory: Mapping[str, Value]
    ) -> Path:
        """A function's beginning, with its parameters."""
        path = Path(dict(memory), {}, z3.BoolVal(True))
        for parameter in function.decl.type.args.params:
            if parameter.name is None:
                continue
            kind = type_of(parameter.type)
            path.types[parameter.name] = kind
            if parameter.name in arguments:
                self.assign(parameter.name, kind, arguments[parameter.name], path)
        return path

    def value(self, name: str, *arguments: Value, demands: list[Any] | None = None) -> Value:
        """What a pure function returns; what C asks for on the way is added to ``demands``."""
        function = self.text.function(name)
        names = [parameter.name for parameter in function.decl.type.args.params]
        result: Value | None = None
        kind = type_of(function.decl.type.type)
        bound = dict(zip(names, arguments, strict=True))
        for path in reversed(self.run(function.body, self.start(function, bound, {}))):
            if path.ended != "return" or path.value is None or path.calls:
                raise ProofError(f"{name}() is not a pure function")
            if demands is not None:
                demands += [z3.Implies(path.condition, each) for each in path.demands]
            value = self.fitted(path.value, kind)
            result = value if result is None else c.choose(path.condition, value, result)
        assert result is not None
        return result

    # ---- statements ----

    def run(self, node: Any, path: Path) -> list[Path]:
        """All ways through a statement."""
        done, open_paths = [], [path]
        for item in node.block_items if isinstance(node, c_ast.Compound) else [node]:
            after = [end for start in open_paths for end in self.step(item, start)]
            done += [end for end in after if end.ended]
            open_paths = [end for end in after if not end.ended]
        return done + open_paths

    def step(self, node: Any, path: Path) -> list[Path]:
        """All ways through one statement of a block."""
        if isinstance(node, c_ast.Compound):
            return self.run(node, path)
        if isinstance(node, c_ast.If):
            condition = c.truth(self.evaluate(node.cond, path))
            ways = [(node.iftrue, condition), (node.iffalse, z3.Not(condition))]
            return [
                end
                for way, when in ways
                for end in (self.run(way, path.copy(when)) if way else [path.copy(when)])
            ]
        if isinstance(node, c_ast.Return):
            path.value = self.evaluate(node.expr, path) if node.expr else None
            path.ended = "return"
        elif isinstance(node, c_ast.Break | c_ast.Continue):
            path.ended = type(node).__name__.lower()
        elif isinstance(node, c_ast.DeclList | c_ast.Decl):
            for decl in node.decls if isinstance(node, c_ast.DeclList) else [node]:
                self.declare(decl, path)
        else:
            self.evaluate(node, path)
        return [path]

    def declare(self, decl: Any, path: Path) -> None:
        """A local variable."""
        path.types[decl.name] = kind = type_of(decl.type)
        if isinstance(decl.init, c_ast.InitList):
            self.assign(decl.name, kind, self.initial(decl.init, kind, path), path)
        elif decl.init is not None:
            self.assign(decl.name, kind, self.evaluate(decl.init, path), path)
