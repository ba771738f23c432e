"""How is something done with a variant that may take its process with it?

In a forked child, which tells what it is about to do before it does it: whatever happens, the
parent knows what it was doing.  The limit is one of CPU time, so that a busy machine hangs nobody.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

Tell = Callable[[str], None]


@dataclass
class Report:
    """What came back: ``answer``, or how it ``died``; and all that it told before."""

    answer: Any = None
    died: str | None = None
    told: list[str] = field(default_factory=list)


def _body(work: Callable[[Tell], Any], cpu_seconds: int, pipe: Connection) -> None:
    # What a variant prints is looked for elsewhere (`standalone`); here it is in the way.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answer: Any
    try:
        answer = work(lambda text: pipe.send((True, text)))
    except Exception as error:
        answer = error
    pipe.send((False, answer))


def in_child(work: Callable[[Tell], Any], *, cpu_seconds: int = 5) -> Report:
    """Run ``work`` in a child.  Raises what it raised; a death is told in the report."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_body, args=(work, cpu_seconds, sender), daemon=True)
    child.start()
    sender.close()
    report = Report()
    try:
        with contextlib.suppress(EOFError):
            while receiver.poll(60 * cpu_seconds):
                is_told, what = receiver.recv()
                if not is_told:
                    report.answer = what
                    break
                report.told.append(what)
            else:
                child.kill()
    finally:
        if report.answer is None:
            child.join(1)
        if child.is_alive():
            child.kill()
        child.join()
        receiver.close()
    if isinstance(report.answer, Exception):
        raise report.answer
    report.died = _death(child.exitcode, report)
    return report


def _death(exitcode: int | None, report: Report) -> str | None:
    if report.answer is not None or exitcode == 0:
        return None
    if exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
        return "does not come back: an endless loop, or a lock that is not given back"
    if exitcode is not None and exitcode < 0:
        return f"is killed by {signal.Signals(-exitcode).name}"
    return f"ends the process, exit status {exitcode}"
