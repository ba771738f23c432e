"""Functions, structs and constants of the candidate, parsed from the C text.

pycparser parses one definition at a time, so macros of other definitions are in nobody's way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pycparser import c_ast, c_parser

import iova_variants
from iova_lab.basics.errors import IovaLabError
from iova_variants.building import HARNESS_DIR

VARIANT_FILES = (
    *("aligned_room.h", "hole_domain.h", "hole_variant.h"),
    *("hole_btree_node.h", "hole_btree.h", "hole_btree_edit.h", "hole_btree_finger.h"),
)
#: What the kernel has of its own; the shim's text stands for it.
SHIM_FILES = ("linux/bitops.h", "linux/log2.h")

PRELUDE = "typedef _Bool bool; typedef struct spinlock spinlock_t;\n"
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_NOT_C = re.compile(r"\b(?:static|inline|__always_inline|noinline)\b")
#: Where the definition of a function begins.
_HEAD = r"^static [^;{{}}()=#]*?\b{}\([^;{{}}]*?\)\s*^\{{"


class ProofError(IovaLabError):
    """The C text has something that the translation does not cover."""


@dataclass(frozen=True)
class Scalar:
    """An integer of C."""

    bits: int
    signed: bool
    is_bool: bool = False


@dataclass(frozen=True)
class Struct:
    """A struct, by its tag."""

    tag: str


@dataclass(frozen=True)
class Pointer:
    """A pointer, or an array, to some type."""

    to: CType


CType = Scalar | Struct | Pointer

INT = Scalar(32, True)
UINT = Scalar(32, False)
ULONG = Scalar(64, False)
BOOL = Scalar(8, False, is_bool=True)
SCALARS = {
    "int": INT,
    "unsigned int": UINT,
    "unsigned long": ULONG,
    "unsigned long long": ULONG,
    "bool": BOOL,
}


def type_of(node: Any) -> CType:
    """The type that a declarator's node means."""
    if isinstance(node, c_ast.PtrDecl | c_ast.ArrayDecl):
        return Pointer(type_of(node.type))
    inner = node.type if isinstance(node, c_ast.TypeDecl | c_ast.Typename) else node
    if isinstance(inner, c_ast.TypeDecl | c_ast.PtrDecl):
        return type_of(inner)
    if isinstance(inner, c_ast.Struct):
        return Struct(inner.name)
    name = " ".join(inner.names)
    if name in ("spinlock_t", "void"):
        return Struct(name)
    if name not in SCALARS:
        raise ProofError(f"the type {name!r} is not translated")
    return SCALARS[name]


def variant_folder() -> Path:
    """Where the candidate's files are."""
    return Path(iova_variants.__path__[0])


class Text:
    """The C of the candidate, from ``folder``; of the kernel's API, from the shim."""

    def __init__(self, folder: Path | None = None) -> None:
        self.paths = [(folder or variant_folder()) / name for name in VARIANT_FILES]
        self.paths += [HARNESS_DIR / "userspace" / name for name in SHIM_FILES]
        #: Members of structs without a tag of their own.
        self._own: dict[str, dict[str, CType]] = {}

    @cached_property
    def _text(self) -> str:
        return "\n".join(_COMMENT.sub(" ", path.read_text(encoding="utf-8")) for path in self.paths)

    def _parsed(self, text: str, what: str) -> Any:
        try:
            return c_parser.CParser().parse(PRELUDE + text).ext[-1]
        except c_parser.ParseError as error:
            raise ProofError(f"{what} does not parse: {error}") from error

    def _only(self, pattern: str, what: str) -> re.Match[str]:
        found = list(re.finditer(pattern, self._text, re.M | re.S))
        if len(found) != 1:
            raise ProofError(f"{what} is defined {len(found)} times in {self.names}, not once")
        return found[0]

    @property
    def names(self) -> str:
        """The files, for messages."""
        return ", ".join(path.name for path in self.paths)

    def function(self, name: str) -> Any:
        """The definition of a function, a ``c_ast.FuncDef``."""
        match = self._only(rf"{_HEAD.format(name)}.*?^\}}", f"{name}()")
        return self._parsed(_NOT_C.sub("", match[0]), f"{name}()")

    def has_function(self, name: str) -> bool:
        """Whether these files define a function of this name."""
        return bool(re.search(_HEAD.format(name), self._text, re.M))

    def members(self, tag: str) -> dict[str, CType]:
        """Members of a struct, also of one without a tag of its own.

        Those of an anonymous union belong to it.
        """
        if tag in self._own:
            return self._own[tag]
        match = self._only(rf"^struct {tag} \{{.*?^\}};", f"struct {tag}")
        members: dict[str, CType] = {}
        waiting = list(self._parsed(match[0], f"struct {tag}").type.decls)
        for decl in waiting:
            if isinstance(decl.type, c_ast.Union):
                waiting.extend(decl.type.decls)
            elif not isinstance(decl.type, c_ast.Struct):
                parts = None
                if isinstance(decl.type, c_ast.ArrayDecl):
                    parts = getattr(decl.type.type.type, "decls", None)
                if parts:
                    own = Struct(f"{tag}.{decl.name}")
                    self._own[own.tag] = {part.name: type_of(part.type) for part in parts}
                    members[decl.name] = Pointer(own)
                else:
                    members[decl.name] = type_of(decl.type)
        return members

    def macro(self, name: str) -> Any | None:
        """The expression that a macro without arguments stands for."""
        match = re.search(rf"^#define {name}[ \t]+([^\n\\]+)$", self._text, re.M)
        if match is None:
            return None
        function = self._parsed(f"int f(void) {{ return {match[1]}; }}", name)
        return function.body.block_items[0].expr
