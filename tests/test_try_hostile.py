"""Is a file that cheats, sleeps, prints, ends the process or forgets a lock found by `try`?

Each is the skeleton that `iova-lab new` writes, or mainline, with one thing changed.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import iova_variants
from iova_lab import workloads
from iova_lab.checking import builds, odds, races, skeleton, soak_chunk, standalone, symbols
from iova_lab.checking.checks import subject_of
from iova_lab.checking.patch import PatchError, apply
from iova_lab.checking.reduce import reduce
from iova_lab.checking.search import Run, steps_of
from iova_lab.checking.soak_streams import make_chunk
from iova_lab.commands.cli import main
from iova_variants import VariantCrashedError, VariantError
from iova_variants.making import LIMIT_24BIT
from iova_variants.opstream import Op, OpStream
from iova_variants.watch import End, Limits
from tests.support.lab import alloc, source_of, stream_of

IN_ALLOC = "\tif (!new)\n\t\treturn IOVA_REFUSED;\n\n"
REGISTERS = "IOVA_VARIANT(\n"
UNLOCKED = """
#include <linux/spinlock.h>
#undef spin_lock_irqsave
#undef spin_unlock_irqrestore
#define spin_lock_irqsave(lock, flags) ((flags) = 0)
#define spin_unlock_irqrestore(lock, flags) ((void)(flags))
"""
LEAVE = """extern void _exit(int status);
static void __attribute__((constructor)) leave(void)
{
	_exit(0);
}

"""
REST = """	extern int pause(void);
	static int nr;

	if (++nr == 10)
		for (;;)
			pause();
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, old: str = "", new: str = "") -> Path:
    path = skeleton.write(name, "list", Path())
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return path


def in_alloc(name: str, statement: str) -> Path:
    return write(name, IN_ALLOC, IN_ALLOC + statement)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", ["try", "replay", "compare", "instructions", "soak"])
def test_a_file_that_ends_the_process_while_loaded_is_no_success(command: str) -> None:
    write("exit0", REGISTERS, LEAVE + REGISTERS)
    arguments = {
        "try": ["exit0.c", "--check-only"],
        "replay": ["exit0.c", "near_empty"],
        "compare": ["mainline", "exit0.c"],
        "instructions": ["exit0.c", "near_empty"],
        "soak": ["exit0.c", "--ops", "1000"],
    }
    done = run(command, *arguments[command])
    assert done.exit_code == 1, done.output
    assert "exit0.c: ends the process (exit status 0) while being loaded" in done.stderr


@pytest.mark.long
@pytest.mark.slow
def test_a_sleeper_is_told_though_it_uses_no_cpu_time() -> None:
    done = run("try", in_alloc("sleeper", REST), "--check-only", "--budget", "600")
    assert done.exit_code == 1
    assert "does not return: asleep, without CPU time" in done.stderr
    assert "sleeper_alloc(), sleeper.c:" in done.stderr


@pytest.mark.slow
def test_output_without_end_is_bounded_and_told_in_one_line() -> None:
    noisy = '\textern int puts(const char *text);\n\n\tfor (;;)\n\t\tputs("still here");\n'
    done = run("try", in_alloc("noisy", noisy), "--check-only", "--budget", "600")
    assert done.exit_code == 1
    assert "writes to standard output without end: 'still here'" in done.stderr
    assert len(done.output) < 4000


def test_replay_bounds_output_and_says_who_wrote() -> None:
    path = in_alloc("noisy", '\textern int puts(const char *);\n\n\tfor (;;)\n\t\tputs("x");\n')
    with pytest.raises(VariantCrashedError, match=r"^noisy: writes without end: 'x' at op 0 of"):
        iova_variants.replay(str(path), workloads.generate("near_empty", 10), timeout=60)


def test_replay_of_a_file_that_breaks_down_names_try() -> None:
    """Seen: 600 s of silence, and then that it hangs."""
    path = in_alloc("broken", "\t__builtin_trap();\n\n")
    done = CliRunner().invoke(main, ["replay", str(path), "near_empty@10"])
    assert done.exit_code == 1
    assert done.stderr.startswith("iova-lab: broken: ")
    assert f"`iova-lab try {path}` looks for the shortest stream" in done.stderr


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("\textern long time(long *);\n\n\tsize += time(NULL) == 3;\n", r"uses time\(\), which"),
        ("\textern int fork(void);\n\n\tif (size == 3 && 0 > fork())\n\t\tsize++;\n", r"fork\(\)"),
        ("\tsize += __builtin_ia32_rdtsc() == 3;\n", r"uses the instruction rdtsc in mine_alloc"),
    ],
)
def test_what_a_kernel_has_not_is_named(statement: str, found: str) -> None:
    foreign = symbols.foreign(in_alloc("mine", statement).resolve())
    assert foreign is not None
    assert re.search(found, foreign)


@pytest.mark.slow
@pytest.mark.parametrize("name", iova_variants.names())
def test_the_labs_own_use_nothing_foreign(name: str) -> None:
    assert symbols.foreign(Path(iova_variants.__path__[0], f"{name}.c")) is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(races.NR_SEEDS))
def test_a_variant_without_its_lock_is_found(seed: int) -> None:
    header = '#include "iova_variant.h"\n'
    path = write("mine", header, header + UNLOCKED)
    race = races.run(path, races.stream_of(seed))
    assert race is not None
    assert "without a lock in common (data race)" in race.says
    assert "mine.c:" in race.says


@pytest.mark.slow
def test_a_find_without_its_lock_is_found() -> None:
    path = write("mine")
    head, middle, tail = path.read_text().partition("static bool mine_find(")
    middle += tail.replace("spin_lock_irqsave(&iovad->lock, flags);", "flags = 0;", 1).replace(
        "spin_unlock_irqrestore(&iovad->lock, flags);", "(void)flags;", 1
    )
    path.write_text(head + middle)
    found = [races.run(path, races.stream_of(seed)) for seed in range(races.NR_SEEDS)]
    assert any(race and "mine_find" in "".join(race.frames) for race in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mainline", "candidate", "maple"])
def test_the_labs_own_have_no_race(name: str) -> None:
    source = Path(iova_variants.__path__[0], f"{name}.c")
    assert [races.run(source, races.stream_of(seed)) for seed in range(2)] == [None, None]


def test_work_that_is_not_counted_is_found() -> None:
    path = write("mine", "\t\tiova_visit(search);\n", "")
    path.write_text(path.read_text().replace("\t\tiova_visit(descend);\n", ""))
    wrong = builds.uncounted(path.resolve())
    assert wrong is not None
    assert wrong.startswith("does work that it does not count: on ")


@pytest.mark.parametrize("share", [2, 3])
def test_work_that_is_counted_in_part_is_found(share: int) -> None:
    """One node of two is not counted, and two of three: an op uses all of them."""
    some = f"{{ static unsigned int nr; if (nr++ % {share} == 0) iova_visit(search); }}\n"
    path = write("mine", "\t\tiova_visit(search);\n", some)
    wrong = builds.uncounted(path.resolve())
    assert wrong is not None
    assert re.search(r"an op uses [\d,.]+ objects and counts [\d,.]+ nodes", wrong)


def test_what_an_op_uses_is_counted_without_the_variant() -> None:
    """Every range from the highest down, and besides the domain, its lock and the new range."""
    path = write("mine")
    stream = stream_of([alloc(slot, 1, 1000) for slot in range(50)], nr_ageing=40)
    done = builds.work(path.resolve(), stream, timeout=60)
    assert done.nodes == 45.5  # 40 to 49 ranges, and the end
    assert 44.5 + 2 <= done.objects <= 44.5 + 4


@pytest.mark.slow
@pytest.mark.parametrize("name", iova_variants.names())
def test_the_labs_own_count_their_work(name: str) -> None:
    assert builds.uncounted(Path(iova_variants.__path__[0], f"{name}.c")) is None


def test_another_algorithm_in_the_counted_build_is_found() -> None:
    place = "\t\t\t*pfn_lo = (high - size) & ~(align - 1);\n"
    cheat = "#ifndef IOVA_COUNTED\nif (*pfn_lo >= low + align)\n*pfn_lo -= align;\n#endif\n"
    path = write("mine", place, place + cheat)
    path.write_text(path.read_text().replace("IOVA_V_COMPLETE | IOVA_V_EXACT", "0"))
    stream = stream_of([alloc(slot, 1, 1000) for slot in range(20)])
    counted = iova_variants.replay(str(path), stream, pfns=True, build="counted").pfns
    assert counted is not None
    wrong = builds.differing(path.resolve(), stream, counted)
    assert wrong is not None
    assert wrong.startswith("is another algorithm in the timed build than in the sanitized one")


def test_another_algorithm_in_the_timed_build_is_found_by_the_soak() -> None:
    statement = "#ifndef IOVA_COUNTED\n\tif (size == 2)\n\t\tsize = 3;\n#endif\n"
    path = write("mine", IN_ALLOC, statement + IN_ALLOC)
    chunk = make_chunk(0, 0)
    assert soak_chunk.is_timed(chunk)
    with pytest.raises(
        VariantError, match=r"^op \d+: pfns of the timed and the counted build differ"
    ):
        soak_chunk.run_chunk(str(path), chunk, timeout=600)


@pytest.mark.slow
@pytest.mark.parametrize("nr_domains", [2, 5])
def test_what_takes_several_domains_is_reduced_to_them(nr_domains: int, tmp_path: Path) -> None:
    """`STATE` refuses in a domain that was left and is asked again: three ops do."""
    subject = subject_of(in_alloc("mine", STATE), tmp_path)
    ops = stream_of([alloc(slot, 1, 1000) for slot in range(60)]).ops
    ops["dom"] = [slot // 4 % nr_domains for slot in range(60)]
    ops["dom"][-4:] = ops["dom"][-12]
    stream = OpStream(ops, nr_slots=60, nr_domains=nr_domains)
    verdict = standalone.run(subject.source, stream)
    assert "is refused though a fit exists" in verdict.says
    reduced = reduce(stream, verdict, subject.judged)
    assert reduced is not None
    history, found = reduced
    assert (len(history.steps), history.nr_domains) == (3, 2)
    assert found.kind == verdict.kind


@pytest.mark.slow
def test_a_copy_under_another_name_is_told_how_to_be_one() -> None:
    Path("mine.c").write_text(source_of("mainline"), encoding="utf-8")
    done = run("try", "mine.c", "--check-only")
    assert done.exit_code == 1
    assert "`iova-lab new mine --from mainline`" in done.stderr.replace("\n  ", " ")
    Path("mine.c").unlink()
    assert run("new", "mine", "--from", "mainline").exit_code == 0
    assert iova_variants.load("mine.c").name == "mine"
    assert "no variant named 'mapel'" in run("new", "other", "--from", "mapel").stderr


def test_a_diff_of_the_kernels_own_file_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "fix.diff"
    path.write_text(
        "--- a/drivers/iommu/iova.c\n+++ b/drivers/iommu/iova.c\n"
        "@@ -1,2 +1,2 @@ static int __alloc_and_insert_iova_range(struct iova_domain *iovad,\n"
        " context\n-old\n+new\n"
    )
    with pytest.raises(PatchError) as caught:
        apply(path, "mainline", tmp_path / "out")
    said = str(caught.value)
    assert said.startswith("fix.diff patches the kernel's own drivers/iommu/iova.c in ")
    assert "__alloc_and_insert_iova_range() is mainline.c and range_variant.h" in said
    assert "leading" not in said


def test_the_odds_are_those_of_the_binomial() -> None:
    assert odds.missed(0.5, 3) == 0.125
    assert math.isclose((1 - odds.bound(1000)) ** 1000, 0.05)
    assert "0.37" in odds.words(1000)


def test_every_way_to_end_has_its_words() -> None:
    limits = Limits(wall_s=2, asleep_s=3)
    assert End(0, limits).words == ""
    assert End(-11, limits).words == "killed by SIGSEGV"
    assert End(3, limits).words == "ends the process (exit status 3)"
    assert End(-9, limits, "wall").words == "does not return within 2 s"
    assert "asleep, without CPU time for 3 s" in End(-9, limits, "asleep").words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\t\t*pfn_lo = (*link)->pfn_lo;\n\t\t*pfn_hi = (*link)->pfn_hi;\n", ""),
        ("\treturn nr;\n}", "\treturn -1;\n}"),
        ("\treturn NULL;\n}\n\n/* All that", '\treturn "";\n}\n\n/* All that'),
        ("\treturn NULL;\n}\n\n/* All that", "\treturn (char *)8;\n}\n\n/* All that"),
        ("\tiovad->start_pfn = start_pfn;\n\treturn 0;", "\treturn -1;"),
        ("\t.domain_size\t= sizeof(struct iova_domain),", "\t.domain_size\t= ~0U,"),
        ("\treturn pfn_lo;\n}", "\treturn pfn_lo ? ~0UL - 1 : 0;\n}"),
        ("\treturn pfn_lo;\n}", "\treturn 0;\n}"),
    ],
)
def test_a_member_that_answers_nonsense_is_a_finding(old: str, new: str) -> None:
    path = write("mine", old, new)
    done = run("try", path, "--check-only", "--budget", "60")
    assert done.exit_code == 1
    assert done.stderr.startswith("mine.c: "), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


LARGE_PAGES = """	if (iovad->granule == 16384 && iovad->ranges && iovad->ranges->below && iovad->ranges->below->below) {
		kmem_cache_free(iovad->cache, new);
		return IOVA_REFUSED;
	}
"""  # noqa: E501
STATE = """	static struct iova_domain *last, *before;

	if (before == iovad && last != iovad) {
		kmem_cache_free(iovad->cache, new);
		return IOVA_REFUSED;
	}
	if (last != iovad) {
		before = last;
		last = iovad;
	}
"""


@pytest.mark.slow
def test_what_is_wrong_only_over_several_domains_in_turn_is_found() -> None:
    path = in_alloc("mine", STATE)
    done = run("try", path, "--check-only", "--budget", "600")
    assert done.exit_code == 1, done.output


@pytest.mark.slow
def test_what_is_wrong_only_with_granules_of_16_kib_is_found() -> None:
    kept = "\tiovad->start_pfn = start_pfn;\n"
    path = write("mine", kept, f"{kept}\tiovad->granule = granule;\n")
    member = "\tspinlock_t lock;\n"
    text = path.read_text().replace(member, f"{member}\tunsigned long granule;\n", 1)
    path.write_text(text.replace(IN_ALLOC, IN_ALLOC + LARGE_PAGES))
    done = run("try", path, "--check-only", "--budget", "600")
    assert done.exit_code == 1, done.output
    assert "is refused though a fit exists" in " ".join(done.stderr.split())


def test_a_reserve_that_would_begin_below_0_is_no_history() -> None:
    """The 24-bit edge moves with the granule: of 2 MiB, eight pfns lie below it."""
    long, short = (Run(Op.RESERVE, 1, size=size, limit_pfn=LIMIT_24BIT >> 9) for size in (20, 5))
    assert steps_of([long], start_pfn=1) == ()
    assert len(steps_of([short], start_pfn=1)) == 1
