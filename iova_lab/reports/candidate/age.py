"""Which numbers of the page were measured with other code than today's?"""

from __future__ import annotations

from collections.abc import Collection

from iova_lab.kernel import lockup
from iova_lab.measuring import flags
from iova_lab.measuring.contenders import RIVALS, SUBJECT, TODAY
from iova_lab.measuring.provenance import Provenance
from iova_lab.reports import fidelity
from iova_lab.reports.candidate.sources import Sources

#: Variants that the page compares; others stand in its tables alone.
_COMPARED = (SUBJECT, TODAY, *RIVALS)


def old(sources: Sources) -> list[str]:
    """A line for each kind of measurement that has an old variant of those compared."""
    found = {
        "instructions in booted kernels": _kernel(sources),
        "the soft lockup": _lockup(sources),
        "holds of the lock, and the lock queue simulated with them": sources.old_holds,
        **{f"results/{name}": _since(made) for name, made in sources.made.items()},
    }
    compared = {what: [name for name in _COMPARED if name in old] for what, old in found.items()}
    return [f"{what}: {', '.join(names)}" for what, names in compared.items() if names]


def _kernel(sources: Sources) -> Collection[str]:
    if sources.kernel.empty:
        return ()
    return set(sources.kernel[fidelity.old_in_kernel(sources.kernel)]["variant"])


def _lockup(sources: Sources) -> Collection[str]:
    rows = sources.lockup
    if rows.empty:
        return ()
    last = rows.drop_duplicates(["release", "variant"], keep="last").to_dict("records")
    return {row["variant"] for row in last if lockup.is_old(row)}


def _since(made: Provenance) -> Collection[str]:
    """What has changed since the commit of a file; kernels and holds have digests in each row.

    A command that counts has the names of all that it has counted.
    """
    old = flags.old_names(made.commit) or () if made.commit else ()
    words = made.command.split()
    return [name for name in old if name in words] if words[1:2] == ["counts"] else old
