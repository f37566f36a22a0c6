"""Bring all services up, tell how they are, take them down."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from sandbox.allotted import Allotted
from sandbox.client_env import client_env
from sandbox.envfile import write_env
from sandbox.errors import SandboxError
from sandbox.export_key import make_export_key
from sandbox.layout import Layout
from sandbox.registry import BESIDE, all_services, choose
from sandbox.service import Service

# What `reset` looks for before it deletes a folder.
_OURS = "allotted.json"


class Sandbox:
    """Hold the services of one state folder."""

    def __init__(self, layout: Layout, say: Callable[[str], None] = print) -> None:
        self.layout = layout
        self.allotted = Allotted.load(layout.allotted_file)
        self.services = all_services(layout, self.allotted)
        self.beside = [service(layout, self.allotted) for service in BESIDE]
        self.say = say

    def up(self, only: str | None = None) -> None:
        """Start what does not run, each service as soon as those it needs are ready.

        Raises
        ------
        SandboxError
            With the first failure; what had started by then is left running, for its logs.
        """
        wanted = choose(only)
        self.layout.make()
        with self._alone():
            self._up(wanted)

    def _up(self, wanted: set[str]) -> None:
        if not any(service.is_running() for service in (*self.services, *self.beside)):
            self.allotted.redraw_busy_ports()
        # All ports and secrets are drawn before services start in parallel.
        for service in self.services:
            for port in service.ports:
                self.allotted.port(port)
        write_env(self.layout.env_file, client_env(self.layout, self.allotted))
        (self.layout.state / "butler").mkdir(exist_ok=True)
        make_export_key(self.layout)

        started: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(max_workers=len(self.services)) as pool:
            for service in self.services:
                if service.name in wanted:
                    needs = [started[name] for name in service.needs if name in started]
                    started[service.name] = pool.submit(self._bring_up, service, needs)
        for future in started.values():
            future.result()

    def up_beside(self) -> list[Service]:
        """Start the services that are no part of the backbone, and give them."""
        self.layout.make()
        with self._alone():
            for service in self.beside:
                reason = service.missing()
                if reason is not None:
                    raise SandboxError(
                        f"{service.name} cannot start: {reason}",
                        where="this machine",
                        next_action="Install it and run again.",
                    )
                self._bring_up(service, [])
        return self.beside

    def _bring_up(self, service: Service, needs: list[Future[None]]) -> None:
        for need in needs:
            if need.exception() is not None:
                return  # the need's own failure is the one to report
        reason = service.missing()
        if reason is not None:
            self.say(f"{service.name:<22} left out: {reason}")
            return
        began = time.monotonic()
        if service.start():
            self.say(
                f"{service.name:<22} up in {time.monotonic() - began:5.1f} s  {service.address()}"
            )
        else:
            self.say(f"{service.name:<22} already up        {service.address()}")

    def status(self) -> list[dict[str, object]]:
        """Give one row a service: name, state, process, address, log."""
        rows: list[dict[str, object]] = []
        beside = [service for service in self.beside if service.process()]
        for service in (*self.services, *beside):
            process = service.process()
            running = service.is_running()
            state = "stopped"
            if running:
                state = "ready" if service.is_ready() else "starting"
            elif process is not None:
                state = "died"
            elif service.missing():
                state = "left out"
            rows.append(
                {
                    "service": service.name,
                    "state": state,
                    "pid": process.pid if process and running else None,
                    "address": service.address() if running else None,
                    "log": str(self.layout.log(service.name)),
                }
            )
        return rows

    def down(self) -> None:
        """Stop everything, each service after those that need it, and verify that no process is left."""
        if not self.layout.state.exists():
            return
        with self._alone():
            self._down()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep a second command from starting or stopping the same services at the same time."""
        with (self.layout.state / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say("another ./sandbox command is at work here; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _down(self) -> None:
        left = {service.name: service for service in (*self.services, *self.beside)}
        failures: list[SandboxError] = []
        with ThreadPoolExecutor(max_workers=len(left)) as pool:
            while left:
                needed = {name for service in left.values() for name in service.needs}
                wave = [service for name, service in left.items() if name not in needed]
                failures += [error for error in pool.map(self._take_down, wave) if error]
                for service in wave:
                    del left[service.name]
        if failures:
            raise failures[0]

    def _take_down(self, service: Service) -> SandboxError | None:
        if service.process() is None:
            return None
        began = time.monotonic()
        try:
            service.stop()
        except SandboxError as error:
            self.say(f"{service.name:<22} {error}")
            return error
        self.say(f"{service.name:<22} down in {time.monotonic() - began:4.1f} s")
        return None

    def reset(self) -> None:
        """Stop everything and delete the state folder with all its data."""
        self.down()
        state = self.layout.state
        if not state.exists():
            return
        if not (state / _OURS).exists():
            raise SandboxError(
                "This folder was not made by the sandbox, so it is not deleted",
                where=str(state),
                next_action="Point DBB_SANDBOX_DIR at a sandbox, or remove the folder by hand.",
            )
        shutil.rmtree(state)
        self.say(f"deleted {state}")


def table(rows: list[dict[str, object]]) -> str:
    """Format the rows of `Sandbox.status` for a person."""
    lines = [f"{'SERVICE':<22} {'STATE':<9} {'PID':>8}  ADDRESS"]
    for row in rows:
        pid, address = row["pid"] or "-", row["address"] or "-"
        lines.append(f"{row['service']:<22} {row['state']:<9} {pid:>8}  {address}")
    return "\n".join(lines)


def as_json(rows: list[dict[str, object]]) -> str:
    """Format the rows of `Sandbox.status` for a program."""
    return json.dumps(rows, indent=1)
