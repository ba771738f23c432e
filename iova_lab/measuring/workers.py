"""Who does many jobs at once: processes of this machine, or the workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from iova_lab.basics.errors import IovaLabError

#: Each job is tried so often: a worker may die under somebody else's load, but not every time.
ATTEMPTS = 4


class WorkersError(IovaLabError, OSError):
    """Workers that can't be had, or that died under every attempt."""


@contextlib.contextmanager
def local(jobs: int | None = None) -> Iterator[Executor]:
    """Processes on this machine; what has not begun is dropped at the end."""
    executor = ProcessPoolExecutor(
        jobs or len(os.sched_getaffinity(0)),
        get_context("spawn"),  # no fork of a process that may have threads
        initializer=signal.signal,  # Ctrl-C is for the one that hands out the work
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler; they need this package.  Raises `WorkersError`."""
    try:
        import distributed
    except ImportError:
        raise WorkersError(
            "a cluster needs Dask, which is not installed: pip install 'iova-lab[sweep]'"
        ) from None
    try:
        connect: Any = distributed.Client  # untyped
        client = connect(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise WorkersError(f"no Dask scheduler at {address}: {error}") from None
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise WorkersError(f"the Dask scheduler at {address} has no workers")
        yield client.get_executor(pure=False, retries=ATTEMPTS)


def executor_for(
    scheduler: str | None, jobs: int | None = None
) -> Callable[[], contextlib.AbstractContextManager[Executor]]:
    """Return what makes an executor: a cluster's where there is an address, else processes."""
    if scheduler:
        return lambda: cluster(scheduler)
    return lambda: local(jobs)


def died(error: BaseException) -> bool:
    """Did the worker die, or did the work fail?  Dask's classes by name: it may not be there."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return isinstance(error, BrokenProcessPool) or bool(
        names & {"KilledWorker", "CancelledError", "FutureCancelledError", "CommClosedError"}
    )
