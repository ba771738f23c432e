"""Which errors are the user's to mend, and what is said of them?"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

import click

import iova_lab
from iova_lab.basics import extras
from iova_lab.basics.errors import IovaLabError

#: Errors of the operating system without a file name that are the environment's all the same.
_ENVIRONMENT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM}

_PACKAGE = Path(iova_lab.__file__).resolve().parent


def end(failed: Iterable[object]) -> None:
    """Print what failed, a line each, and end the command with status 1; nothing if nothing did."""
    lines = [f"iova-lab: {one}" for one in failed]
    for text in lines:
        click.echo(text, err=True)
    if lines:
        raise click.exceptions.Exit(1)


def line(error: Exception, command: str | None) -> str | None:
    """One line for an error that the user or the environment can mend; None for a bug."""
    if isinstance(error, ModuleNotFoundError) and (needed := extras.hint(error)):
        return f"iova-lab {command}: {needed}"
    text = _text(error)
    return f"iova-lab: {text}" if text else None


def _text(error: Exception) -> str | None:
    if isinstance(error, IovaLabError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    if not isinstance(error, OSError) or isinstance(error, TimeoutError):
        return None
    if isinstance(error.filename, str | bytes):
        path = Path(error.filename if isinstance(error.filename, str) else error.filename.decode())
        return None if path.resolve().is_relative_to(_PACKAGE) else f"{path}: {error.strerror}"
    return str(error.strerror) if error.errno in _ENVIRONMENT else None
