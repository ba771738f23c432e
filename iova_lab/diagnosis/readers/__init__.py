"""One module for each kind of text that people have; they are found by listing this package.

A module has a class ``Reader`` with

- ``KIND``, the name of the kind, in words;
- ``WORDS``: a line of this kind has one of them; a reader is given such lines, of any file;
- ``take(line, number)``: a line without its end; True to get the next line, too, whatever it has;
- ``end()``, after the last line of a file.

A reader notes what it sees in its `Seen`.  It keeps no more than a few hundred lines' worth.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from iova_lab.diagnosis import release
from iova_lab.diagnosis.seen import Place, Seen
from iova_lab.traces.importer.dropped import shown

#: So much of a line is quoted.
_QUOTED = 160


@dataclass(eq=False)
class BaseReader:
    """What the readers share: where they are, and how they note it."""

    KIND: ClassVar[str] = ""
    WORDS: ClassVar[tuple[bytes, ...]] = ()

    seen: Seen
    file: str

    def place(self, line: bytes, number: int) -> Place:
        """The place of a line."""
        return Place(self.file, number, shown(line, _QUOTED))

    def named(self, kernel: bytes, line: bytes, number: int) -> None:
        """A line names the kernel's release."""
        found = release.parse(kernel.decode(errors="replace"))
        self.seen.named(found, self.place(line, number))

    def take(self, line: bytes, number: int) -> bool:
        """Read one line; True if the next one is wanted whatever it has."""
        raise NotImplementedError

    def end(self) -> object:
        """Note what is left at the end of a file; what it returns has no meaning."""


@cache
def classes() -> tuple[type[BaseReader], ...]:
    """Every reader, in the order of their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}").Reader for name in names)


@cache
def words() -> tuple[bytes, ...]:
    """Words of all readers, without those that have another one in them."""
    every = {word for one in classes() for word in one.WORDS}
    return tuple(sorted(word for word in every if not any(o != word and o in word for o in every)))
