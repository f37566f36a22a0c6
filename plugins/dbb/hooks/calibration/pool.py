"""Work on many detectors at once, in processes that end with the one that started them."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from dbb.errors import PayloadInterrupted

CHUNKS_A_PROCESS = 4
"""Pieces of work that each process gets on average: one that is slow does not hold up the rest."""

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0))


def work_in_processes(
    name: str,
    work: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    processes: int,
) -> list[Result]:
    """Share items out to processes; the results come in any order.

    Processes are spawned, not forked: they share no connection, lock or thread with an Airflow
    task. With one process the work is done in this one.

    Parameters
    ----------
    name
        What is being done, for the error.
    work
        A function of a module, which takes some of the items.

    Raises
    ------
    PayloadInterrupted
        If a process was killed, for instance for want of memory. What ``work`` raises is raised
        here, and ends all others.
    """
    processes = min(processes, len(items))
    if processes <= 1:
        return work(items)
    chunks = min(len(items), processes * CHUNKS_A_PROCESS)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_end_with,
        initargs=(os.getpid(),),
    )
    try:
        with _without_program():  # the processes start here
            futures = [pool.submit(work, items[first::chunks]) for first in range(chunks)]
        return [result for future in as_completed(futures) for result in future.result()]
    except BrokenProcessPool:
        raise PayloadInterrupted.for_payload(name, "a process was killed") from None
    finally:
        started = set(multiprocessing.active_children()) - before
        pool.shutdown(wait=False, cancel_futures=True)
        for process in started:
            process.kill()
        pool.shutdown(wait=True)


@contextmanager
def _without_program() -> Iterator[None]:
    """Keep new processes from running this one's program: in a task that is Airflow, which may not there."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name, None) for name in ("__spec__", "__file__")}
    main.__spec__ = None
    main.__file__ = None
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when the one that started it ends."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)
