"""From a symptom to its cause: what is recognised, what fits, and what is printed."""

from __future__ import annotations

import gzip
import json
import lzma
import random
import re
import shlex
import sys
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.diagnosis import Diagnosis, Verdict, diagnose, readers
from iova_lab.diagnosis.diagnosing import STATUS, of
from iova_lab.diagnosis.pathology import FOLDER, advice, pathologies, records
from iova_lab.diagnosis.reading import read_lines
from iova_lab.diagnosis.seen import MOST_OF_A_SIGN, SIGNS, Seen
from iova_lab.traces.file import ALLOC_FAST, TRACE_DTYPE, write_trace
from tests.support import fuzz_diagnose, symptoms
from tests.support.symptoms import SOFT_LOCKUP, TEXTS, Text

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def run(*words: str, text: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["diagnose", *words], input=text)


def found_in(folder: Path, one: Text | str, name: str = "sent.txt") -> Diagnosis:
    text = one if isinstance(one, str) else one.text
    (folder / name).write_text(text)
    return diagnose([folder / name], kernel=None if isinstance(one, str) else one.kernel)


def first(found: Diagnosis) -> str:
    return found.answer.best[0].name if found.answer.best else ""


# ---- what is recognised, and what fits ----


@pytest.mark.parametrize("name", TEXTS)
def test_every_kind_of_text_is_recognised_and_the_right_cause_comes_first(
    name: str, tmp_path: Path
) -> None:
    one = TEXTS[name]
    found = found_in(tmp_path, one)
    assert not one.kind or one.kind in found.seen.kinds
    assert found.answer.verdict == one.verdict
    assert first(found) in (one.first or ("",))
    assert found.status == STATUS[one.verdict]


def test_there_is_a_text_of_every_kind_and_for_every_pathology(tmp_path: Path) -> None:
    every = [found_in(tmp_path, one) for one in TEXTS.values()]
    kinds = {kind for found in every for kind in found.seen.kinds}
    assert len(kinds) > 20
    shown = {one.name for found in every for one in found.answer.best}
    assert set(pathologies()) - shown == {"high_limit"}  # of a trace file, below
    used = {observation.sign for found in every for observation in found.seen.observations}
    assert len(used) > 40


def packed(text: bytes) -> dict[str, bytes]:
    lines = text.splitlines()
    return {
        "gz": gzip.compress(text),
        "xz": lzma.compress(text),
        "zst": zstd.compress(text),
        "quoted": b"\n".join(b"> > " + line for line in lines),
        "CR LF": b"\r\n".join(lines),
        "coloured": b"\n".join(b"\x1b[33m" + line + b"\x1b[0m" for line in lines),
        "syslog": b"\n".join(b"Nov 29 10:00:00 host kernel: " + line for line in lines),
    }


@pytest.mark.parametrize("how", packed(b""))
@pytest.mark.parametrize("name", ["soft lockup", "KASAN", "null magazine", "RCU stall"])
def test_packing_and_mails_change_nothing(how: str, name: str, tmp_path: Path) -> None:
    one = TEXTS[name]
    data = packed(one.text.encode())[how]
    (tmp_path / "sent").write_bytes(data)
    found = diagnose([tmp_path / "sent"])
    plain = found_in(tmp_path, one)
    assert found.answer.verdict == plain.answer.verdict
    assert [m.name for m in found.answer.best] == [m.name for m in plain.answer.best]
    assert found.seen.machine == plain.seen.machine


@pytest.mark.parametrize("name", ["slabtop", "lock_stat", "perf report", "perf top", "bpftrace"])
def test_tables_are_read_from_a_mail(name: str, tmp_path: Path) -> None:
    one = TEXTS[name]
    quoted = "".join(f"> {line}\n" for line in one.text.splitlines())
    found = found_in(tmp_path, one._replace(text=quoted))
    assert (found.answer.verdict, first(found) in one.first) == (one.verdict, True)


def test_a_profile_of_few_samples_decides_nothing(tmp_path: Path) -> None:
    """A stall of a virtual machine's host put 2 of 37 samples into the allocator: 5.4 %."""

    def folded(inside: int, outside: int) -> str:
        return f"a;b;alloc_iova {inside}\na;b;intel_idle {outside}\n"

    def report(inside: int, outside: int) -> str:
        share = 100 * inside / (inside + outside)
        row = "    {:.2f}%  demo  [kernel.kallsyms]  [k] {}\n"
        text = f"# Samples: {inside + outside}  of event 'cycles'\n"
        return text + row.format(share, "alloc_iova") + row.format(100 - share, "intel_idle")

    for text in (folded, report):
        for inside, outside in ((2, 35), (0, 124), (35, 965)):
            found = found_in(tmp_path, text(inside, outside))
            assert found.answer.verdict is Verdict.UNKNOWN, (inside, outside)
            assert set(found.seen.signs()) == {"cpu_few_samples"}
        assert found_in(tmp_path, text(0, 125)).answer.verdict is Verdict.OTHER
        assert found_in(tmp_path, text(4, 33)).seen.signs().keys() == {"cpu_in_alloc"}
        assert found_in(tmp_path, text(45, 955)).seen.signs().keys() == {"cpu_in_alloc"}


def test_a_header_that_a_mail_has_wrapped(tmp_path: Path) -> None:
    wrapped = SOFT_LOCKUP.replace(" stuck for 22s!", "\nstuck for 22s!")
    found = found_in(tmp_path, wrapped)
    assert (found.seen.kinds, first(found)) == ({"soft lockup": 1}, "full_32bit")
    row = TEXTS["lock_stat"].text.replace("0.10  ", "0.10\n")
    assert found_in(tmp_path, row).seen.signs()["lock_contended"].numbers["contentions"] == 41923


def test_several_files_are_of_one_machine(tmp_path: Path) -> None:
    (tmp_path / "dmesg.txt").write_text(SOFT_LOCKUP)
    (tmp_path / "slab.txt").write_text(symptoms.SLABINFO)
    found = diagnose([tmp_path / "dmesg.txt", tmp_path / "slab.txt"])
    assert found.seen.machine.live_ranges == 801203
    assert {place.file for one in found.seen.observations for place in one.places} == {
        "dmesg.txt",
        "slab.txt",
    }
    commands = [command for one in found.reproductions for command in one.commands]
    assert "iova-lab replay mainline random_replace@1048576" in commands
    assert any(command.endswith("--cpus 42") for command in commands)


def test_few_live_ranges_speak_against_a_search(tmp_path: Path) -> None:
    few = symptoms.SLABTOP.replace("122011", "11").replace("122880 ", "16 ")
    found = found_in(tmp_path, SOFT_LOCKUP + few)
    reasons = {one.name: one for one in found.answer.matches}
    assert not {"full_32bit", "random_replace"} & {one.name for one in found.answer.best}
    assert any("too few live ranges" in text for text in reasons["full_32bit"].objections)


@pytest.mark.parametrize(
    "text",
    [
        "Function = alloc_iova\n     secs                : count     distribution\n"
        "         1 -> 1          : 7        |****|\n",
        "  a-8 [000] ..... 5.1: iova_alloc: dom=0xa size=007 limit=0099 pfn=0x1\n",
        "[    9.0] kernel BUG at drivers/iommu/iova\x16c:813!\n",
    ],
)
def test_what_mutated_input_broke_once(text: str, tmp_path: Path) -> None:
    found = found_in(tmp_path, text)
    assert found.seen.observations
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", str(found.seen.observations))
    assert "\\x" not in str(found.seen.observations)


def test_numbers_come_with_their_lines(tmp_path: Path) -> None:
    found = found_in(tmp_path, SOFT_LOCKUP)
    stall = found.seen.signs()["stall_in_alloc"]
    assert stall.numbers == {"cpu": 41, "seconds": 22}
    assert [(place.file, place.line) for place in stall.places] == [
        ("sent.txt", 1),
        ("sent.txt", 4),
    ]
    assert found.seen.machine.cpus_at_least == 42
    assert str(found.seen.machine.release) == "5.15.74"


# ---- the release decides ----


@pytest.mark.parametrize(
    ("release", "pathology", "is_in"),
    [
        ("5.15.88", "cve_2023_52910", True),
        ("5.15.89", "cve_2023_52910", False),
        ("6.1.6", "cve_2023_52910", True),
        ("6.1.7", "cve_2023_52910", False),
        ("6.0.19", "cve_2023_52910", True),
        ("5.10.200", "cve_2023_52910", False),
        ("5.10.109", "stale_failed_size", True),
        ("5.10.110", "stale_failed_size", False),
        ("5.15.33", "stale_failed_size", False),
        ("5.4.200", "stale_failed_size", True),
        ("5.18", "stale_failed_size", False),
        ("6.5.13", "sac_first", True),
        ("6.6.1", "sac_first", False),
        ("6.6.30", "depot_overflow", True),
        ("6.7.0-rc1", "depot_overflow", False),
        ("4.19.94", "kmemleak_anchor", True),
        ("4.19.95", "kmemleak_anchor", False),
        ("5.4.10", "kmemleak_anchor", True),
        ("5.4.11", "kmemleak_anchor", False),
        ("5.5.0", "kmemleak_anchor", False),
        ("6.12.102", "kmemleak_depot", True),
        ("6.12.103", "kmemleak_depot", False),
        ("7.2.1", "magazines_memory", True),
        ("7.3.0", "magazines_memory", False),
        ("4.19.3", "lost_space", True),
        ("5.11.0", "lost_space", False),
        ("7.3.0", "full_32bit", True),
        ("5.15.0-91-generic", "cve_2023_52910", None),
        ("5.14.0-427.13.1.el9_4.x86_64", "sac_first", None),
        ("5.14.0-427.13.1.el9_4.x86_64", "second_pass", True),
    ],
)
def test_which_fixes_are_in_a_release(release: str, pathology: str, is_in: bool | None) -> None:
    found = of(_named(release), ())
    (one,) = (match for match in found.answer.matches if match.name == pathology)
    assert one.is_in_release is is_in


def _named(release: str) -> Seen:
    seen = Seen()
    read_lines(seen, "x", [f"Linux version {release} (a@b) #1".encode()])
    return seen


@pytest.mark.parametrize(
    ("release", "variant"),
    [
        ("4.9.1", "cached32"),
        ("4.19.3", "anchor"),
        ("5.4.1", "max32"),
        ("5.15.2", "retry"),
        ("5.15.74", "mainline"),
        ("5.15.0-91-generic", "retry"),
        ("6.12.9", "mainline"),
    ],
)
def test_the_variant_of_a_release(release: str, variant: str, tmp_path: Path) -> None:
    found = found_in(tmp_path, SOFT_LOCKUP.replace("5.15.74", release))
    assert any(f"replay {variant} " in one.commands[0] for one in found.reproductions)


def test_advice_that_is_done_already_is_not_given(tmp_path: Path) -> None:
    old, new = (
        {name for name, _ in found_in(tmp_path, SOFT_LOCKUP.replace("5.15.74", one)).advice}
        for one in ("5.10.2", "6.12.9")
    )
    assert "forcedac" in new - old  # since v5.13
    assert "upgrade_sac" in old - new


# ---- the files of the pathologies ----


def test_every_file_of_the_pathologies_is_read() -> None:
    assert len(pathologies()) > 20
    for name, one in pathologies().items():
        assert set(one.needs) <= SIGNS.keys(), name
        assert {symptom.sign for symptom in (*one.symptom, *one.against)} <= SIGNS.keys(), name
        assert set(one.needs) <= {symptom.sign for symptom in one.symptom}, name
        assert set(one.advice) <= advice().keys(), name
        assert set(one.record) <= records().keys(), name
        assert one.sources, name
        assert one.advice, name
        assert one.record, name
        if one.workload:
            known = workloads.get(one.workload.name)
            assert known.why_not(one.workload.default) is None
        for fix in one.fix:
            assert re.fullmatch(r"[0-9a-f]{12}|", fix.commit), name
            assert all(update.startswith(series) for series, update in fix.stable.items()), name
    used = {name for one in pathologies().values() for name in (*one.advice, *one.record)}
    assert used == advice().keys() | records().keys()


@pytest.mark.parametrize("name", advice())
def test_every_advice_has_a_source_and_a_price(name: str) -> None:
    one = advice()[name]
    assert one.price.endswith(".")
    kinds = r"documentation|[Cc]ommit|list|CVE|\(8\)|\(5\)|docs/|drivers/|reports/"
    assert re.search(kinds, one.source), one.source


@pytest.mark.parametrize("name", records())
def test_everything_to_record_has_a_source(name: str) -> None:
    one = records()[name]
    assert one.source
    assert "\n" not in one.command


def test_every_sign_is_seen_by_a_reader() -> None:
    folder = FOLDER.parent / "diagnosis"
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    assert all(text.count(f'"{sign}"') > 1 for sign in SIGNS)


def test_a_file_that_does_not_fit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.toml").write_text('title = "x"\nsince = 3\n')
    monkeypatch.setattr("iova_lab.diagnosis.pathology.FOLDER", tmp_path)
    pathologies.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"odd\.toml: "):
            pathologies()
    finally:
        pathologies.cache_clear()


# ---- traces of the lab ----


def test_a_trace_file_is_read() -> None:
    found = diagnose([FOLDER.parent / "traces" / "debian-6.12.npz"])
    assert found.seen.kinds == {"trace file": 1}
    assert str(found.seen.machine.release) == "6.12.117+deb12-amd64"
    assert found.answer.verdict == Verdict.UNKNOWN


def test_odd_limits_in_a_trace(tmp_path: Path) -> None:
    rows = np.zeros(4, TRACE_DTYPE)
    rows["op"], rows["size"] = ALLOC_FAST, 1
    rows["limit_pfn"] = (1 << 28) - 1
    rows["pfn"] = (1 << 28) - 1 - np.arange(4)
    meta = {"kernel": "6.12.9", "granule": 4096, "start_pfn": 1}
    write_trace(tmp_path / "t.npz", len(rows), [rows], meta)
    found = diagnose([tmp_path / "t.npz"])
    assert first(found) == "high_limit"
    assert "limit of 40 bits" in found.seen.signs()["odd_limit"].text


# ---- what is printed ----


@pytest.mark.parametrize("name", [name for name, one in TEXTS.items() if one.kind])
def test_what_is_printed_fits_a_terminal_and_names_every_source(name: str, tmp_path: Path) -> None:
    one = TEXTS[name]
    (tmp_path / "sent.txt").write_text(one.text)
    words = [str(tmp_path / "sent.txt"), *(["--kernel", one.kernel] if one.kernel else [])]
    done = run(*words)
    assert done.exit_code == STATUS[one.verdict]
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith("      "))
    assert lines[0] == "What was seen"
    heads = [line for line in lines if line and lines[lines.index(line) - 1] == ""]
    assert heads[0] == "What fits"
    advised = done.stdout.partition("What to do on this machine today")[2]
    advised = re.split("\n\n", advised)[0]
    items = advised.count("\n- ")
    assert items == advised.count("\n    price: ") == advised.count("\n    source: ")


@pytest.mark.parametrize("name", ["soft lockup", "kmemleak", "perf report"])
def test_markdown_and_json_have_all_of_it(name: str, tmp_path: Path) -> None:
    one = TEXTS[name]
    (tmp_path / "sent.txt").write_text(one.text)
    page = run(str(tmp_path / "sent.txt"), "--markdown").stdout
    tokens = MarkdownIt("commonmark").parse(page)
    heads = [b.content for a, b in pairwise(tokens) if a.type == "heading_open"]
    assert heads[0].startswith("Diagnosis of ")
    assert heads[1:3] == ["What was seen", "What fits"]
    data = json.loads(run(str(tmp_path / "sent.txt"), "--json").stdout)
    fences = [token.content.strip() for token in tokens if token.type == "fence"]
    commands = [command for shown in data["reproduce"] for command in shown["commands"]]
    assert set(commands) <= set(fences)
    assert (
        data["verdict"] == found_in(tmp_path, one._replace(kernel=None)).answer.verdict.name.lower()
    )
    assert all(shown["source"] and shown["price"] for shown in data["advice"])
    assert all(shown["places"] for shown in data["observations"])


@pytest.mark.parametrize("name", TEXTS)
def test_every_printed_command_exists(name: str, tmp_path: Path) -> None:
    found = found_in(tmp_path, TEXTS[name])
    commands = [command for one in found.reproductions for command in one.commands]
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "iova-lab"
        _parse(main, words[1:])


def _parse(command: click.Command, words: list[str]) -> None:
    """Parse as click does, without running; sizes are held against the workload's bounds."""
    if isinstance(command, click.Group):
        return _parse(command.commands[words[0]], words[1:])
    context = command.make_context(words[0] if words else "", list(words))
    cell = next((word for word in words if "@" in word), None)
    if cell:
        name, size = workloads.split(cell)
        assert size is not None
        assert workloads.get(name).why_not(size) is None
    context.close()
    return None


def test_standard_input(tmp_path: Path) -> None:
    done = run("-", text=gzip.compress(SOFT_LOCKUP.encode()))
    assert done.exit_code == 0
    assert "standard input:1" in done.stdout


@pytest.mark.parametrize(
    ("words", "data", "says"),
    [
        ([], b"", "empty"),
        ([], b"\x1f\x8b damaged", "damaged"),
        ([], bytes(range(256)), "a binary file"),
        ([], b"PERFILE2" + bytes(9), "perf script -i"),
        ([], b"Started a session.\n", "1 lines, and nothing of a kind that is read"),
        (["--kernel", "newest"], b"a\n", "no release, such as"),
    ],
)
def test_bad_input_is_one_line(words: list[str], data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(data)
    done = run(str(tmp_path / "sent"), *words)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert says in line


def test_both_forms_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sent").write_text("a\n")
    assert run(str(tmp_path / "sent"), "--json", "--markdown").exit_code == 2
    assert run("-", "-").exit_code == 2


# ---- bounds, and mutated input ----


def test_memory_does_not_grow_with_the_number_of_reports() -> None:
    seen = Seen()
    reports = (
        line
        for cpu in range(400)
        for line in SOFT_LOCKUP.replace("CPU#41", f"CPU#{cpu}").encode().split(b"\n")
    )
    read_lines(seen, "x", reports)
    assert seen.kinds == {"soft lockup": 400}
    assert len(seen.observations) <= 3 * MOST_OF_A_SIGN
    assert seen.signs()["stall_in_alloc"].times + 3 <= 400


_NR_MUTATED = 500


@pytest.mark.slow
def test_mutated_texts_never_break_it() -> None:
    rng = random.Random(2)
    nr_seen = sum(fuzz_diagnose.check_input(fuzz_diagnose.mutated(rng)) for _ in range(_NR_MUTATED))
    assert _NR_MUTATED // 3 < nr_seen < _NR_MUTATED  # some are texts still, some no longer


def test_each_reader_is_given_its_lines_only() -> None:
    for one in readers.classes():
        assert one.KIND
        assert one.WORDS
        assert all(isinstance(word, bytes) and word for word in one.WORDS)
