"""Expressions of C as terms, and the places in memory that they read and write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import z3
from pycparser import c_ast

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof.c_text import (
    INT,
    ULONG,
    CType,
    Pointer,
    ProofError,
    Scalar,
    Struct,
    Text,
    type_of,
)
from iova_lab.checking.proof.c_values import Call, Int, Path, Ref, Value

#: GFP_ATOMIC is only handed on.
KERNEL_CONSTANTS = {"true": 1, "false": 0, "GFP_ATOMIC": 0}


class Expressions:
    """Values of expressions in the functions of one text.

    ``opaque`` names functions whose calls are recorded and not followed, and that change nothing
    that the caller reads; ``returning`` has what some of them return: any integer of this type, or
    a pointer to this type.
    """

    def __init__(
        self, text: Text, opaque: Sequence[str] = (), returning: dict[str, CType] | None = None
    ) -> None:
        self.text = text
        self.opaque = frozenset(opaque)
        self.returning = returning or {}

    def value(self, name: str, *arguments: Value, demands: list[Any] | None = None) -> Value:
        """What a pure function returns."""
        raise NotImplementedError

    def fitted(self, value: Value, kind: CType) -> Value:
        """A value as a variable of this type has it."""
        return (
            c.convert(value, kind) if isinstance(kind, Scalar) and isinstance(value, Int) else value
        )

    def initial(self, node: Any, kind: CType, path: Path) -> dict[str, Any]:
        """A struct from the values in braces: with names, or in order; the rest is 0."""
        if not isinstance(kind, Struct):
            raise ProofError("values in braces are translated for structs only")
        members = self.text.members(kind.tag)
        values: dict[str, Any] = {
            name: c.number(0, each) for name, each in members.items() if isinstance(each, Scalar)
        }
        for name, item in zip(members, node.exprs, strict=False):
            named = isinstance(item, c_ast.NamedInitializer)
            key = item.name[0].name if named else name
            value = self.evaluate(item.expr if named else item, path)
            values[key] = self.fitted(value, members[key])
        return values

    def assign(self, name: str, kind: CType, value: Value, path: Path) -> None:
        """Remember a value under a name."""
        if isinstance(kind, Struct):
            assert isinstance(value, dict)
            for member, each in value.items():
                self.assign(f"{name}.{member}", self.text.members(kind.tag)[member], each, path)
        else:
            path.env[name] = self.fitted(value, kind)

    # ---- places ----

    def place(self, node: Any, path: Path) -> tuple[str, CType]:
        """The name of a variable, a member, an element or what a pointer points at."""
        if isinstance(node, c_ast.ID):
            if node.name not in path.types:
                raise ProofError(f"{node.name} is not a variable of this function")
            return node.name, path.types[node.name]
        if isinstance(node, c_ast.UnaryOp) and node.op == "*":
            pointer = self.evaluate(node.expr, path)
            assert isinstance(pointer, Ref)
            return pointer.name, pointer.to
        if isinstance(node, c_ast.ArrayRef):
            index = self.evaluate(node.subscript, path)
            base = self.evaluate(node.name, path)
            assert isinstance(index, Int)
            assert isinstance(base, Ref)
            return f"{base.name}[{z3.simplify(index.term)}]", base.to
        if isinstance(node, c_ast.StructRef):
            if node.type == "->":
                base = self.evaluate(node.name, path)
                assert isinstance(base, Ref)
                name, kind = base.name, base.to
            else:
                name, kind = self.place(node.name, path)
            assert isinstance(kind, Struct)
            return f"{name}.{node.field.name}", self.text.members(kind.tag)[node.field.name]
        raise ProofError(f"{type(node).__name__} is not a place in memory")

    def read(self, name: str, kind: CType, path: Path) -> Value:
        """What is there: what was put there, or a variable that is free."""
        if name in path.env:
            return path.env[name]
        if isinstance(kind, Struct):
            members = self.text.members(kind.tag)
            return {each: self.read(f"{name}.{each}", of, path) for each, of in members.items()}
        if isinstance(kind, Pointer):
            return Ref(f"*{name}", kind.to)
        path.env[name] = c.variable(name, kind)
        return path.env[name]

    # ---- expressions ----

    def evaluate(self, node: Any, path: Path) -> Value:
        """The value of an expression; what it changes is changed in ``path``."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise ProofError(f"{type(node).__name__} is not translated")
        value: Value = method(node, path)
        return value

    def integer(self, node: Any, path: Path) -> Int:
        """The value of an expression that has to be an integer."""
        return self.whole(self.evaluate(node, path), node)

    def whole(self, value: Value, node: Any) -> Int:
        """The value of ``node``, which has to be an integer."""
        if not isinstance(value, Int):
            raise ProofError(f"{type(node).__name__} is no integer")
        return value

    def _constant(self, node: Any, path: Path) -> Value:
        digits = node.value.rstrip("uUlL")
        suffix = node.value[len(digits) :].lower()
        bits = 64 if "l" in suffix or int(digits, 0) >> 31 else 32
        return c.number(int(digits, 0), Scalar(bits, "u" not in suffix))

    def _id(self, node: Any, path: Path) -> Value:
        if node.name == "NULL":
            return c.NULL
        if node.name in KERNEL_CONSTANTS:
            return c.number(KERNEL_CONSTANTS[node.name], INT)
        if node.name not in path.types:
            expression = self.text.macro(node.name)
            if expression is None:
                raise ProofError(f"{node.name} is neither a variable nor a constant")
            return self.evaluate(expression, path)
        return self.read(*self.place(node, path), path)

    def _structref(self, node: Any, path: Path) -> Value:
        return self.read(*self.place(node, path), path)

    _arrayref = _structref

    def _compoundliteral(self, node: Any, path: Path) -> Value:
        return self.initial(node.init, type_of(node.type), path)

    def _cast(self, node: Any, path: Path) -> Value:
        return self.fitted(self.evaluate(node.expr, path), type_of(node.to_type))

    def _assignment(self, node: Any, path: Path) -> Value:
        name, kind = self.place(node.lvalue, path)
        value = self.evaluate(node.rvalue, path)
        if node.op != "=":
            old = self.read(name, kind, path)
            value = c.arithmetic(node.op[:-1], old, value, path.demands.append)
        self.assign(name, kind, value, path)
        return self.read(name, kind, path)

    def _unaryop(self, node: Any, path: Path) -> Value:
        if node.op == "&":
            return Ref(*self.place(node.expr, path))
        if node.op == "*":
            return self.read(*self.place(node, path), path)
        if node.op in ("p++", "p--", "++", "--"):
            name, kind = self.place(node.expr, path)
            old = self.read(name, kind, path)
            new = c.arithmetic(node.op[-1], old, c.number(1, INT), path.demands.append)
            self.assign(name, kind, new, path)
            return old if node.op[0] == "p" else self.read(name, kind, path)
        if node.op == "!":
            return c.from_truth(z3.Not(c.truth(self.evaluate(node.expr, path))))
        value = c.promote(self.integer(node.expr, path))
        results = {"~": ~value.term, "-": -value.term, "+": value.term}
        return Int(results[node.op], value.type)

    def _binaryop(self, node: Any, path: Path) -> Value:
        start = self.evaluate(node.left, path)
        if isinstance(start, Ref) and node.op == "+":
            index = self.integer(node.right, path)
            return Ref(f"{start.name}[{z3.simplify(index.term)}]", start.to)
        left = self.whole(start, node.left)
        if node.op in ("&&", "||"):
            taken = c.truth(left) if node.op == "&&" else z3.Not(c.truth(left))
            right = c.term(self.guarded(taken, node.right, path)) != 0
            both = z3.And(c.truth(left), right) if node.op == "&&" else z3.Or(c.truth(left), right)
            return c.from_truth(both)
        return c.arithmetic(node.op, left, self.integer(node.right, path), path.demands.append)

    def guarded(self, condition: Any, node: Any, path: Path) -> Value:
        """An expression that is evaluated only under a condition; it may change nothing."""
        nr_demands, before = len(path.demands), dict(path.env)
        value = self.evaluate(node, path)
        if any(path.env[name] is not old for name, old in before.items()):
            raise ProofError("an assignment inside a condition is not translated")
        inside = path.demands[nr_demands:]
        path.demands[nr_demands:] = [z3.Implies(condition, each) for each in inside]
        return value

    def _ternaryop(self, node: Any, path: Path) -> Value:
        condition = c.truth(self.integer(node.cond, path))
        left = self.guarded(condition, node.iftrue, path)
        right = self.guarded(z3.Not(condition), node.iffalse, path)
        return c.choose(condition, left, right)

    def _funccall(self, node: Any, path: Path) -> Value:
        name = node.name.name
        if name == "iova_visit":  # it counts
            return c.number(0, INT)
        arguments = [self.evaluate(each, path) for each in node.args.exprs]
        if name in ("likely", "unlikely"):
            return arguments[0]
        if name in self.opaque:
            path.calls.append(Call(name, tuple(arguments)))
            kind, result = self.returning.get(name), f"{name}#{len(path.calls)}"
            if isinstance(kind, Scalar):
                return c.variable(result, kind)
            return Ref(result, kind) if kind else c.number(0, INT)
        if name in ("min", "max"):
            left, right = arguments
            first = c.arithmetic("<" if name == "min" else ">", left, right, path.demands.append)
            return c.choose(c.truth(first), left, right)
        if name == "__builtin_clzll":
            value = c.convert(c.promote(self.integer(node.args.exprs[0], path)), ULONG)
            path.demands.append(value.term != 0)
            return Int(c.leading_zeros(value.term), INT)
        if not self.text.has_function(name):
            raise ProofError(f"{name}() is not in {self.text.names}")
        return self.value(name, *arguments, demands=path.demands)
