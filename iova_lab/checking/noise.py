"""The smallest difference in time that this machine shows: mainline against itself."""

from __future__ import annotations

from collections.abc import Callable

from iova_lab import comparison
from iova_lab.checking.doctor import Check

#: A busier machine shows it here; the common case is the cheapest, so noise is largest in it.
_NOISE_CELL = comparison.Cell("near_empty", 100)


#: A difference that patches are discussed for should show.
_MOST_NOISE = 0.05


def noise(seconds: float, on_progress: Callable[[float, str], None]) -> Check:
    """Measure mainline against itself: what remains is what can't be seen on this machine now."""
    from iova_lab.checking.measuring import measure_cells

    result = measure_cells(
        ("mainline", "mainline"),
        (_NOISE_CELL,),
        seconds,
        lambda text, share: on_progress(share, text),
    )
    found = comparison.verdicts(result)[0].ratio
    name = f"noise, {seconds:g} s"
    if found is None or not found.known:
        means = "too few processes came back in that time to say anything"
        return Check(name, "bad", "not known", means, "iova-lab doctor --seconds 60")
    share = found.visible - 1
    said = f"mainline against itself on near_empty: {found.value - 1:+.1%}"
    said += f" ({found.lo - 1:+.1%} .. {found.hi - 1:+.1%}), {found.nr_processes} processes"
    means = f"differences below {share:.1%} can't be seen here in {seconds:g} s"
    if found.outcome != "no difference found":
        return Check(
            name, "bad", said, "a difference is shown where there is none", "measure later"
        )
    if share > _MOST_NOISE:
        return Check(name, "bad", said, means, "more time (--seconds), or a quieter machine")
    return Check(name, "fine", said, means)
