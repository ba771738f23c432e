"""Do pages, documents and help texts keep to plain technical English?

The glossary has one word for each thing; the words below are what else it has been called.
Programs print, return, record and reject; they do not speak.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from iova_lab.commands.cli import main

ROOT = Path(__file__).resolve().parent.parent

#: What is not written, and what is.
INSTEAD = {
    r"in vain|needless(?:ly)?": "fails, spurious(ly)",
    r"at will": "on demand",
    r"traps?|walks of": "pathological workload, linear scan",
    r"convoys?|crews?": "lock queue, threads",
    r"letters?": "mail text",
    r"books": "reference model, ranges",
    r"stor(?:y|ies)|recipes?": "workload, benchmark, op stream",
    r"whoever|nobody(?:'s)?|therein|be it|can be had|for ever|heretofore": "plain words",
    r"sa(?:y|ys|id)|t(?:ell|ells|old)|speaks?|spoke": "prints, records, has, claims",
    r"asks?|asked|knows?|known of": "requests, has, records, is documented",
}
WORDS = re.compile(r"\b(?:" + "|".join(f"(?:{words})" for words in INSTEAD) + r")\b", re.IGNORECASE)
#: A statement that begins with a relative clause has no subject yet.
HEADLESS = re.compile(r"(?:^|(?<=[.:!] ))(?:Who|Whoever|What|Whatever)\b[^.?!:|]*\.(?:\s|$)", re.M)

#: Text that these may keep: quotations, names of stored results, and rules that a digest fixes.
ALLOWED = (
    r"^```.*?^```$",
    r"^ {4}[^\n]*$",
    r"``[^\n]*?``|`[^`\n]*`",
    r'"[^"\n]*"',
    r"\[[^\]\n]*\]\(#[^)\n]*\)|^## \S+: [^\n]*$",
    r"^- \*\*(?:Rule|Measured|The rule was changed)\*\*[^\n]*$",
    r"retry-in-vain|lockup-at-will|convoy-448|0018-convoy",
    r"^- (?:NVMe, 448 cores, longest wait|v1, our recipe beside his)[^\n]*$",  # stored with results
)
KEPT = re.compile("|".join(ALLOWED), re.M | re.S)


def complaints(text: str) -> Iterator[str]:
    plain = KEPT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for pattern in (WORDS, HEADLESS):
        for found in pattern.finditer(plain):
            number = plain.count("\n", 0, found.start()) + 1
            line = plain.splitlines()[number - 1].strip()
            yield f"line {number}: {found[0].strip()!r} in {line[:120]!r}"


def documents() -> list[str]:
    patterns = ("*.md", "docs/*.md", "reports/*.md", "reports/**/*.md", ".github/*.md")
    command = ["git", "ls-files", "--", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        name
        for name in done.stdout.splitlines()
        if not name.startswith(("docs/decisions/", "changes/", "tests/")) and name != "CHANGELOG.md"
    ]


@pytest.mark.parametrize("name", documents())
def test_pages_and_documents_use_the_words_of_the_glossary(name: str) -> None:
    assert not list(complaints((ROOT / name).read_text(encoding="utf-8")))


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for part, one in command.commands.items():
            yield from commands(one, f"{name} {part}")


COMMANDS = dict(commands(main, "iova-lab"))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_use_the_words_of_the_glossary(name: str) -> None:
    command = COMMANDS[name]
    helps = [getattr(one, "help", None) or "" for one in command.params]
    text = "\n".join([command.help or "", *helps])
    assert not list(complaints(text))


@pytest.mark.parametrize(
    "text",
    [
        "It is refused in vain.",
        "The program says so.",
        "Who claims nothing may refuse.",
        "It ends. What is right is counted.",
        "nobody asked",
    ],
)
def test_each_kind_of_complaint_is_made(text: str) -> None:
    assert list(complaints(text))


@pytest.mark.parametrize("text", ["What does it cost?", '"He said so."', "`iova-lab say`"])
def test_quotations_questions_and_code_are_kept(text: str) -> None:
    assert not list(complaints(text))
