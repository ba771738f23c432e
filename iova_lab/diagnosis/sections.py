"""A diagnosis in words, in a fixed order: seen, fits, today, reproduce, record.

The same blocks become lines for a terminal and Markdown for a bug report.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from iova_lab.diagnosis.diagnosing import Diagnosis
from iova_lab.diagnosis.matching import Fit, Match, Verdict
from iova_lab.diagnosis.seen import Observation

_WIDTH = 80
_TODAY = "What to do on this machine today"
_NOTHING = "nothing was seen that points to it"


@dataclass(frozen=True)
class Block:
    """One piece of text; a quote and a command stand on lines of their own."""

    kind: Literal["title", "text", "item", "detail", "quote", "command"]
    text: str


def blocks(found: Diagnosis) -> Iterator[Block]:
    """All that a diagnosis says."""
    sure = found.answer.verdict != Verdict.UNKNOWN
    parts = (
        ("What was seen", _seen(found)),
        ("What fits", _fits(found)),
        (_TODAY if sure else f"{_TODAY}, if one of these is confirmed", _today(found)),
        ("How to reproduce it here", _reproduce(found)),
        ("What to record to be surer", _record(found)),
        ("Notes", (Block("item", note) for note in found.seen.notes)),
    )
    for title, part in parts:
        if body := list(part):
            yield Block("title", title)
            yield from body


def _seen(found: Diagnosis) -> Iterator[Block]:
    seen, machine = found.seen, found.seen.machine
    kinds = ", ".join(f"{kind}{f' ({nr})' if nr > 1 else ''}" for kind, nr in seen.kinds.items())
    yield Block("text", f"{seen.nr_lines:,} lines; recognised: {kinds or 'nothing'}.")
    if machine.release is not None:
        place = next(iter(seen.releases.values()))
        variant = machine.release.variant
        text = f"Kernel {machine.release} ({place}), for which the lab's variant {variant} stands."
        yield Block("text", text)
    else:
        yield Block("text", "Kernel: not named in the files; --kernel gives it, and decides a lot.")
    if machine.cpus:
        yield Block("text", f"CPUs: {machine.cpus:,}.")
    elif machine.cpus_at_least > 1:
        yield Block("text", f"CPUs: {machine.cpus_at_least:,} or more, by the highest number seen.")
    said: set[str] = set()
    for one in seen.observations:
        if one.text not in said:
            yield from _observation(one)
        said.add(one.text)


def _observation(one: Observation) -> Iterator[Block]:
    times = f" ({one.times:,} times, or like it)" if one.times > 1 else ""
    yield Block("item", f"{one.text}{times}")
    for place in one.places:
        yield Block("quote", f"{place}: {place.quote}")


def _fits(found: Diagnosis) -> Iterator[Block]:
    answer = found.answer
    if len(answer.best) > 1 and answer.verdict == Verdict.SEVERAL:
        yield Block("text", f"Answer: {answer.verdict}.")
        text = "What was seen does not tell these apart, and what to record, below, does:"
        yield Block("text", text)
    else:
        yield Block("text", f"Answer: {answer.verdict}: {answer.why}.")
    for one in answer.best:
        yield Block("item", f"{one.pathology.title} — {one.fit}")
        yield Block("detail", one.pathology.summary)
        yield from (Block("detail", f"for: {reason}") for reason in one.reasons)
        yield from (Block("detail", f"against: {reason}") for reason in one.objections)
        yield Block("detail", f"source: {'; '.join(one.pathology.sources)}")
    others = [one for one in answer.matches if one not in answer.best]
    pointed = [one for one in others if _NOTHING not in one.objections]
    if pointed:
        yield Block("text", "Others, and why not:")
    for one in pointed:
        yield Block("item", f"{one.pathology.title} — {_why_not(one, found)}")
    rest = [one.name for one in others if one not in pointed]
    if not answer.best and not pointed:
        yield Block("text", f"Nothing points to any of the {len(rest)} known pathologies.")
    elif rest:
        yield Block("text", f"Nothing points to: {', '.join(rest)}.")


def _why_not(one: Match, found: Diagnosis) -> str:
    if one.fit != Fit.NOT:
        best = found.answer.best[0].score if found.answer.best else 0
        return f"{one.fit}, and less well ({one.score} against {best})"
    return one.objections[0] if one.objections else "too little was seen"


def _today(found: Diagnosis) -> Iterator[Block]:
    for _, one in found.advice:
        yield Block("item", f"{one.does}.")
        yield Block("detail", one.says)
        yield Block("detail", f"price: {one.price}")
        yield Block("detail", f"source: {one.source}")


def _reproduce(found: Diagnosis) -> Iterator[Block]:
    titles = {one.name: one.pathology.title for one in found.answer.best}
    if found.reproductions and found.seen.machine.release is None:
        yield Block("text", "The kernel is unknown, so the commands are for today's mainline.")
    for one in found.reproductions:
        yield Block("item", f"{titles[one.pathology]} ({one.says}):")
        yield from (Block("command", command) for command in one.commands)


def _record(found: Diagnosis) -> Iterator[Block]:
    for _, one in found.records:
        yield Block("item", f"{one.says}; settles: {one.settles} ({one.source})")
        yield Block("command", one.command)


# ---- for a terminal, and for a bug report ----


def lines(found: Iterable[Block]) -> Iterator[tuple[Block, str]]:
    """Lines of at most 80 columns with their blocks; a command is one line, however long."""
    for block in found:
        if block.kind == "title":
            yield block, ""
            yield block, block.text
            continue
        if block.kind == "command":
            yield block, f"      {block.text}"
            continue
        if block.kind == "quote":
            yield block, _cut(f"    {block.text}")
            continue
        first, after = {"item": ("- ", "  "), "detail": ("    ", "    ")}.get(block.kind, ("", ""))
        for line in textwrap.wrap(
            block.text,
            _WIDTH,
            initial_indent=first,
            subsequent_indent=after,
            break_long_words=False,
            break_on_hyphens=False,
        ):
            yield block, line


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def markdown(found: Iterable[Block], title: str) -> str:
    """A page for a bug report."""
    parts = [f"# {title}\n"]
    was = ""
    for block in found:
        if block.kind == "title":
            parts.append(f"\n## {block.text}\n")
        elif block.kind == "text":
            parts.append(f"\n{_escaped(block.text)}\n")
        elif block.kind == "item":
            parts.append(f"{'' if was in _LISTED else chr(10)}- {_escaped(block.text)}\n")
        elif block.kind == "detail":
            parts.append(f"  - {_escaped(block.text)}\n")
        else:
            parts.append(f"\n  ```\n  {block.text}\n  ```\n")
        was = block.kind
    return "".join(parts)


_LISTED = ("item", "detail", "quote", "command")


def _escaped(text: str) -> str:
    for mark in ("\\", "`", "*", "_", "<", ">", "[", "]", "|"):
        text = text.replace(mark, f"\\{mark}")
    return text
