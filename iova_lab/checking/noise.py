"""The smallest difference in time that this machine shows, from mainline against itself."""

from __future__ import annotations

from iova_lab.checking.doctor import Check
from iova_lab.measuring.statistics import Ratio

#: A difference that patches are discussed for should show.
_MOST_NOISE = 0.05


def noise(found: Ratio | None, seconds: float) -> Check:
    """What remains of mainline against itself (`comparison.trial.noise`) can't be seen here now."""
    name = f"noise, {seconds:g} s"
    if found is None or not found.known:
        means = "too few processes came back in that time to say anything"
        return Check(name, "bad", "not known", means, "iova-lab doctor --seconds 60")
    share = found.visible - 1
    said = f"mainline against itself on near_empty: {found.value - 1:+.1%}"
    said += f" ({found.lo - 1:+.1%} .. {found.hi - 1:+.1%}), {found.nr_processes} processes"
    means = f"differences below {share:.1%} can't be seen here in {seconds:g} s"
    if found.outcome != "no difference found":
        means = "a difference is shown where there is none"
        return Check(name, "bad", said, means, "measure later")
    if share > _MOST_NOISE:
        return Check(name, "bad", said, means, "more time (--seconds), or a quieter machine")
    return Check(name, "fine", said, means)
