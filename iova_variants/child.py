"""How does code that may crash, hang, sleep or print without end run, and take nothing else along?

In a process that is watched: for CPU time, for wall time, for sleeping, for what it prints.  A
program is watched by this process (`run_program`).  A Python function (`run_in_child`) needs an
interpreter that has all modules imported, and no threads, so that it can be forked in a
millisecond; `iova_variants._forkserver` is that process::

    this process        forkserver          supervisor            child
    one per user        one per process     one per call          runs the function
         |--- job, socket --->|--- fork --------->|--- fork ---------->|
         |<------------ what it returned, or how it ended ------------|

Nobody who imports this package needs ``if __name__ == "__main__"``, as `multiprocessing` would.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import io
import json
import os
import pickle
import resource
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from iova_lab.basics.errors import IovaLabError

T = TypeVar("T")

#: A child that uses no CPU time for so long waits for something that does not come.
ASLEEP_S = 10.0
#: What a child may write to standard output and to standard error, each.
OUTPUT_BYTES = 1 << 18
_TICK_S = 0.25


class VariantError(IovaLabError, RuntimeError):
    """A variant broke its contract; the message says how, and at which op."""


class VariantCrashedError(VariantError):
    """A variant died or hung in its child process; nothing else did."""


class NotBackError(VariantCrashedError):
    """A variant did not return within the time on the wall that it was given."""


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
    def first_line(self) -> str:
        """The first line of all that it wrote, at most 60 characters."""
        written = (self.stdout or self.stderr).decode(errors="replace").strip()
        return written.splitlines()[0][:60] if written else ""


@dataclass
class Report:
    """What came of a function in a child.

    ``answer`` or ``error`` is what it returned or raised; ``died`` says in words how it ended
    instead, "" if it did not, and ``broke`` names the limit that it broke.  ``told`` has all that
    it told before, ``progress`` the last value of its word of shared memory.  ``wrote`` is the
    first line that it printed.
    """

    answer: Any = None
    error: Exception | None = None
    died: str = ""
    broke: str = ""
    told: list[str] = field(default_factory=list)
    progress: int = 0
    wrote: str = ""


class Tell:
    """What a function in a child is given: call it with a text, or write to its word of memory."""

    def __init__(self, file: io.BufferedWriter, address: int) -> None:
        self._file = file
        #: Of a word in shared memory, for C code that says how far it is.
        self.address = address

    def __call__(self, text: str) -> None:
        pickle.dump(("told", text), self._file)
        self._file.flush()


Work = Callable[[Tell], T]


def in_child(
    work: Work[T],
    name: str,
    where: Callable[[int], str],
    *,
    wall_s: float,
    cpu_s: float | None = None,
) -> T:
    """Return what ``work`` returns, run in a child process; it must be picklable.

    ``where`` puts the word of shared memory into words for the message.  What the child printed
    goes to standard error, its first line.  Raises `VariantCrashedError`, or what ``work`` raises.
    """
    report = run_in_child(work, Limits(wall_s, cpu_s))
    if report.died:
        kind = NotBackError if report.broke == "wall" else VariantCrashedError
        raise kind(f"{name}: {report.died} {where(report.progress)}")
    if report.wrote:
        print(f"{name} prints {report.wrote!r}", file=sys.stderr)
    if report.error:
        raise report.error
    answer: T = report.answer
    return answer


def run_in_child(work: Work[Any], limits: Limits) -> Report:
    """Run ``work`` in a child process and report what came of it; raises nothing of its own."""
    function = getattr(work, "func", work)  # of a functools.partial
    job = pickle.dumps((limits, str(Path.cwd()), dict(os.environ), pickle.dumps(work)))
    ours, theirs = socket.socketpair()
    with Connection(ours.detach()) as connection:
        with theirs:
            _ask({"module": function.__module__, "path": sys.path}, theirs.fileno())
        connection.send_bytes(job)
        try:
            end, frames, progress = pickle.loads(connection.recv_bytes())
        except EOFError:
            raise OSError("the supervisor of a child process was killed") from None
    return _report(end, frames, progress)


def _report(end: End, frames: bytes, progress: int) -> Report:
    report = Report(progress=progress, wrote=end.first_line)
    answered = False
    stream = io.BytesIO(frames)
    with contextlib.suppress(EOFError, pickle.UnpicklingError):  # cut short where it died
        while True:
            kind, what = pickle.load(stream)
            if kind == "told":
                report.told.append(what)
            else:
                answered = True
                setattr(report, kind, what)
    if not answered:
        report.died = end.words or "ends the process (exit status 0)"
        report.broke = end.broke
    return report


# ---- the forkserver, seen from here ----

_server: socket.socket | None = None
_process: subprocess.Popen[bytes] | None = None
_lock = threading.Lock()

_MAIN = (
    "import sys; sys.path[:] = {path!r}; from iova_variants import _forkserver as f; f.serve({fd})"
)


def _ask(request: Mapping[str, Any], fd: int) -> None:
    """Hand one end of a socket to the forkserver, starting it where there is none."""
    message = json.dumps(request).encode()
    with _lock:
        for _ in range(2):
            try:
                socket.send_fds(_running(), [message], [fd])
                return
            except (BrokenPipeError, ConnectionError):
                _stop()
    raise OSError("the process that forks children can't be started")


def _running() -> socket.socket:
    global _server, _process
    if _server is None:
        _server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            fd = theirs.fileno()
            _process = subprocess.Popen(
                [sys.executable, "-c", _MAIN.format(path=sys.path, fd=fd)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[fd],
                # No threads in it, or a fork may deadlock; a terminal's Ctrl-C is this process's.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
    return _server


def _stop() -> None:
    global _server, _process
    if _server is not None:
        _server.close()
    if _process is not None:
        _process.wait()
    _server = _process = None


def _forget() -> None:
    """In a child that somebody else forked: the forkserver is its parent's."""
    global _server, _process, _lock
    if _server is not None:
        _server.close()
    if _process is not None:
        _process.returncode = 0
    _server = _process = None
    _lock = threading.Lock()


atexit.register(_stop)
os.register_at_fork(after_in_child=_forget)


# ---- watching a process ----


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


def flush_c() -> None:
    """Write out what C code has left in its buffers."""
    ctypes.CDLL(None).fflush(None)
