"""Values of C as terms over bit-vectors: integers with their promotions, pointers as names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import z3

from iova_lab.checking.proof.c_text import INT, ULONG, CType, ProofError, Scalar, Struct


@dataclass(frozen=True)
class Int:
    """An integer: a bit-vector and its type in C."""

    term: Any
    type: Scalar


@dataclass(frozen=True)
class Ref:
    """A pointer: the name of what it points at."""

    name: str
    to: CType


Value = Int | Ref | dict[str, Any]

NULL = Ref("NULL", Struct("void"))


@dataclass(frozen=True)
class Call:
    """A call that is not followed: its name and arguments."""

    name: str
    arguments: tuple[Any, ...]


@dataclass
class Path:
    """One way through a function: when it is taken, and what then holds.

    ``demands``: what C asks for, or the behaviour is undefined, such as shifts below the width.
    """

    env: dict[str, Value]
    types: dict[str, CType]
    condition: Any
    calls: list[Call] = field(default_factory=list)
    demands: list[Any] = field(default_factory=list)
    value: Value | None = None
    ended: str = ""

    def copy(self, condition: Any) -> Path:
        """The same, under one more condition."""
        return Path(
            dict(self.env),
            dict(self.types),
            z3.And(self.condition, condition),
            list(self.calls),
            list(self.demands),
        )


def number(value: int, kind: Scalar = ULONG) -> Int:
    """A constant."""
    return Int(z3.BitVecVal(value, kind.bits), kind)


def variable(name: str, kind: Scalar = ULONG) -> Int:
    """A free variable."""
    return Int(z3.BitVec(name, kind.bits), kind)


def term(value: Any) -> Any:
    """The term of an integer."""
    assert isinstance(value, Int)
    return value.term


def truth(value: Value) -> Any:
    """Whether a value is not 0; a pointer is one thing or the other, by its name."""
    if isinstance(value, Ref):
        return z3.BoolVal(False) if value == NULL else z3.Bool(f"{value.name} is not NULL")
    return term(value) != 0


def from_truth(condition: Any) -> Int:
    """What a comparison gives in C."""
    return Int(z3.If(condition, z3.BitVecVal(1, 32), z3.BitVecVal(0, 32)), INT)


def convert(value: Int, kind: Scalar) -> Int:
    """The value as another integer type has it."""
    if kind.is_bool:
        one, zero = z3.BitVecVal(1, kind.bits), z3.BitVecVal(0, kind.bits)
        return value if value.type.is_bool else Int(z3.If(value.term != 0, one, zero), kind)
    more = kind.bits - value.type.bits
    if more > 0:
        extend = z3.SignExt if value.type.signed else z3.ZeroExt
        return Int(extend(more, value.term), kind)
    return Int(z3.Extract(kind.bits - 1, 0, value.term) if more else value.term, kind)


def promote(value: Int) -> Int:
    """What C calculates with in place of a narrow integer."""
    return convert(value, INT) if value.type.bits < INT.bits else value


def together(left: Int, right: Int) -> tuple[Int, Int]:
    """Both in the type that C calculates in."""
    left, right = promote(left), promote(right)
    bits = max(left.type.bits, right.type.bits)
    widest = [value.type for value in (left, right) if value.type.bits == bits]
    kind = Scalar(bits, all(each.signed for each in widest))
    return convert(left, kind), convert(right, kind)


def choose(condition: Any, left: Value, right: Value) -> Value:
    """One of two values of the same kind."""
    if isinstance(left, dict) and isinstance(right, dict):
        return {name: choose(condition, left[name], right[name]) for name in left}
    if isinstance(left, Int) and isinstance(right, Int):
        left, right = together(left, right) if left.type != right.type else (left, right)
        return Int(z3.If(condition, left.term, right.term), left.type)
    if left == right:
        return left
    raise ProofError("a choice between two pointers is not translated")


def leading_zeros(term: Any) -> Any:
    """Zeros above the highest bit that is set, as 32 bits."""
    bits = term.size()
    zeros = z3.BitVecVal(bits, 32)
    for bit in range(bits):
        zeros = z3.If(z3.Extract(bit, bit, term) == 1, z3.BitVecVal(bits - 1 - bit, 32), zeros)
    return zeros


def arithmetic(op: str, left: Value, right: Value, demand: Any) -> Int:
    """A binary operation of C, on integers."""
    assert isinstance(left, Int)
    assert isinstance(right, Int)
    if op in ("<<", ">>"):
        left = promote(left)
        amount = convert(promote(right), Scalar(left.type.bits, right.type.signed)).term
        demand(z3.ULT(amount, left.type.bits))
        if op == "<<":
            return Int(left.term << amount, left.type)
        down = left.term >> amount if left.type.signed else z3.LShR(left.term, amount)
        return Int(down, left.type)
    left, right = together(left, right)
    a, b, signed = left.term, right.term, left.type.signed
    if op in ("/", "%"):
        demand(b != 0)
        if signed:
            return Int(a / b if op == "/" else z3.SRem(a, b), left.type)
        return Int(z3.UDiv(a, b) if op == "/" else z3.URem(a, b), left.type)
    compare = {
        "<": (z3.ULT(a, b), a < b),
        ">": (z3.UGT(a, b), a > b),
        "<=": (z3.ULE(a, b), a <= b),
        ">=": (z3.UGE(a, b), a >= b),
        "==": (a == b, a == b),
        "!=": (a != b, a != b),
    }
    if op in compare:
        return from_truth(compare[op][signed])
    results = {"+": a + b, "-": a - b, "*": a * b, "&": a & b, "|": a | b, "^": a ^ b}
    if op not in results:
        raise ProofError(f"the operator {op!r} is not translated")
    return Int(results[op], left.type)
