"""What happens to a user's own C file: one that works, and every way in which one can be wrong?"""

from __future__ import annotations

import faulthandler
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import traces
from iova_lab.commands.cli import main
from iova_variants import BuildError, Domain, VariantCrashedError, VariantError
from iova_variants.opstream import OpFlag, StreamError
from tests.support.lab import SUPPORT, Row, alloc, find, free, random_stream, stream_of
from tests.support.sanitizers import sanitizer_environment

RECORDED = Path(traces.__file__).with_name("debian-6.12.npz")
TINY = (SUPPORT / "tiny.c").read_text(encoding="utf-8")

STREAM = stream_of([alloc(slot, 3, 100, flags=OpFlag.SIZE_ALIGNED) for slot in range(20)])

CRASH = "*(volatile long *)iovad->start_pfn = 1;"


@pytest.fixture(autouse=True)
def _no_traceback_of_planned_crashes() -> Iterator[None]:
    faulthandler.disable()
    yield
    faulthandler.enable()


def write(folder: Path, text: str = TINY, *, name: str = "tiny", **macros: str) -> str:
    """Write the tiny variant with these macros defined; returns the path of its C file."""
    path = folder / f"{name}.c"
    defines = [f"#define {macro} {body}\n" for macro, body in macros.items()]
    path.write_text("".join([*defines, text]), encoding="utf-8")
    return str(path)


def at_op_7(statement: str) -> str:
    """Let ``statement`` happen in the eighth alloc of a stream that only allocates."""
    return f"if (iovad->nr == 7) {{ {statement} }}"


@pytest.mark.parametrize("seed", range(6))
def test_it_works_by_path_like_any_other(tmp_path: Path, seed: int) -> None:
    stream = random_stream(seed, 600)
    mine = iova_variants.replay(write(tmp_path), stream, judge=True, verify=True, pfns=True)
    ours = iova_variants.replay("no_cache", stream, pfns=True)
    assert mine.variant == "tiny"
    assert (mine.pfns == ours.pfns).all()
    assert mine.visits["search"] > 0


def test_it_works_as_a_domain(tmp_path: Path) -> None:
    with Domain(write(tmp_path)) as domain:
        assert domain.alloc(3, 100) == 98
        assert domain.find(99) == (98, 100)


def test_a_relative_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert iova_variants.load("tiny.c").name == "tiny"


def test_an_unknown_header_is_the_compilers_message(tmp_path: Path) -> None:
    path = write(tmp_path, "#include <linux/no_such_header.h>\n" + TINY)
    with pytest.raises(BuildError, match=r"^tiny\.c does not compile:\n") as caught:
        iova_variants.load(path)
    assert "no_such_header.h" in str(caught.value)


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="unused"):
        iova_variants.load(write(tmp_path, AT_INIT="int unused;"))


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-cc")
    never_built = f"{TINY}/* {tmp_path} */\n"
    with pytest.raises(BuildError, match="no C compiler 'no-such-cc': apt install gcc, or set CC"):
        iova_variants.load(write(tmp_path, never_built))


def test_name_and_file_must_agree(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="calls itself 'tiny': name it after its file"):
        iova_variants.load(write(tmp_path, name="other"))


def ignoring(warning: str, text: str) -> str:
    return f'#pragma GCC diagnostic ignored "-W{warning}"\n{text}'


def test_another_abi_is_told(tmp_path: Path) -> None:
    text = TINY.replace('.name		= "tiny",', '.name = "tiny", .abi_version = 2,')
    assert text != TINY
    with pytest.raises(OSError, match=r"was built for ABI 2 .*; this lab has ABI 1"):
        iova_variants.load(write(tmp_path, ignoring("override-init", text)))


def test_a_missing_registration_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="iova_variant"):
        iova_variants.load(write(tmp_path, '#include "iova_variant.h"\n'))


@pytest.mark.parametrize("field", ["find", "summary", "domain_size"])
def test_a_missing_member_of_the_table_is_named(tmp_path: Path, field: str) -> None:
    lines = [line for line in TINY.splitlines() if not line.startswith(f"\t.{field}\t")]
    text = ignoring("unused-function", "\n".join(lines))
    with pytest.raises(OSError, match=rf"its ops table has no \.{field}: IOVA_VARIANT\(\)"):
        iova_variants.load(write(tmp_path, text))


def test_a_crash_is_told_with_signal_and_op(tmp_path: Path) -> None:
    path = write(tmp_path, AT_ALLOC=at_op_7(CRASH))
    with pytest.raises(VariantCrashedError, match=r"^tiny: killed by SIGSEGV at op 7 of 20$"):
        iova_variants.replay(path, STREAM, timeout=20)
    with pytest.raises(VariantCrashedError, match=r"^tiny: killed by SIGSEGV at op 7 of 20$"):
        iova_variants.replay(path, STREAM, judge=True, op_visits=True, timeout=20)


def test_a_trap_is_told_with_signal_and_op(tmp_path: Path) -> None:
    path = write(tmp_path, AT_ALLOC=at_op_7("__builtin_trap();"))
    with pytest.raises(VariantCrashedError, match=r"^tiny: killed by SIG(ILL|TRAP) at op 7 of 20$"):
        iova_variants.replay(path, STREAM, timeout=20)


@pytest.mark.parametrize(
    "command",
    [
        ["counts", "{}", "--largest", "100", "--out", "counts.csv"],
        ["trace", "check", str(RECORDED), "--variant", "{}"],
    ],
    ids=lambda words: words[0],
)
def test_a_crash_is_no_crash_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, AT_ALLOC="__builtin_trap();")
    done = CliRunner().invoke(main, [word.format(path) for word in command])
    assert done.exit_code == 1
    assert re.search(r"^iova-lab: tiny: killed by SIG(ILL|TRAP) at op", done.stderr, re.M)


def test_an_exit_is_told_with_its_status(tmp_path: Path) -> None:
    path = write(tmp_path, AT_ALLOC=at_op_7("extern void _exit(int); _exit(3);"))
    with pytest.raises(
        VariantCrashedError, match=r"^tiny: ends the process \(exit status 3\) at op 7 of 20$"
    ):
        iova_variants.replay(path, STREAM, timeout=20)


def test_a_crash_while_draining_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, AT_PUT=CRASH)
    with pytest.raises(VariantCrashedError, match=r"^tiny: killed by SIGSEGV at op 19 of 20$"):
        iova_variants.replay(path, STREAM, timeout=20)


@pytest.mark.slow
def test_a_hang_is_told_with_its_op(tmp_path: Path) -> None:
    path = write(tmp_path, AT_ALLOC=at_op_7("for (;;) READ_ONCE(iovad->nr);"))
    with pytest.raises(
        VariantCrashedError, match=r"^tiny: does not return within 0\.5 s at op 7 of"
    ):
        iova_variants.replay(path, STREAM, timeout=0.5)


@pytest.mark.slow
def test_a_lock_that_is_not_given_back_is_a_hang(tmp_path: Path) -> None:
    path = write(tmp_path, AT_UNLOCK="(void)flags;")
    with pytest.raises(VariantCrashedError, match=r"does not return .* at op 1 of 20"):
        iova_variants.replay(path, STREAM, timeout=0.5)


def test_nothing_runs_before_the_last_op_is_checked(tmp_path: Path) -> None:
    path = write(tmp_path, AT_ALLOC=CRASH)
    with pytest.raises(StreamError, match=r"^op 20: unknown op code"):
        iova_variants.replay(path, stream_of([*STREAM.ops.tolist(), Row(op=9)]), timeout=20)


@pytest.mark.parametrize(
    ("statement", "request_7", "message"),
    [
        ("return iovad->ranges[3].lo;", alloc(7, 3, 100), "overlaps a live range"),
        ("return iovad->ranges[6].lo - 1;", alloc(7, 3, 100), "overlaps a live range"),
        ("return 2;", alloc(7, 3, 100, flags=OpFlag.SIZE_ALIGNED), "is not aligned"),
        ("return 200;", alloc(7, 3, 100), "ends above its limit"),
        ("return 49;", alloc(7, 3, 50), "ends above its limit"),
        ("return 0;", alloc(7, 3, 100), "lies below start_pfn"),
        ("return limit_pfn + 1 - size;", alloc(7, 60, 50), "wraps around the end of the address"),
        ("return IOVA_REFUSED;", alloc(7, 3, 100), "is refused though a fit exists"),
        ("return 4;", alloc(7, 3, 100), "is not the highest fit, and the variant claims to be"),
    ],
)
def test_the_judge_names_the_op_of_a_bad_answer(
    tmp_path: Path, statement: str, request_7: Row, message: str
) -> None:
    path = write(tmp_path, AT_ALLOC=at_op_7(statement))
    rows = [alloc(slot, 3, 100) for slot in range(7)] + [request_7]
    with pytest.raises(VariantError, match=rf"^op 7: tiny, pfn 0x.*: {message}"):
        iova_variants.replay(path, stream_of(rows), judge=True, timeout=20)


def test_a_range_above_its_limit_is_counted_once_declared(tmp_path: Path) -> None:
    above = at_op_7("return put_at(iovad, 0, 200, 202);")
    path = write(tmp_path, AT_ALLOC=above, CLAIMS="IOVA_V_ABOVE_LIMIT")
    rows = [alloc(slot, 3, 100) for slot in range(8)]
    result = iova_variants.replay(path, stream_of(rows), judge=True)
    assert (result.nr_above_limit, result.nr_not_highest) == (1, 1)


def test_a_range_lost_is_found_out_by_the_next_look_up(tmp_path: Path) -> None:
    path = write(tmp_path, AT_FREE="pfn = iovad->ranges[iovad->nr - 1].lo;")
    rows = [alloc(0, 3, 100), find(0), alloc(1, 3, 100), free(0), find(1)]
    with pytest.raises(VariantError, match=r"^op 4: tiny, .*: is live but find\(\) misses it"):
        iova_variants.replay(path, stream_of(rows), judge=True)


def test_a_range_that_stays_is_found_out_by_the_next_request(tmp_path: Path) -> None:
    path = write(tmp_path, AT_FREE="return;")
    rows = [alloc(0, 3, 100), free(0), alloc(0, 3, 100)]
    with pytest.raises(VariantError, match=r"^op 2: .*: is not the highest fit"):
        iova_variants.replay(path, stream_of(rows), judge=True)


def test_a_failing_verify_names_the_op(tmp_path: Path) -> None:
    path = write(tmp_path, AT_VERIFY='if (iovad->nr == 7) return "seven";')
    with pytest.raises(VariantError, match=r"^op 6: tiny, .*: seven$"):
        iova_variants.replay(path, STREAM, verify=True)
    iova_variants.replay(path, STREAM)


def test_a_wrong_address_while_packing_is_found_out(tmp_path: Path) -> None:
    path = write(tmp_path, AT_ALLOC=at_op_7("return put_at(iovad, 7, 4, 6);"))
    rows = [alloc(slot, 3, 100, flags=OpFlag.PACKED) for slot in range(20)]
    with pytest.raises(VariantError, match=r"^op 7: tiny, .*: is not at the top of the only gap"):
        iova_variants.replay(path, stream_of(rows, nr_ageing=20))


def test_a_leak_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, AT_PUT="(void)iovad;")
    with pytest.raises(VariantError, match=r"tiny: put_domain\(\) leaked 1 objects"):
        iova_variants.replay(path, STREAM)


def test_a_domain_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, AT_INIT="return -ENOMEM;")
    with pytest.raises(VariantError, match=r"init_domain\(\) failed: Cannot allocate memory"):
        iova_variants.replay(path, STREAM)
    with pytest.raises(MemoryError, match=r"init_domain\(\) failed"):
        Domain(path)


def test_a_budget_of_visits_ends_a_long_replay(tmp_path: Path) -> None:
    rows = [alloc(slot, 1, 10**6) for slot in range(1000)]
    with pytest.raises(iova_variants.TooLongError, match=r"^op \d+: more nodes visited than"):
        iova_variants.replay(write(tmp_path), stream_of(rows), max_visits=10_000)


@pytest.mark.parametrize("asked", ["op_visits", "max_visits"])
def test_the_timed_build_counts_nothing(asked: str) -> None:
    options: dict[str, Any] = {asked: 5}
    with pytest.raises(ValueError, match="the timed build counts no nodes: ask for build="):
        iova_variants.replay("mainline", STREAM, build="timed", **options)


USE_AFTER_FREE = """
import sys, iova_variants
from iova_variants.opstream import new_ops, OpStream
ops = new_ops(2, limit_pfn=100)
ops["op"][1] = 1
iova_variants.replay(sys.argv[1], OpStream(ops))
"""


@pytest.mark.slow
def test_the_sanitizer_build_sees_a_use_after_free(tmp_path: Path) -> None:
    """A slab object that is read after it was given back: silent in the other builds."""
    path = write(
        tmp_path,
        AT_FREE="struct kmem_cache *cache = kmem_cache_create(0, 64, 0, 0, 0);"
        " volatile long *object = kmem_cache_alloc(cache, GFP_ATOMIC);"
        " kmem_cache_free(cache, (void *)object); i = object[1]; kmem_cache_destroy(cache);",
    )
    silent = run_python(USE_AFTER_FREE, path, build="timed")
    assert silent.returncode == 0, silent.stderr
    caught = run_python(USE_AFTER_FREE, path, build="sanitized")
    assert caught.returncode != 0
    assert "AddressSanitizer: use-after-poison" in caught.stderr
    assert "tiny_free" in caught.stderr


def run_python(code: str, *arguments: str, build: str) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own, with one build for all variants."""
    environment = dict(os.environ, IOVA_LAB_BUILD=build)
    if build == "sanitized":
        environment |= sanitizer_environment()
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=Path(__file__).parent.parent,
    )
