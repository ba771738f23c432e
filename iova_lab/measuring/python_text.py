"""What of a Python source is code, whatever it imports, and however it is laid out?"""

from __future__ import annotations

import ast
from functools import cache


def without_imports(source: str) -> str:
    """The lines of ``source`` that import nothing, as they are."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:  # a piece of an expression, which imports nothing
        return source
    dropped = {
        number
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    lines = enumerate(source.splitlines(), 1)
    return "\n".join(line for number, line in lines if number not in dropped)


@cache
def bare(source: str) -> str:
    """A module without its imports, comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                kept = [one for one in statements if not _is_silent(one)]
                setattr(node, name, kept)
    return ast.dump(tree)


def _is_silent(statement: ast.stmt) -> bool:
    """Is this an import, or a string that nothing reads?"""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return True
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
