"""Errors of a source of the kernel's text."""

from __future__ import annotations

from iova_lab.basics.errors import NotFoundError
from iova_variants.building import BuildError


class SourceError(NotFoundError):
    """No kernel tree, no such commit, or a file is missing; the message names it, and its place."""


class TextError(BuildError):
    """The kernel's text does not compile with the lab's shim; the message has file and line."""
