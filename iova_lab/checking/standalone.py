"""What happens to a variant in a process of its own, with sanitizers and a limit of CPU time?

`run` gives one op stream to the program that `building.compile_standalone` makes, and says in a
`Verdict` what came of it: nothing wrong, the judge's complaint, the sanitizer's, a signal, or time
that ran out; and all answers up to there.
"""

from __future__ import annotations

import contextlib
import ctypes as c
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iova_variants import building, native
from iova_variants.opstream import OpStream
from iova_variants.watch import End, Limits, run_program

#: Without CPU time for so long, it waits for what does not come: nothing else has to happen.
ASLEEP_S = 1.0
#: An exit status that no signal and no shell has.
_SANITIZER = 99
_HEADER_BYTES = 16 + c.sizeof(native.Result)
#: What stands for an answer before there is one; no pfn is that high.
_UNANSWERED = 2**64 - 2
_ENVIRONMENT = {
    "ASAN_OPTIONS": f"exitcode={_SANITIZER}:handle_abort=1:detect_leaks=1:color=never",
    "UBSAN_OPTIONS": f"exitcode={_SANITIZER}:print_stacktrace=1:color=never",
    "LSAN_OPTIONS": f"exitcode={_SANITIZER}",
}

#: What a sanitizer calls it, and what that is to somebody who wrote an allocator.
_MEANS = {
    "heap-buffer-overflow": "touches memory beyond the end of what it allocated",
    "heap-use-after-free": "touches memory that it has freed",
    "use-after-poison": "touches memory in no live object: freed before, or beyond its end",
    "attempting double-free": "frees an object twice",
    "stack-buffer-overflow": "touches memory beyond the end of a local variable",
    "global-buffer-overflow": "touches memory beyond the end of a global variable",
    "stack-overflow": "uses up the stack",
    "detected memory leaks": "leaks memory",
    "SEGV on unknown address": "follows a wild pointer",
    "FPE": "divides by zero",
}


#: Where the kernel's own files lie, below whatever folder they were compiled in.
_TREE = "(?:drivers|include|lib)/"


@dataclass(frozen=True)
class Verdict:
    """What came of one stream.

    ``kind`` is the same for the same mistake, whatever the stream; "" where nothing is wrong.
    ``op`` is the index of the op under way, the stream's length if it was over; ``pfns`` holds an
    answer for each op before it.  ``frames`` are places in the user's own files, innermost first.
    """

    kind: str
    says: str
    op: int
    pfns: npt.NDArray[np.uint64]
    frames: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Is anything wrong?"""
        return bool(self.kind)


def stream_bytes(stream: OpStream) -> bytes:
    """``struct replay_stream`` without its pointer, and the ops."""
    header = native.Stream(
        None,
        *(len(stream.ops), stream.nr_ageing, stream.nr_slots),
        *(stream.nr_domains, stream.granule, stream.start_pfn),
    )
    return bytes(header) + stream.ops.tobytes()


@contextlib.contextmanager
def temporary_files(**contents: bytes) -> Iterator[list[Path]]:
    """Files of these names in a folder of their own, which goes with them."""
    with tempfile.TemporaryDirectory(prefix="iova-lab-") as folder:
        for name, content in contents.items():
            Path(folder, name).write_bytes(content)
        yield [Path(folder, name) for name in contents]


def run(
    source: Path,
    stream: OpStream,
    *,
    verify: bool = True,
    fail_alloc_at: int = 0,
    cpu_ms: int = 5000,
) -> Verdict:
    """Replay ``stream``, judged, on the sanitized program of ``source``.

    Raises `BuildError`, and `StreamError` for an impossible stream.
    """
    source = source.resolve()
    program = building.compile_standalone(source)
    flags = native.JUDGE | (native.VERIFY if verify else 0)
    limits = Limits(
        wall_s=60 + cpu_ms / 20,  # a machine that does everything else first
        cpu_s=cpu_ms / 1000 + 2,  # the program has a timer of its own
        asleep_s=ASLEEP_S,
        last_words=signal.SIGABRT,
    )
    pfns = np.full(len(stream.ops), _UNANSWERED, np.uint64)
    unanswered = bytes(_HEADER_BYTES) + pfns.tobytes()
    with temporary_files(stream=stream_bytes(stream), answers=unanswered) as (asked, answered):
        command = [*map(str, (program, asked, answered, flags, fail_alloc_at, cpu_ms))]
        end = run_program(command, limits, env={**os.environ, **_ENVIRONMENT})
        answers = answered.read_bytes()
    return _verdict(source, stream, end, answers)


def _verdict(source: Path, stream: OpStream, end: End, answers: bytes) -> Verdict:
    progress, finished = np.frombuffer(answers, np.uint64, 2).tolist()
    result = native.Result.from_buffer_copy(answers, 16)
    pfns = np.frombuffer(answers, np.uint64, offset=_HEADER_BYTES).copy()
    said = end.stderr.decode(errors="replace")
    if end.status == 0 and finished:
        kind, says, op = "", "", len(stream.ops)
        if wrong := result.error.decode(errors="replace"):
            op = min(result.error_op, op)
            pfns[op + 1 :] = native.REFUSED
            kind = wrong.rpartition(": ")[2] or "verify() answers an empty text"
            says = _without_name(wrong) or kind
        elif warning := re.search(rf"WARNING at \S*?({_TREE}\S+:\d+)", said):
            kind, says = "WARN", f"warns: WARN() at {warning[1]}"
        elif end.first_line:
            kind = f"writes to {_where(end)}"
            says = f"{kind}, where a kernel has none: {end.first_line!r}"
        return Verdict(kind, says, op, pfns)
    # The last op has answered, and nothing came after it but the end of the domain.
    over = finished or (progress == len(pfns) - 1 and pfns[-1] != _UNANSWERED)
    op = len(stream.ops) if over else progress
    pfns[op:] = native.REFUSED  # the op under way has given none yet
    kind, says = _death(end, said)
    return Verdict(kind, says, op, pfns, tuple(own_frames(source, said)))


def _where(end: End) -> str:
    return "standard output" if end.stdout.strip() else "standard error"


def _without_name(wrong: str) -> str:
    """Drop the variant's name, which the judge puts first: it is the subject of all of this."""
    said = re.sub(r"^[\w.:@+~-]+?(, |: )", "", wrong, count=1)
    said = re.sub(r"^pfn 0x\w+ for size 0 below 0x0: is ", "what this names is ", said)  # a find
    return re.sub(r"^pfn 0xffffffffffffffff for (.*): is", r"the request for \1 is", said)


def _death(end: End, said: str) -> tuple[str, str]:
    """What the process died of: the same words for the same mistake, and a sentence."""
    if bug := re.search(rf"kernel BUG at \S*?({_TREE}\S+:\d+)", said):
        return "BUG", f"stops the kernel: BUG() at {bug[1]}"
    if end.broke == "output":
        return "writes without end", f"writes to {_where(end)} without end: {end.first_line!r}"
    if end.broke:
        return end.words.partition(":")[0], end.words
    if "AddressSanitizer: ABRT" in said:
        return "hang", "does not return: an endless loop, or a lock that is not given back"
    if runtime := re.search(r"([^/\s]+:\d+):\d+: runtime error: (.*)", said):
        return "undefined behaviour", f"undefined behaviour: {runtime[2]} ({runtime[1]})"
    if found := re.search(r"(?:Address|Leak)Sanitizer: (.*)", said):
        return _sanitizer_says(found[1], said)
    return end.died, end.died


def _sanitizer_says(report: str, said: str) -> tuple[str, str]:
    for name, means in _MEANS.items():
        if report.startswith(name):
            access = re.search(r"^(READ|WRITE) of size (\d+)", said, re.M)
            what = f", {access[1].lower()}s {access[2]} bytes" if access else ""
            leaked = re.search(r"SUMMARY: \w+: (\d+ byte\(s\) leaked in \d+ alloc\S+)", said)
            what = f", {leaked[1]}" if leaked else what
            return name, f"{means} ({name}{what})"
    kind = re.split(r" on | in |:", report)[0]
    return kind, kind


def own_frames(source: Path, said: str) -> list[str]:
    """Calls in the user's own files, innermost first: `mine_alloc(), mine.c:42`.

    By name, for the same text may have been compiled elsewhere before.
    """
    frames = []
    stack = r"^ *#\d+ (?:0x\S+ in )?(\S+) (/\S+?):(\d+)"
    for function, name, line in re.findall(stack, said, re.M):
        path = Path(name)
        # The path in a kernel tree of a file of that, else the name.
        below = path.is_relative_to(source.parent)
        shown = path.relative_to(source.parent) if below else Path(path.name)
        if not path.is_relative_to(building.HARNESS_DIR) and (source.parent / shown).exists():
            frames.append(f"{function}(), {shown}:{line}")
    return list(dict.fromkeys(frames))
