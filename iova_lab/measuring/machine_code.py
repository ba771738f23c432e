"""Compare machine code apart from the names of symbols and where in the object they lie.

The compiler's own assembly listing (``-S``) is read: one line is one instruction, and operands
name what they refer to.  From a few roots, everything that is reached is written out once, in the
order in which it is reached, with each symbol replaced by its number in that order.  Two programs
with the same text consist of the same instructions and data; their functions may have other names,
and stand elsewhere in the object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_LABEL = re.compile(r"^([A-Za-z_.$][\w.$]*):")
_WORD = re.compile(r"[A-Za-z_.$][\w.$]*")
#: Directives that hold bytes; all others outside of functions say where, not what.
_DATA = re.compile(r"^\.(byte|value|short|hword|2byte|long|word|4byte|quad|xword|8byte|zero)\b")
_TEXT = re.compile(r"^\.(string|ascii|asciz)\b")
#: In a function: unwinding and the symbol table.
_SILENT = re.compile(r"^\.(cfi_|type|size|globl|hidden|local|loc\b|file\b)")


@dataclass
class Listing:
    """One translation unit: the lines of each function and object, by symbol."""

    blocks: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)


def parse(assembly: str) -> Listing:
    """Read what ``cc -S`` printed."""
    functions = set(re.findall(r"^\t\.type\t([^,\s]+), ?[@%]function", assembly, re.M))
    listing = Listing(exported=set(re.findall(r"^\t\.globl?\t(\S+)", assembly, re.M)))
    function: str | None = None
    block: list[str] | None = None
    for raw in assembly.splitlines():
        line = raw.strip()
        if not line or line.startswith(("#", "//")):
            continue
        if function is not None:
            if re.match(rf"\.size\t{re.escape(function)},", line):
                function = None
            elif not _SILENT.match(line):
                listing.blocks[function].append(line)
            continue
        label = _LABEL.match(line)
        if label:
            name = label[1]
            block = listing.blocks.setdefault(name, [])
            function = name if name in functions else None
        elif _DATA.match(line) or _TEXT.match(line):
            if block is not None:
                block.append(line)
        else:
            _directive(listing, line)
            block = None if line.startswith((".section", ".text", ".data", ".bss")) else block
    return listing


def _directive(listing: Listing, line: str) -> None:
    if found := re.match(r"\.set\t([^,]+),\s*(\S+)$", line):
        listing.aliases[found[1]] = found[2]
    elif found := re.match(r"\.comm\t([^,]+),(.*)", line):
        listing.blocks[found[1]] = [f".comm {found[2]}"]


def canonical(roots: Iterable[str], units: Iterable[Listing], leaves: Iterable[str] = ()) -> str:
    """All that the symbols ``roots`` reach in ``units``, without a name of theirs.

    The symbols ``leaves`` keep their names, and what they stand for is left out.  Raises
    `LookupError` for a root that no unit defines.
    """
    program = _Program(list(units), frozenset(leaves))
    for root in roots:
        program.root(root)
    return program.text()


class _Program:
    def __init__(self, units: list[Listing], leaves: frozenset[str]) -> None:
        self._units = units
        self._leaves = leaves
        self._numbers: dict[tuple[int, str], int] = {}
        self._queue: list[tuple[int, str]] = []

    def root(self, name: str) -> None:
        for unit, listing in enumerate(self._units):
            if name in listing.blocks or name in listing.aliases:
                self._number(unit, name)
                return
        raise LookupError(f"nothing is called {name}")

    def text(self) -> str:
        lines = []
        for at, (unit, name) in enumerate(self._queue):  # it grows meanwhile
            lines += [f"@{at}:", *self._block(unit, self._units[unit].blocks[name])]
        return "\n".join(lines) + "\n"

    def _block(self, unit: int, lines: list[str]) -> list[str]:
        """One block with its own labels numbered; those that nothing refers to are left out."""
        own = {found[1] for line in lines if (found := _LABEL.match(line))}
        words = {word for line in lines if not _LABEL.match(line) for word in _WORD.findall(line)}
        labels: dict[str, str] = {}

        def replaced(found: re.Match[str]) -> str:
            word = found[0]
            if word in own:
                return labels.setdefault(word, f"L{len(labels)}")
            return self._reference(unit, word)

        result = []
        for line in lines:
            if label := _LABEL.match(line):
                if label[1] in words:
                    result.append(labels.setdefault(label[1], f"L{len(labels)}") + ":")
            elif _TEXT.match(line):
                result.append(line)
            else:
                head, _, operands = line.partition("\t")
                result.append(f"{head}\t{_WORD.sub(replaced, operands)}")
        return result

    def _reference(self, unit: int, word: str) -> str:
        """What stands for a word of an operand: a number, if it is a symbol of the program's."""
        listing = self._units[unit]
        if word in self._leaves:
            return word
        if word in listing.blocks or word in listing.aliases:
            return self._number(unit, word)
        for other, candidate in enumerate(self._units):
            if word in candidate.exported and word in candidate.blocks:
                return self._number(other, word)
        return word

    def _number(self, unit: int, name: str) -> str:
        while name in self._units[unit].aliases:
            name = self._units[unit].aliases[name]
        if name not in self._units[unit].blocks:
            return name
        key = (unit, name)
        if key not in self._numbers:
            self._numbers[key] = len(self._queue)
            self._queue.append(key)
        return f"@{self._numbers[key]}"
