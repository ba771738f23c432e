"""Check that an argument of the Python interface is a whole number."""

from __future__ import annotations

import operator
from typing import Any

from iova_lab.basics.errors import InvalidTypeError


def whole(name: str, value: Any) -> int:
    """Return ``value`` as an int: any integer, NumPy's too.  Raises `InvalidTypeError`."""
    try:
        return operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise InvalidTypeError(f"{name} {value!r} is a {kind}, not a whole number") from None
