"""How does code that may crash, hang, sleep or print without end run, and take nothing else along?

In a process that is watched (`iova_variants.watch`).  A Python function (`run_in_child`) needs an
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
import io
import json
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from iova_lab.basics.errors import IovaLabError
from iova_variants.watch import End, Limits

T = TypeVar("T")


class VariantError(IovaLabError, RuntimeError):
    """A variant broke its contract; the message has the breach and the op."""


class SupervisorError(IovaLabError, OSError):
    """The process that starts and watches child processes was killed, or can't be started."""


class VariantCrashedError(VariantError):
    """A variant died or hung in its child process; nothing else did."""


class NotBackError(VariantCrashedError):
    """A variant did not return within the time on the wall that it was given."""


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
            raise SupervisorError("the supervisor of a child process was killed") from None
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
        report.died = end.died
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
    raise SupervisorError("the process that forks children can't be started")


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
