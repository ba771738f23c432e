"""The kernel's own ``drivers/iommu/iova.c``, unmodified, as a variant: ``linux:SOURCE``.

`source` reads the few files that it needs from a kernel tree, a commit or a Debian package;
`apply` puts patches on them; `unit` writes what is compiled, and compiles it.  From Python::

    import iova_variants
    iova_variants.replay("linux:~/src/linux@v6.6", stream)

No kernel text is part of the lab: it comes from the user's machine, and stays in caches there.
"""

from __future__ import annotations

from pathlib import Path

from iova_variants import LINUX

#: What a name of the kernel's own text begins with; see `iova_variants.variant.RESOLVERS`.
PREFIX = LINUX


def resolve(name: str) -> Path:
    """Return the C file that stands for ``linux:SOURCE``; it compiles.

    Raises `SourceError` for a source that can't be read, `TextError` for one that does not compile.
    """
    from iova_lab.linux import unit

    return unit.resolve(name)
