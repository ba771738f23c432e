"""Which known pathologies fit what was seen, how well, and why do the others not?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from iova_lab.diagnosis.pathology import Pathology, pathologies
from iova_lab.diagnosis.release import Release, is_before
from iova_lab.diagnosis.seen import Observation, Seen


class Fit(StrEnum):
    """How well a pathology fits, in words."""

    WELL = "fits well"
    FITS = "fits"
    MAY = "may fit"
    NOT = "does not fit"


class Verdict(StrEnum):
    """The answer as a whole."""

    FOUND = "a known problem of the IOVA allocator"
    SEVERAL = "a problem of the IOVA allocator; which one is not decided yet"
    OTHER = "not a problem of the IOVA allocator"
    UNKNOWN = "undecided"


#: From these sums of weights on.
_WELL, _FITS = 5, 3
#: So much more than the next one, and it is the one.
_AHEAD = 2
#: Signs that something is slow or wrong, and not in the allocator.
_ELSEWHERE = {
    *("stall_elsewhere", "fault_elsewhere", "leak_elsewhere", "cpu_elsewhere", "latency_flat"),
    *("lock_quiet", "fast_calls", "map_fast", "passthrough"),
}
#: Signs that the allocator itself is slow or wrong.
_IN_ALLOCATOR = {
    *("stall_in_alloc", "stall_in_free", "cpu_in_alloc", "cpu_in_free", "lock_contended"),
    *("lock_long_hold", "latency_tail", "slow_calls", "uaf_cached_node", "null_in_free"),
    *("bug_in_magazine", "leak_in_alloc", "leak_of_magazine", "trace_full_32bit", "map_fails"),
}

#: Signs that the allocator may be at fault, and no more.
_WEAK = {"stack_in_alloc", "stack_in_free", "cpu_a_little", "driver_map_fails"}


@dataclass(frozen=True)
class Match:
    """One pathology beside what was seen; reasons are sentences."""

    name: str
    pathology: Pathology
    fit: Fit
    score: int
    reasons: tuple[str, ...]
    objections: tuple[str, ...]
    is_in_release: bool | None


@dataclass(frozen=True)
class Answer:
    """The verdict, and all pathologies, the best first; ``best`` are those it is about."""

    verdict: Verdict
    why: str
    matches: tuple[Match, ...]
    best: tuple[Match, ...]


def match_all(seen: Seen) -> Answer:
    """Rank all pathologies by what was seen."""
    signs = seen.signs()
    found = [_match(name, one, signs, seen.machine.release) for name, one in pathologies().items()]
    found.sort(
        key=lambda one: (one.fit == Fit.NOT, -one.score, one.is_in_release is None, one.name)
    )
    fitting = [one for one in found if one.fit != Fit.NOT]
    best = tuple(one for one in fitting if one.score > fitting[0].score - _AHEAD)[:4]
    return Answer(*_verdict(best, signs), matches=tuple(found), best=best)


def _match(
    name: str, one: Pathology, signs: dict[str, Observation], release: Release | None
) -> Match:
    reasons, objections = (
        [symptom for symptom in symptoms if symptom.sign in signs]
        for symptoms in (one.symptom, one.against)
    )
    score = sum(s.weight for s in reasons) - sum(s.weight for s in objections)
    said = [f"{s.says} ({_at(signs[s.sign])})" for s in reasons]
    against = [f"{s.says} ({_at(signs[s.sign])})" for s in objections]
    is_in = one.is_in(release) if release else None
    if release is None and one.until:
        score -= 1
        against.append(f"the kernel is not named, and only those before v{one.until} have it")
    needed = any(sign in signs for sign in one.needs)
    if is_in is False and release:
        against.insert(0, _not_in(one, release))
    elif release and is_in is None and one.fix:
        against.append(f"whether {release} has it depends on what the distribution added")
    elif release and is_in:
        said.append(_in(one, release))
    if not needed:
        against.append("nothing was seen that points to it")
    fit = Fit.MAY
    if is_in is False or not needed or score <= 0:
        fit = Fit.NOT
    elif score >= _WELL:
        fit = Fit.WELL
    elif score >= _FITS:
        fit = Fit.FITS
    return Match(name, one, fit, score, tuple(said), tuple(against), is_in)


def _at(observation: Observation) -> str:
    return str(observation.places[0]) if observation.places else "no line"


def _in(one: Pathology, release: Release) -> str:
    eased = [fix for fix in one.fix if fix.effect == "eases" and fix.is_in(release)]
    text = f"kernel {release} has it"
    if one.until:
        text += f": it is in v{one.since} and later, before v{one.until}"
    if eased:
        text += f"; eased there by {', '.join(fix.commit or fix.mainline for fix in eased)}"
    return text


def _not_in(one: Pathology, release: Release) -> str:
    for fix in one.fix:
        if fix.effect == "mends" and fix.is_in(release):
            series = ".".join(map(str, release.series))
            since = fix.stable.get(series, fix.mainline)
            commit = f"{fix.commit}, " if fix.commit else ""
            return f"kernel {release} does not have it: mended by {commit}in {since} and later"
    if one.until and not is_before(release, one.until):
        return f"kernel {release} does not have it: mended in v{one.until}"
    return f"kernel {release} does not have it: it came with v{one.since}"


def _verdict(best: tuple[Match, ...], signs: dict[str, Observation]) -> tuple[Verdict, str]:
    if best and best[0].pathology.kind == "other" and best[0].score >= _FITS:
        return Verdict.OTHER, best[0].pathology.title
    strong = [one for one in best if one.score >= _FITS and one.pathology.kind == "allocator"]
    inside = sorted(_IN_ALLOCATOR & signs.keys())
    if strong and len(strong) == 1:
        return Verdict.FOUND, strong[0].pathology.title
    if strong:
        return Verdict.SEVERAL, "; or ".join(one.pathology.title for one in strong)
    if inside:
        return Verdict.SEVERAL, f"the allocator is at work ({signs[inside[0]].text})"
    elsewhere = [signs[sign] for sign in sorted(_ELSEWHERE & signs.keys())]
    if elsewhere and not _WEAK & signs.keys():
        return Verdict.OTHER, elsewhere[0].text
    return Verdict.UNKNOWN, _why_unknown(best, signs)


def _why_unknown(best: tuple[Match, ...], signs: dict[str, Observation]) -> str:
    if best:
        titles = " and ".join(f"“{one.pathology.title}”" for one in best[:2])
        return f"what was seen is not enough for {titles}"
    if signs:
        return "nothing that was seen says where the time goes"
    return "nothing of a kind that the lab reads was found"
