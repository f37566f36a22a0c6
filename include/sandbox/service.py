"""Describe one service of the sandbox: how it starts, when it is ready, how it stops."""

from __future__ import annotations

import json
import os
import signal
import time
from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import ClassVar

from sandbox import processes
from sandbox.allotted import Allotted
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.processes import ProcessId

# What a caller's shell may hold that would change how a service behaves.
_NOT_INHERITED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class Service(ABC):
    """Run one program as a session of its own, remembered in a file of the state folder."""

    name: ClassVar[str]
    # Ready before this service is started.
    needs: ClassVar[tuple[str, ...]] = ()
    # Started together with this service, because its readiness is asked there.
    asks: ClassVar[tuple[str, ...]] = ()
    ports: ClassVar[tuple[str, ...]] = ()
    ready_within_s: ClassVar[float] = 60
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_grace_s: ClassVar[float] = 15
    kill_after_s: ClassVar[float] = 5

    def __init__(self, layout: Layout, allotted: Allotted) -> None:
        self.layout = layout
        self.allotted = allotted

    @abstractmethod
    def command(self) -> list[str]:
        """Give the command line."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Tell whether the service does its work now."""

    @abstractmethod
    def address(self) -> str:
        """Say where the service is found, without a secret."""

    def missing(self) -> str | None:
        """Say why this machine cannot run the service; `None` when it can."""
        return None

    def prepare(self) -> None:  # noqa: B027 - many services need none
        """Write configuration and data before the start."""

    def after_ready(self) -> None:  # noqa: B027 - many services need none
        """Fill the running service with what its clients expect; repeatable."""

    def environment(self) -> dict[str, str]:
        """Give the environment of the process."""
        return {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}

    def port(self) -> int:
        """Give the first of the service's ports."""
        return self.allotted.port(self.ports[0])

    @property
    def mark(self) -> str:
        """The value that every process of this service carries in its environment."""
        return f"{self.layout.state}:{self.name}"

    def process(self) -> ProcessId | None:
        """Give the process that was started last, dead or alive."""
        try:
            kept = json.loads(self.layout.run_file(self.name).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return ProcessId(kept["pid"], kept["started_ticks"])

    def is_running(self) -> bool:
        """Tell whether the service's own process lives."""
        process = self.process()
        return process is not None and processes.is_alive(process)

    def start(self) -> bool:
        """Start and wait until ready; return `False` when it ran already."""
        if self.is_running():
            self._wait_until_ready()
            self.after_ready()
            return False
        self.stop()  # children of a leader that died would hold its port and its locks
        self.prepare()
        process = processes.spawn(
            self.command(),
            env=self.environment(),
            log=self.layout.log(self.name),
            mark=self.mark,
        )
        self.layout.run_file(self.name).write_text(json.dumps(asdict(process)))
        self._wait_until_ready()
        self.after_ready()
        return True

    def stop(self) -> None:
        """Stop the service and verify that no process of it is left."""
        process = self.process()
        if process is None:
            return
        left = processes.stop(
            process,
            self.mark,
            first=self.stop_signal,
            grace_s=self.stop_grace_s,
            kill_after_s=self.kill_after_s,
        )
        if left:
            raise SandboxError(
                f"Processes {sorted(p.pid for p in left)} did not end",
                where=self.name,
                next_action="End them by hand, then run `./sandbox down` again.",
            )
        self.layout.run_file(self.name).unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.ready_within_s
        while not self.is_ready():
            if not self.is_running():
                raise self._failure("ended while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {self.ready_within_s:.0f} s")
            time.sleep(0.1)

    def _failure(self, what: str) -> SandboxError:
        log = self.layout.log(self.name)
        lines = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else []
        tail = "\n    ".join(["", *lines])
        return SandboxError(
            f"{self.name} {what}",
            where=str(log),
            next_action=f"Read the log, correct the cause, run `./sandbox up` again.{tail}",
        )
