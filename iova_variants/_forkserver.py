"""The process that forks: it has all modules imported, no threads, and no variant loaded.

Started by `iova_variants.child`; see there.
"""

from __future__ import annotations

import contextlib
import ctypes as c
import importlib
import json
import mmap
import os
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NoReturn

from iova_variants import child
from iova_variants.watch import Limits, Watch, cpu_limit


def serve(fd: int) -> None:
    """Fork a supervisor for each socket that arrives, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    with socket.socket(fileno=fd) as control:
        while True:
            message, fds, _, _ = socket.recv_fds(control, 1 << 20, 1)
            if not message:
                return
            request = json.loads(message)
            sys.path[:] = request["path"]
            with contextlib.suppress(Exception):  # the child raises it again
                importlib.import_module(request["module"])
            if os.fork() == 0:
                control.close()
                _then_exit(_supervise, fds[0])
            os.close(fds[0])


def _reap(*_: object) -> None:
    """Wait for supervisors that have ended; ignored, their CPU time would be nobody's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _then_exit(function: Callable[..., None], *arguments: object) -> NoReturn:
    """Whatever happens, a forked process never returns to the loop of its parent."""
    try:
        function(*arguments)
        os._exit(0)
    finally:
        os._exit(1)


def _supervise(fd: int) -> None:
    """Fork the child, watch it, and send back what came of it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with Connection(fd) as connection:
        limits, folder, environment, work = pickle.loads(connection.recv_bytes())
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        progress = mmap.mmap(-1, 8)
        answers, prints = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            connection.close()
            _then_exit(_run, work, limits, progress, answers[1], prints[1])
        os.close(answers[1])
        os.close(prints[1])
        pipes = {"answers": answers[0], "stdout": prints[0]}
        watch = Watch(pid, limits, _poll_of(pid), pipes, fd)
        end = watch.end()
        with contextlib.suppress(BrokenPipeError):
            place = int.from_bytes(progress[:8], "little")
            connection.send_bytes(pickle.dumps((end, bytes(watch.written["answers"]), place)))


class _poll_of:  # noqa: N801 - it stands for a function
    """Status of a child, once it has ended; it is waited for once only."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._status: int | None = None

    def __call__(self) -> int | None:
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status


def _run(work: bytes, limits: Limits, progress: mmap.mmap, answers: int, prints: int) -> None:
    """In the child: nothing of the user's code has run before this."""
    os.setpgid(0, 0)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (prints, 1), (prints, 2)):
        os.dup2(source, target)
    os.close(prints)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits.cpu_s is not None:
        resource.setrlimit(resource.RLIMIT_CPU, cpu_limit(limits.cpu_s))
    with os.fdopen(answers, "wb") as file:
        tell = child.Tell(file, c.addressof(c.c_uint64.from_buffer(progress)))
        try:
            frame = pickle.dumps(("answer", pickle.loads(work)(tell)))
        except Exception as error:
            frame = pickle.dumps(("error", error))
        file.write(frame)
    sys.stdout.flush()
    c.CDLL(None).fflush(None)  # what C code has left in its buffers
