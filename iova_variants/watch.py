"""A process that is watched: for CPU time, for wall time, for sleeping, for what it prints.

`run_program` does so with a program; a Python function runs in `iova_variants.child`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: A child that uses no CPU time for so long waits for something that does not come.
ASLEEP_S = 10.0
#: What a child may write to standard output and to standard error, each.
OUTPUT_BYTES = 1 << 18
_TICK_S = 0.25


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds on the wall, of CPU time, and asleep; bytes of output.

    ``last_words``: the signal that it gets a second before it is killed.
    """

    wall_s: float
    cpu_s: float | None = None
    asleep_s: float = ASLEEP_S
    output_bytes: int = OUTPUT_BYTES
    last_words: signal.Signals = signal.SIGKILL


@dataclass(frozen=True)
class End:
    """How a process ended.

    ``status`` is negative for a signal, as in `subprocess`; ``broke`` names the limit that it was
    killed for: "wall", "cpu", "asleep", "output", or "".
    """

    status: int
    limits: Limits
    broke: str = ""
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def words(self) -> str:
        """How it died; "" if it ended by itself with status 0."""
        if self.broke == "output":
            return f"writes without end: {self.first_line!r}"
        if self.broke == "wall":
            return f"does not return within {self.limits.wall_s:g} s"
        if self.broke == "asleep":
            return f"does not return: asleep, without CPU time for {self.limits.asleep_s:g} s"
        if self.broke == "cpu":
            return "does not return: an endless loop, or a lock that is not given back"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"ends the process (exit status {self.status})" if self.status else ""

    @property
    def died(self) -> str:
        """How it died, of one that should not have ended: never empty."""
        return self.words or "ends the process (exit status 0)"

    @property
    def first_line(self) -> str:
        """The first line of all that it wrote, at most 60 characters."""
        written = (self.stdout or self.stderr).decode(errors="replace").strip()
        return written.splitlines()[0][:60] if written else ""


def run_program(
    command: Sequence[str | Path], limits: Limits, *, env: Mapping[str, str] | None = None
) -> End:
    """Run a program under ``limits``, with nothing on its standard input."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        if limits.cpu_s is not None:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_CPU, cpu_limit(limits.cpu_s))
        pipes = {"stdout": process.stdout.fileno(), "stderr": process.stderr.fileno()}
        try:
            return Watch(process.pid, limits, process.poll, pipes).end()
        finally:
            _kill(process.pid, process.poll)


def cpu_limit(cpu_s: float) -> tuple[int, int]:
    """Soft and hard `RLIMIT_CPU` for so many seconds."""
    whole = max(1, -int(-cpu_s // 1))
    return whole, whole + 1


def _kill(
    pid: int, poll: Callable[[], int | None], number: signal.Signals = signal.SIGKILL
) -> None:
    """A process that has not been waited for, and all that it started."""
    if poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)


class Watch:
    """A child of this process, which leads a group of its own, until it ends or breaks a limit.

    ``poll`` returns its status once it has ended; ``pipes`` are what it writes to: "stdout" and
    "stderr" are limited, another one is not.  If ``parent`` becomes readable, nobody waits for it
    any more.
    """

    def __init__(
        self,
        pid: int,
        limits: Limits,
        poll: Callable[[], int | None],
        pipes: Mapping[str, int],
        parent: int | None = None,
    ) -> None:
        self._pid, self._limits, self._poll = pid, limits, poll
        self.written = {name: bytearray() for name in pipes}
        self._is_orphan = False
        self._selector = selectors.DefaultSelector()
        for name, fd in pipes.items():
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ, name)
        if parent is not None:
            self._selector.register(parent, selectors.EVENT_READ, "parent")
        self._ended = os.pidfd_open(pid)
        self._selector.register(self._ended, selectors.EVENT_READ, "ended")

    def end(self) -> End:
        """Wait for the end."""
        try:
            broke, status = self._wait()
        finally:
            self._selector.close()
            os.close(self._ended)
        written = {name: bytes(self.written.get(name, b"")) for name in ("stdout", "stderr")}
        return End(status, self._limits, broke, **written)

    def _wait(self) -> tuple[str, int]:
        begun = seen = time.monotonic()
        used, asleep_s, broke, broken = -1.0, 0.0, "", 0.0
        while True:
            self._read(_TICK_S)
            status = self._poll()
            now = time.monotonic()
            if status is not None:
                self._read(0)  # what it wrote last
                return broke or self._cpu(status), status
            cpu_s, sleeps = _activity(self._pid)
            asleep_s = asleep_s + now - seen if sleeps and cpu_s == used else 0.0
            used, seen = cpu_s, now
            if broke:
                if now - broken > 1:
                    _kill(self._pid, self._poll)
                continue
            broke = self._broken(now - begun, asleep_s)
            if broke:
                broken = now
                _kill(self._pid, self._poll, self._limits.last_words)

    def _read(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            if key.data == "parent":
                self._is_orphan = True
                self._selector.unregister(key.fd)
            if key.data not in self.written:
                continue
            chunk = b"x"
            while chunk and not self._is_full(key.data):
                try:
                    chunk = os.read(key.fd, 1 << 16)
                except BlockingIOError:
                    break
                self.written[key.data] += chunk
            if not chunk:
                self._selector.unregister(key.fd)

    def _is_full(self, name: str) -> bool:
        limited = name in ("stdout", "stderr")
        return limited and len(self.written[name]) > self._limits.output_bytes

    def _broken(self, wall_s: float, asleep_s: float) -> str:
        if self._is_orphan:
            return "parent"
        if any(map(self._is_full, self.written)):
            return "output"
        if wall_s > self._limits.wall_s:
            return "wall"
        return "asleep" if asleep_s > self._limits.asleep_s else ""

    def _cpu(self, status: int) -> str:
        """The system kills what has used its CPU time."""
        limited = self._limits.cpu_s is not None
        return "cpu" if limited and status in (-signal.SIGXCPU, -signal.SIGKILL) else ""


def _activity(pid: int) -> tuple[float, bool]:
    """CPU time of a process so far, in ticks; and do all of its threads sleep?"""
    try:
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return 0.0, False  # it has just ended
    return float(sum(map(int, ticks))), all(
        stat.rpartition(")")[2].split()[0] in "ST" for stat in stats
    )
