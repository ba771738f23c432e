"""How does code that may crash or hang run, and take nothing else with it?"""

from __future__ import annotations

import contextlib
import ctypes as c
import mmap
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from iova_variants._variant import VariantError

T = TypeVar("T")


class VariantCrashedError(VariantError):
    """A variant died or hung in its child process; nothing else did."""


def in_child(work: Callable[[int], T], name: str, where: Callable[[int], str], timeout: float) -> T:
    """Return what ``work`` does, done in a child process that has ``timeout`` seconds for it.

    The child is forked, so nothing is copied.  ``work`` gets the address of a word in shared
    memory where it may say how far it is; ``where`` puts that into words for the message.
    Raises `VariantCrashedError`, or what ``work`` raises.
    """
    context = multiprocessing.get_context("fork")
    progress = mmap.mmap(-1, 8)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(work, progress, receiver, sender), daemon=True)
    child.start()
    sender.close()
    try:
        answer = receiver.recv() if receiver.poll(timeout) else None
    except EOFError:
        child.join()
        place = where(int.from_bytes(progress[:8], "little"))
        cause = _cause(child.exitcode)
        raise VariantCrashedError(f"{name}: killed by {cause} {place}") from None
    finally:
        child.kill()
        child.join()
        receiver.close()
    if answer is None:
        place = where(int.from_bytes(progress[:8], "little"))
        raise VariantCrashedError(f"{name}: still running after {timeout:g} s, {place}")
    outcome, error = answer
    if error is not None:
        raise error
    result: T = outcome
    return result


def _child(
    work: Callable[[int], T], progress: mmap.mmap, receiver: Connection, sender: Connection
) -> None:
    # Or a child whose parent was killed would wait forever for itself to read.
    receiver.close()
    answer: tuple[T | None, Exception | None]
    try:
        answer = (work(c.addressof(c.c_uint64.from_buffer(progress))), None)
    except Exception as error:
        answer = (None, error)
    with contextlib.suppress(BrokenPipeError):
        sender.send(answer)


def _cause(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return signal.Signals(-exitcode).name
    return f"exit status {exitcode}"
