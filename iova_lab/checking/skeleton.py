"""What does a new variant begin as?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, get_args

from iova_lab.basics.errors import InvalidValueError, IovaLabError, NotFoundError

Flavour = Literal["list", "rbtree"]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)

#: Words of C that a file might be called, and a function not.
_C_WORDS = frozenset(
    "auto bool break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while".split()
)


def write(
    name: str, flavour: Flavour, folder: Path = Path(), *, original: str | None = None
) -> Path:
    """Write ``name.c`` into ``folder``, a variant that compiles and passes `iova-lab try`.

    With ``original``, a copy of that variant of the lab under the new name.  Raises
    `InvalidValueError` for a name that C can't have, `NotFoundError` for an unknown ``original``,
    `IovaLabError` where the file exists.
    """
    stem = name.removesuffix(".c")
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", stem) or stem in _C_WORDS:
        raise InvalidValueError(
            f"{name!r} can't be a variant's name: its functions are called after it, "
            "so lower case, digits and _"
        )
    text = _copy(stem, original) if original else _render(stem, flavour)
    path = folder / f"{stem}.c"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise IovaLabError(f"{path} exists, and stays as it is: choose another name") from None
    return path


def _render(stem: str, flavour: Flavour) -> str:
    import jinja2  # every command line imports this module, and one in a hundred writes a file

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("iova_lab.rendering"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(f"skeleton_{flavour}.c.j2").render(name=stem)


def _copy(stem: str, original: str) -> str:
    import iova_variants

    if original not in iova_variants.names():
        known = ", ".join(iova_variants.names())
        raise NotFoundError(f"--from: no variant named {original!r}; there are: {known}")
    text = Path(iova_variants.__path__[0], f"{original}.c").read_text(encoding="utf-8")
    text = re.sub(rf'(\.name\s*=\s*)"{original}"', rf'\1"{stem}"', text)
    text = text.replace(f"IOVA_HOOK(name)\t{original}_##name", f"IOVA_HOOK(name)\t{stem}_##name")
    functions = "|".join(set(re.findall(rf"\b{original}_(\w+)\(", text)))
    return re.sub(rf"\b{original}_({functions})\b", rf"{stem}_\1", text)
