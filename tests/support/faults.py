"""Faults for every port: a process killed at operation N, and stores that lie about bytes.

The crash sweep of a flow is then::

    for schedule in every_crash(lambda schedule: run(ports(schedule))):
        with pytest.raises(Killed):
            run(ports(schedule))
        run(ports(Schedule()))          # the next attempt, by a process that lives
        assert everything_is_well()
"""

from __future__ import annotations

import datetime as dt
import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, BinaryIO, Literal, TypeVar, cast

from dbb.ports.store import Store, StoredFile, Writer

P = TypeVar("P")

_NOT_COUNTED = {"url_of", "now"}
"""Methods that neither ask nor change the world."""


class Killed(BaseException):
    """Stand for the end of a process: nothing catches it, and nothing may run after it."""


class Schedule:
    """Count the operations of all the ports that share it, and fail at one of them.

    Parameters
    ----------
    at
        Number of the operation, from 0; None fails never and only counts.
    when
        Whether the operation has taken place when the failure strikes.
    error
        What is raised there, once. ``Killed`` ends everything: each later operation raises it too.
    """

    def __init__(
        self,
        at: int | None = None,
        when: Literal["before", "after"] = "before",
        error: BaseException | None = None,
    ) -> None:
        self.at = at
        self.when = when
        self.error = error or Killed(f"{when} operation {at}")
        self.seen: list[str] = []
        """The operations in the order in which they began."""
        self.is_dead = False
        self.has_struck = False
        self._abandoned: list[object] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        label = self.seen[self.at] if self.at is not None and self.at < len(self.seen) else "?"
        return f"Schedule({self.at}, {self.when!r}: {label})"

    def begin(self, label: str) -> int:
        """Note an operation that is about to take place; fail if it is the one."""
        with self._lock:
            self.check_alive()
            self.seen.append(label)
            number = len(self.seen) - 1
            self._strike(number, "before")
        return number

    def end(self, number: int) -> None:
        """Note that an operation has taken place; fail if it is the one."""
        with self._lock:
            self._strike(number, "after")

    def check_alive(self) -> None:
        """Let nothing happen after the end."""
        if self.is_dead:
            raise Killed("the process is dead already")

    def abandon(self, context: object) -> None:
        """Keep a context that a killed process left open, so that nobody tidies it up."""
        self._abandoned.append(context)

    def _strike(self, number: int, when: str) -> None:
        if number == self.at and when == self.when and not self.has_struck:
            self.has_struck = True
            self.is_dead = isinstance(self.error, Killed)
            raise self.error


class FaultyPort:
    """Pass every call of a port on, counted by a schedule that may fail it.

    Entering a context (``create``, ``open``) is one operation, and leaving it well is another: the
    moment at which a created file appears.
    """

    def __init__(self, port: object, schedule: Schedule) -> None:
        self._port = port
        self._schedule = schedule

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute) or name in _NOT_COUNTED:
            return attribute
        label = f"{type(self._port).__name__}.{name}"

        def call(*args: Any, **kwargs: Any) -> Any:
            number = self._schedule.begin(label)
            result = attribute(*args, **kwargs)
            if isinstance(result, AbstractContextManager):
                return _FaultyContext(result, self._schedule, label, number)
            self._schedule.end(number)
            return result

        return call


class _FaultyContext:
    """Enter and leave a context of a port; a killed process never leaves it."""

    def __init__(
        self,
        context: AbstractContextManager[Any],
        schedule: Schedule,
        label: str,
        number: int,
    ) -> None:
        self._context = context
        self._schedule = schedule
        self._label = label
        self._number = number

    def __enter__(self) -> Any:
        inner = self._context.__enter__()
        try:
            self._schedule.end(self._number)
        except Killed:
            self._schedule.abandon(self._context)
            raise
        except BaseException as error:
            self._context.__exit__(type(error), error, error.__traceback__)
            raise
        return inner

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if self._schedule.is_dead:
            self._schedule.abandon(self._context)
            return None
        if kind is not None:
            return self._context.__exit__(kind, error, traceback)
        try:
            number = self._schedule.begin(f"{self._label}: commit")
        except Killed:
            self._schedule.abandon(self._context)
            raise
        except BaseException as failure:
            self._context.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._context.__exit__(None, None, None)
        self._schedule.end(number)
        return None


def faulty(port: P, schedule: Schedule) -> P:
    """Wrap a port; the wrapper has the port's own type for whoever uses it."""
    return cast("P", FaultyPort(port, schedule))


def every_crash(run: Callable[[Schedule], object], only: str = "") -> Iterator[Schedule]:
    """Count the operations of a run, then give a schedule that kills at each, before and after.

    Parameters
    ----------
    run
        Does the work once, over ports that share the schedule it is given. It is called here for
        the count; give it a world of its own each time.
    only
        Kill only at operations in whose label this occurs.
    """
    counting = Schedule()
    run(counting)
    for number, label in enumerate(counting.seen):
        if only in label:
            yield Schedule(number, "before")
            yield Schedule(number, "after")


class PassingStore:
    """Pass everything on to a store; the base of stores with one fault.

    Parameters
    ----------
    store
        The store that works.
    strikes
        Says of a name whether the fault concerns it; by default all.
    """

    def __init__(self, store: Store, strikes: Callable[[str], bool] = lambda _: True) -> None:
        self.store = store
        self.strikes = strikes
        self.struck: list[str] = []
        """The names that met the fault, so that a test can see that it did happen."""

    @property
    def url(self) -> str:
        """Give the root's URL."""
        return self.store.url

    def url_of(self, name: str) -> str:
        """Give the URL of a file."""
        return self.store.url_of(name)

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """List the files below a folder."""
        return self.store.list_files(prefix)

    def stat(self, name: str) -> StoredFile | None:
        """Describe one file."""
        return self.store.stat(name)

    def open(self, name: str, *, cold: bool = False) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading."""
        return self.store.open(name, cold=cold)

    def create(self, name: str) -> AbstractContextManager[Writer]:
        """Write a file."""
        return self.store.create(name)

    def move(self, name: str, new_name: str) -> None:
        """Rename a file."""
        self.store.move(name, new_name)

    def delete(self, names: Iterable[str]) -> None:
        """Delete files."""
        self.store.delete(names)

    def sweep_parts(self, older_than: dt.datetime) -> list[str]:
        """Pass the call on."""
        return self.store.sweep_parts(older_than)

    def read_url(self, name: str, valid_s: int) -> str:
        """Pass the call on."""
        return self.store.read_url(name, valid_s)

    def _is_hit(self, name: str) -> bool:
        hit = self.strikes(name)
        if hit:
            self.struck.append(name)
        return hit


class BitFlippingStore(PassingStore):
    """Flip one bit of what is read: the bit in the middle of the file."""

    @contextmanager
    def open(self, name: str, *, cold: bool = False) -> Iterator[BinaryIO]:
        """Open a file of which one bit is wrong."""
        with self.store.open(name, cold=cold) as file:
            if not self._is_hit(name):
                yield file
                return
            data = bytearray(file.read())
            if data:
                data[len(data) // 2] ^= 0x10
            yield io.BytesIO(bytes(data))


class _WithheldStore(PassingStore):
    """Take the bytes of a file first, and decide about them when the writer is done."""

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        """Write a file that a fault may meet."""
        buffer = io.BytesIO()
        yield buffer
        self._keep(name, buffer.getvalue())

    def _keep(self, name: str, data: bytes) -> None:
        with self.store.create(name) as writer:
            writer.write(data)


class TruncatingStore(_WithheldStore):
    """Say that a write went well and keep only its first half."""

    def _keep(self, name: str, data: bytes) -> None:
        super()._keep(name, data[: len(data) // 2] if self._is_hit(name) else data)


class ForgetfulStore(_WithheldStore):
    """Say that a write went well and keep nothing of it."""

    def _keep(self, name: str, data: bytes) -> None:
        if not self._is_hit(name):
            super()._keep(name, data)
