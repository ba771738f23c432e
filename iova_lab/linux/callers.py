"""Which files of a kernel tree call the IOVA API, and what of it?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from iova_lab.basics.writing import write_whole
from iova_lab.linux import debian
from iova_lab.linux.errors import SourceError
from iova_lab.linux.source import ALLOCATOR, HEADER

#: What <linux/iova.h> declares, but for what it defines itself.
API = (
    *("init_iova_domain", "iova_domain_init_rcaches", "put_iova_domain"),
    *("iova_cache_get", "iova_cache_put"),
    *("alloc_iova", "free_iova", "__free_iova", "find_iova", "reserve_iova"),
    *("alloc_iova_fast", "free_iova_fast", "iova_rcache_range"),
)
_CALL = re.compile(rb"\b(" + "|".join(API).encode() + rb")\s*\(")
#: Where a kernel has its drivers.
_TOP = "drivers/"

#: Per file, the functions that it calls, in the order of `API`.
Callers = dict[str, list[str]]


def find(source: str, on_file: Callable[[str], object] = lambda path: None) -> Callers:
    """The callers in ``debian-7.3`` or in the tree at a path; of a package they are kept.

    Raises `SourceError`.
    """
    if series := re.fullmatch(r"debian-(\d+\.\d+)", source):
        kept = kept_at(series[1])
        if not kept.exists():
            files = debian.scan(series[1], is_driver)
            write_whole(kept, json.dumps(_callers(files, on_file), indent=1))
        found: Callers = json.loads(kept.read_text(encoding="utf-8"))
        return found
    tree = Path(source).expanduser()
    if not (tree / _TOP).is_dir():
        raise SourceError(f"{source} is no kernel tree: give debian-7.3 or a folder with {_TOP}")
    return _callers(_of_tree(tree), on_file)


def kept_at(series: str) -> Path:
    """Where the callers of a package are kept."""
    return debian.CACHE / f"callers-{series}.json"


def is_driver(path: str) -> bool:
    """Is this C of a driver, and not the allocator itself?"""
    return path.startswith(_TOP) and path.endswith((".c", ".h")) and path != ALLOCATOR


def _of_tree(tree: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((tree / _TOP).rglob("*.[ch]")):
        name = path.relative_to(tree).as_posix()
        if is_driver(name) and path.is_file():
            yield name, path.read_bytes()


def _callers(files: Iterable[tuple[str, bytes]], on_file: Callable[[str], object]) -> Callers:
    found: Callers = {}
    for path, data in files:
        on_file(path)
        called = {name.decode() for name in _CALL.findall(data)}
        if called and path != HEADER:
            found[path] = [name for name in API if name in called]
    return dict(sorted(found.items()))
