"""Does the page of claims say what the results say, whatever is missing from them?"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from iova_lab.claims import Claim, Finding, Quantity, Verdict, all_claims, find, ledger
from iova_lab.claims.claim import ORIGINS
from iova_lab.claims.ledger import rule_digest
from iova_lab.commands.cli import main
from iova_lab.measuring import flags
from iova_lab.rendering.pages import html_of
from iova_lab.reports import claims as page
from iova_lab.reports import claims_figure as drawing

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
REPORTS = ROOT / "reports" / "claims"


def section(folder: Path, claim: str) -> str:
    (found,) = re.findall(
        rf"^## {claim}: .*?(?=^## )", (folder / "claims.md").read_text(), re.MULTILINE | re.DOTALL
    )
    return str(found)


def written(results: Path) -> str:
    page.write_claims(results, results / "out")
    return (results / "out" / "claims.md").read_text()


def store(results: Path, name: str, **row: object) -> None:
    (results / "claims").mkdir(exist_ok=True)
    text = json.dumps({"id": name, "rule": rule_digest(find([name])[0])} | row)
    (results / "claims" / f"{name}.json").write_text(text)


def test_every_claim_has_been_measured_by_the_rule_in_force() -> None:
    for claim, finding in page.stored(RESULTS):
        assert finding.verdict is not Verdict.MISSING, f"{claim.id}: {finding.answer}"


def test_a_result_of_an_older_rule_says_so_and_why_the_rule_was_changed() -> None:
    sections = (REPORTS / "claims.md").read_text().split("\n## ")
    stale = {section.split(":")[0] for section in sections if "**Stale**" in section}
    older = {
        claim.id
        for claim in all_claims()
        for path in [RESULTS / "claims" / f"{claim.id}.json"]
        if path.exists() and json.loads(path.read_text())["rule"] != rule_digest(claim)
    }
    assert stale == older
    assert not stale or "**The rule was changed**" in "".join(sections)


def test_question_then_answer_then_figure_then_table() -> None:
    lines = [line for line in (REPORTS / "claims.md").read_text().splitlines() if line]
    assert lines[0].startswith("# ")
    assert lines[0].endswith("?")
    published = sum(claim.origin == "published" for claim in all_claims())
    assert lines[1].startswith(f"**{published} published claims: ")
    starts = [line[:7] for line in lines[2:10]]
    assert starts.index("![Publi") < starts.index("| claim")


def test_every_row_of_the_table_leads_to_a_section() -> None:
    path = REPORTS / "claims.md"
    html = html_of(path, path.read_text())
    targets = re.findall(r'href="#([^"]+)"', html)
    assert len(targets) == len(all_claims())
    for target in targets:
        assert f'id="{target}"' in html


def test_every_claim_has_a_section_with_all_its_parts() -> None:
    text = (REPORTS / "claims.md").read_text()
    for claim in all_claims():
        section = text.partition(f"\n## {claim.id}: ")[2].partition("\n## ")[0]
        for part in (claim.claim, claim.source, claim.rule, claim.why, claim.not_in):
            assert part in section, claim.id
        assert f"`{claim.command}`" in section


def test_a_list_in_markdown_is_a_list_in_the_browser() -> None:
    html = MarkdownIt("commonmark").render((REPORTS / "claims.md").read_text())
    for part in ("Source", "Rule", "Why this rule", "Command", "Measured", "Not included"):
        assert html.count(f"<li><strong>{part}</strong>") + html.count(
            f"<li>\n<p><strong>{part}</strong>"
        ) == len(all_claims()), part


@pytest.mark.slow
def test_nothing_measured_is_a_page_that_says_so(tmp_path: Path) -> None:
    text = written(tmp_path)
    for origin, label in page.LABELS.items():
        missing = sum(not one.cannot and one.origin == origin for one in all_claims())
        assert re.search(rf"\d+ {label}: [^;\n]*\b{missing} not measured", text.split("\n| ")[0])
    assert "iova-lab claims woods-linear measures it" in text
    assert "claims.svg" not in text
    assert not (tmp_path / "out" / "claims.svg").exists()


@pytest.mark.slow
def test_failed_missing_and_measured_side_by_side(tmp_path: Path) -> None:
    store(tmp_path, "woods-linear", failed="cached32: killed by SIGSEGV at op 7")
    store(tmp_path, "woods-flat", cannot="no workload named 'startup'")
    store(tmp_path, "maple-span", measured={"span": {"maple": 1.5, "mainline": 1.0}})
    text = written(tmp_path)
    assert "## woods-linear: not measured" in text
    assert "failed: cached32: killed by SIGSEGV at op 7" in text
    assert "## woods-flat: cannot be tested here" in text
    assert "no workload named 'startup'" in text
    assert "## maple-span: reproduced" in text
    assert "for the 1 claims" in text
    assert (tmp_path / "out" / "claims.svg").exists()


@pytest.mark.slow
def test_a_verdict_is_computed_when_the_page_is_made(tmp_path: Path) -> None:
    for span, verdict in ((1.5, "reproduced"), (3.0, "partly reproduced"), (1.0, "not reproduced")):
        store(tmp_path, "maple-span", measured={"span": {"maple": span, "mainline": 1.0}})
        assert f"## maple-span: {verdict}" in written(tmp_path)


@pytest.mark.slow
def test_another_rule_shows_on_the_page(tmp_path: Path) -> None:
    store(tmp_path, "maple-span", measured={"span": {"maple": 1.5, "mainline": 1.0}}, rule="0")
    assert "**Stale**: measured under an earlier rule" in written(tmp_path)


@pytest.mark.slow
def test_a_changed_rule_shows_on_the_page(tmp_path: Path) -> None:
    changed = [claim for claim in all_claims() if ledger.changes(claim)]
    text = written(tmp_path)
    assert text.count("**The rule was changed**") == sum(len(ledger.changes(c)) for c in changed)
    for claim in changed:
        assert ledger.changes(claim)[0]["why"] in text


@pytest.mark.slow
def test_a_ledger_gets_an_entry_for_what_changed_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copy(ledger.LEDGER, tmp_path))
    entries = json.loads(copy.read_text())
    entries["woods-flat"][-1]["digest"] = "0"
    copy.write_text(json.dumps(entries))
    monkeypatch.setattr(ledger, "LEDGER", copy)
    assert ledger.record("because") == ["woods-flat"]
    assert ledger.read()["woods-flat"][-1]["why"] == "because"
    assert ledger.unrecorded() == []


def test_a_mail_has_72_columns_of_ascii() -> None:
    text = (REPORTS / "claims.txt").read_bytes().decode("ascii")
    assert max(map(len, text.splitlines())) <= 72
    for claim in all_claims():
        assert f"\n{claim.id}: " in text


def test_a_mail_wraps_what_is_long_and_refuses_what_is_not_ascii() -> None:
    (claim,) = find(["maple-span"])
    text = page.mail([(claim, Finding(Verdict.NOT, "x" * 200))], {})
    assert max(map(len, text.splitlines())) <= 72
    with pytest.raises(ValueError, match="wider than 72 columns, or not ASCII"):
        page.mail([(claim, Finding(Verdict.NOT, "\N{MULTIPLICATION SIGN}2"))], {})


@pytest.mark.slow
def test_the_page_says_how_loaded_the_machine_was(tmp_path: Path) -> None:
    machine = {"cpu": "C", "ram": "1 GiB", "os": "D", "num_cpu": "2"}
    taken = {"date": "2026-01-02", "commit": "abc", "machine": machine}
    for name, load in (("maple-span", 0.3), ("woods-flat", 7.5)):
        store(tmp_path, name, measured={}, load=load, **taken)
    line = "- 2026-01-02, commit abc: C, 1 GiB, D, 2 CPUs, load average up to 7.5; compiler not"
    assert line in written(tmp_path)


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (None, "-"),
        (Quantity("exponent", 1, 1), "n^1.00"),
        (Quantity("exponent", 0, 0.301), "n^0.00 to n^0.30"),
        (Quantity("exponent", -0.001, -0.001), "n^0.00"),
        (Quantity("ratio", 1.5, 2.2), "x1.50 to x2.20"),
        (Quantity("ratio", 640.2, 640.2), "x640"),
    ],
)
def test_numbers_are_short(quantity: Quantity | None, text: str) -> None:
    assert page.said(quantity) == text


def test_the_title_counts_what_can_be_tested() -> None:
    def found(*verdicts: Verdict) -> list[tuple[Claim, Finding]]:
        return [(all_claims()[0], Finding(one, "")) for one in verdicts]

    title = drawing.title(
        found(Verdict.REPRODUCED, Verdict.REPRODUCED, Verdict.NOT, Verdict.PARTLY, Verdict.CANNOT)
    )
    assert title.startswith("Of 4 published claims")
    assert "2 are reproduced and 1 are not" in title


def test_the_figure_has_a_row_for_every_claim_with_two_numbers() -> None:
    found = page.stored(RESULTS)
    figure = drawing.figure(found)
    labels = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    rows = drawing.drawable(found)
    assert sorted(label.split("\n")[0] for label in labels) == sorted(row.name for row in rows)
    named = {label for label in labels if "\n" in label}
    assert len(named) == sum(row.origin != ORIGINS[0] for row in rows) > 0
    for axes in figure.axes:
        low, high = axes.get_xlim()
        for line in axes.get_lines():
            assert all(low <= x <= high for x in np.asarray(line.get_xdata(), float))


@pytest.mark.slow
def test_report_needs_nothing_but_results(tmp_path: Path) -> None:
    (tmp_path / "results" / "claims").mkdir(parents=True)
    shutil.copy(RESULTS / "claims" / "maple-span.json", tmp_path / "results" / "claims")
    where = ["--results", str(tmp_path / "results"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, ["report", "claims", *where])
    assert done.exit_code == 0, done.output
    assert section(tmp_path / "out", "maple-span") == section(REPORTS, "maple-span")


def test_what_nobody_published_is_counted_apart() -> None:
    """Seven are from the lab's notes, and two ask more than their author claimed."""
    by_origin = Counter(claim.origin for claim in all_claims())
    assert by_origin["the lab's notes"] == 7
    assert {one.id for one in all_claims() if one.is_extension} == {
        *("augmented-log-aligned", "augmented-log-odd-limit")
    }
    found = page.stored(REPORTS.parent.parent / "results")
    published = [one for one in found if one[0].origin == "published"]
    assert f"{len(published)} published claims: " in page.summary(found)
    answer = {claim.id: one.answer for claim, one in found}["typical-twice"]
    assert re.search("(in|out)side the rule's band", answer)


def test_a_commit_that_is_not_here_is_labelled() -> None:
    rows = [{"machine": dict.fromkeys(("cpu", "ram", "os", "num_cpu"), "x"), "date": "d"}]
    rows[0] |= {"commit": "abc", "commit_note": "not in this repository"}
    assert "commit abc (not in this repository): " in page._taken(rows)[0]


@pytest.mark.parametrize(("changed", "expected"), [("maple", True), ("candidate", False)])
def test_only_what_a_claim_measures_makes_it_old(
    changed: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flags, "old_names", lambda commit: [changed])
    (claim,) = find(["maple-memory"])
    assert page.is_old(claim, {"commit": "0123456", "measured": {}}) == expected
    row = {"commit": "0123456", "measured": {"bytes": {changed: 1.0}}}
    assert page.is_old(claim, row)
