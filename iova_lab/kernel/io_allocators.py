"""What can stand behind the DMA API in `iova_lab.kernel.io`, and the module that puts it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import iova_variants
from iova_lab.basics.errors import InvalidValueError, NotFoundError
from iova_lab.kernel import KernelError, api, module
from iova_lab.kernel.files import Kernel
from iova_lab.linux import PREFIX, source, unit
from iova_variants.building import OWN_RCACHE

#: The kernel's own allocator: through the same livepatch, and without any.
STOCK, UNPATCHED = "stock", "unpatched"
#: The candidate with all of the kernel's API around it (harness/dropin), and its own caches.
DROPIN = "dropin"
#: Variants that can't stand behind the API: one is the API's own, one tracks no live ranges.
_EXCLUDED = ("kernel", "null")


def can_record(allocator: str) -> bool:
    """Are the calls that reach its tree recorded?"""
    return allocator != UNPATCHED and not has_own_caches(allocator)


def check_names(allocators: Sequence[str]) -> None:
    """Raise `NotFoundError` for a name that can't be put behind the API."""
    own = [name for name in module.variant_names() if name not in _EXCLUDED]
    known = [STOCK, UNPATCHED, DROPIN, *own]
    for allocator in allocators:
        if allocator not in known and not iova_variants.is_foreign(allocator):
            raise NotFoundError(
                f"no allocator named {allocator!r} for the DMA API; there are: {', '.join(known)}; "
                "or give a .c file"
            )


def has_own_caches(allocator: str) -> bool:
    """Has it per-CPU caches of its own?  What these serve is then not counted."""
    return allocator in (STOCK, DROPIN) or allocator.endswith(OWN_RCACHE)


def _whole(kernel: Kernel, allocator: str) -> Path | None:
    """The unit of a text that stands behind the API as a whole; None for all else."""
    if allocator == DROPIN:
        return unit.write(api.behind_header(kernel))
    if not (allocator.startswith(PREFIX) and allocator.endswith(OWN_RCACHE)):
        return None
    text = source.read(allocator.removeprefix(PREFIX))
    if b"iova_domain_init_rcaches(" not in text.files[source.ALLOCATOR]:
        raise KernelError(
            f"{allocator}: has no iova_domain_init_rcaches(), by which caches are asked for behind "
            "the DMA API: that came with v5.18"
        )
    return unit.write(replace(text, own_rcache=False))


def livepatch(kernel: Kernel, allocator: str, *, held: bool = False) -> Path | None:
    """Build the module that puts an allocator behind the API; None for the kernel as it is."""
    if allocator == UNPATCHED:
        return None
    variant = "mainline" if allocator == STOCK else allocator
    return module.build_io(kernel, variant, held=held, whole=_whole(kernel, allocator))


def arguments(allocator: str) -> str:
    """What the livepatch is loaded with; "" where there is none."""
    return "" if allocator == UNPATCHED else f"stock={int(allocator == STOCK)}"


def check_held(allocators: Sequence[str]) -> None:
    """Raise `InvalidValueError` for an allocator whose lock holds can't be counted."""
    for allocator in allocators:
        if allocator == UNPATCHED or has_own_caches(allocator):
            raise InvalidValueError(
                f"{allocator}: lock holds are counted of a variant behind the lab's caches only"
            )
