"""How does the kernel's text become a C file that the lab compiles like any other?

A folder is written once per text, shim and flags, and never changed: the files of the tree, a unit
that includes harness/linux/variant.c, and what the compiler is given for it beside the usual::

    <name>.c                what differs between eras, as macros; it names the digest of all
    <name>.flags            for every build
    <name>.counted.flags    for the build that counts nodes
    in_kernel.c             the same for the module of a booted kernel
    drivers/ include/ lib/  the text, as it is
    absent/linux/           headers that neither the tree nor the shim has, empty
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

from iova_lab.linux import PREFIX, in_kernel, source
from iova_lab.linux.errors import TextError
from iova_lab.linux.source import ALLOCATOR, HEADER, Text
from iova_variants import building
from iova_variants.building import BuildError

SHIM = building.HARNESS_DIR / "linux"
FOLDER = building.BUILT_DIR / "linux"

#: As the kernel's own Makefile: these are errors; of other warnings the lab makes nothing.
FLAGS = (
    *("-Wno-error", "-Wno-all", "-Wno-extra"),
    *("-Werror=implicit-function-declaration", "-Werror=implicit-int", "-Werror=return-type"),
    # The tree's red-black tree stands before the lab's.
    "-Wl,-z,muldefs",
)
COUNTED_FLAGS = ("-finstrument-functions",)

#: What harness/linux/variant.c calls, whatever the era.
API = (
    *("iova_cache_get", "iova_cache_put", "init_iova_domain", "put_iova_domain"),
    *("alloc_iova", "free_iova", "reserve_iova", "find_iova"),
)

#: Functions and members that harness/linux/variant.c names where the text has them.
FUNCTIONS = (
    *("to_iova", "private_find_iova", "iova_insert_rbtree"),
    *("__cached_rbnode_delete_update", "__is_range_overlap", "remove_iova", "private_free_iova"),
    *("iova_domain_init_rcaches", "free_global_cached_iovas"),
    # Of harness/dropin.
    *("space_of", "tree_alloc", "tree_free"),
)
MEMBERS = ("cached_node", "cached32_node", "max32_alloc_size", "iova_rbtree_lock")


def resolve(name: str) -> Path:
    """Return the unit of ``linux:SOURCE``, compiled once.  Raises `SourceError`, `TextError`."""
    wanted = name.removeprefix(PREFIX)
    return _resolved(wanted, source.stamp(wanted))


@cache
def _resolved(wanted: str, stamp: object) -> Path:
    """A commit stays what it was when it was first named, as long as this process runs."""
    return write(source.read(wanted))


def write(text: Text) -> Path:
    """Write the unit of a text, and compile it, unless that was done before; returns its C file.

    Raises `TextError` where the timed build does not compile.
    """
    digest = _digest(text)
    target = FOLDER / digest / f"{PREFIX}{text.label}.c"
    if not target.exists():
        _write(text, digest, target)
    try:
        building.compile_variant(target, "timed")
    except BuildError as error:
        raise TextError(_why(text, target, str(error))) from None
    return target


def _digest(text: Text) -> str:
    """Digest of all that a unit is made of."""
    digest = hashlib.sha256()
    shim = [path for path in sorted(SHIM.rglob("*")) if path.is_file()]
    parts = [
        *((path, data) for path, data in sorted(text.used.items())),
        *((str(path.relative_to(SHIM)), path.read_bytes()) for path in shim),
        (repr((FLAGS, COUNTED_FLAGS, text.label)), b""),
        (in_kernel.code(text, "", macros(text)), b""),
    ]
    for path, data in parts:
        digest.update(f"{path}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()[:16]


def _write(text: Text, digest: str, target: Path) -> None:
    """Write to a temporary name and rename: others find the folder whole, or not at all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=FOLDER))
    try:
        for path, data in text.used.items():
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            (partial / path).write_bytes(data)
        for header in source.included(text.used, text.used):
            if ".." in header or f"include/{header}" in text.used:
                continue
            empty = partial / "absent" / header
            empty.parent.mkdir(parents=True, exist_ok=True)
            empty.write_text("/* Neither the tree nor the lab's shim has this header. */\n")
        defines = macros(text)
        lines = "".join(f"#define {define}\n" for define in defines)
        code = f'/* {digest} */\n{lines}#include "variant.c"\n'
        (partial / target.name).write_text(code, encoding="utf-8")
        own = in_kernel.code(text, digest, defines)
        (partial / in_kernel.FILE).write_text(own, encoding="utf-8")
        folder = target.parent
        maple = [SHIM / "maple/include"] * text.has_maple
        paths = (*maple, SHIM / "include", SHIM, folder / "include", folder)
        include = [*(f"-I{path}" for path in paths), f"-idirafter{folder / 'absent'}"]
        _write_flags(partial / f"{target.stem}.flags", [*FLAGS, *include])
        _write_flags(partial / f"{target.stem}.counted.flags", COUNTED_FLAGS)
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            if not target.exists():  # else another process was faster
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_flags(path: Path, flags: list[str] | tuple[str, ...]) -> None:
    """One argument a line, as gcc and clang read a response file."""
    lines = (re.sub(r"([\s\\\"'])", r"\\\1", flag) for flag in flags)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def macros(text: Text) -> list[str]:
    """What differs between eras, for harness/linux/variant.c."""
    code = text.files[ALLOCATOR].decode(errors="replace")
    header = text.files[HEADER].decode(errors="replace")
    has = [name for name in FUNCTIONS if re.search(rf"\b{name}\(", code)]
    has += [name for name in MEMBERS if re.search(rf"\b{name};", header)]
    has += ["rbtree"] * text.has_rbtree
    maple = re.search(r"\bstruct maple_tree\s+(\w+);", header + code)
    if problem := _problem(text, code, header, maple is not None):
        raise TextError(f"{text.origin}: {ALLOCATOR} {problem}")
    defines = ["TEXT_OWN_RCACHE"] * text.own_rcache + [
        f'TEXT_NAME "{PREFIX}{text.label}"',
        f'TEXT_RELEASE "{text.release}"',
        f"TEXT_VERSION {_version(text.release)}",
        *(f"TEXT_HAS_{name}" for name in has),
    ]
    if maple:
        defines.append(f"TEXT_MAPLE {maple[1]}")
    if augmented := re.search(r"\bRB_DECLARE_CALLBACKS(_MAX)?\s*\(([^;{}]*?)\)\s*;?\n", code):
        defines.append(f"TEXT_AUGMENTED {_roles(bool(augmented[1]), augmented[2])}")
    return defines


def _version(release: str) -> int:
    """LINUX_VERSION_CODE of a release; 0 for "-"."""
    found = re.match(r"v(\d+)\.(\d+)(?:\.(\d+))?", release)
    major, minor, patch = (int(number or 0) for number in found.groups()) if found else (0, 0, 0)
    return (major << 16) + (minor << 8) + min(patch, 255)


def _problem(text: Text, code: str, header: str, has_maple: bool) -> str | None:
    """What the lab can't do with a text of this kind, for a message."""
    for name in API:
        if not re.search(rf"\b{name}\(", code):
            return f"has no {name}(), which the lab calls: texts before v4.3 are not supported"
    if not has_maple and not re.search(r"\bstruct rb_root\s+rbroot;", header + code):
        return (
            "keeps its ranges neither in a struct rb_root rbroot of its domain nor in a struct "
            "maple_tree: other structures are not supported"
        )
    if text.own_rcache and not re.search(r"\balloc_iova_fast\(", code):
        return "has no alloc_iova_fast(): caches of its own came with v4.7"
    return None


def _roles(is_max: bool, arguments: str) -> str:
    """Roles of the functions that the macros of rbtree_augmented.h define, for harness/linux."""
    words = [word.strip() for word in arguments.split(",")]
    name = words[1]
    computes = f"{name}_compute_max" if is_max else words[-1]
    quiet = (f"{{ {name}_{part}, TEXT_QUIET }}" for part in ("propagate", "copy", "rotate"))
    return ", ".join([f"{{ {computes}, TEXT_UPDATES }}", *quiet]) + ","


#: What a compiler complains about first, by what the shim lacks.
_LACKS = (
    (r"implicit declaration of function \W(\w+)", "{}()"),
    (r"call to undeclared function \W(\w+)", "{}()"),
    (r"unknown type name \W(?:struct )?(\w+)", "the type {}"),
    (r"(\w+)\W undeclared", "{}"),
    (r"use of undeclared identifier \W(\w+)", "{}"),
    (r"field \W(\w+)\W has incomplete type", "the type of its member {}"),
)


def _why(text: Text, target: Path, message: str) -> str:
    """One line: which name, in which line of which file of the tree, and where it can be added."""
    for line in message.splitlines():
        found = re.match(r"(\S.*?):(\d+)(?::\d+)?: (?:fatal )?error: (.*)", line)
        if not found:
            continue
        path, number, complaint = found.groups()
        try:
            place = f"{Path(path).relative_to(target.parent)}:{number}"
        except ValueError:
            place = f"{path}:{number}"
        for pattern, shown in _LACKS:
            if lacks := re.search(pattern, complaint):
                name = shown.format(*lacks.groups())
                return (
                    f"{text.origin}: {place} uses {name}, which the lab's shim lacks: add it to a "
                    f"header in {SHIM / 'include/linux'}"
                )
        return f"{text.origin}: {place}: {complaint}"
    return f"{text.origin}: {message}"
