"""Start processes that outlive this command, and stop them with all their descendants.

Every service leads a session of its own. Some children leave it (PostgreSQL's back ends and
Airflow's task runners call ``setsid``), so a service's family is: its session, the descendants of
its members, and whoever still carries its mark in the environment.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "DBB_SANDBOX_SERVICE"
_POLL_S = 0.05

# Processes that this very command started: kept, so that their end is noticed and no warning is
# given about those that outlive it.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@atexit.register
def _let_go() -> None:
    """Tell Python that those which still run are meant to."""
    for process in _CHILDREN.values():
        if process.poll() is None:
            process.returncode = 0


@dataclass(frozen=True, slots=True)
class ProcessId:
    """Identify a process beyond the reuse of its number."""

    pid: int
    started_ticks: int


@dataclass(frozen=True, slots=True)
class _Row:
    pid: int
    parent: int
    session: int
    started_ticks: int

    @property
    def id(self) -> ProcessId:
        return ProcessId(self.pid, self.started_ticks)


def _row(pid: int) -> _Row | None:
    """Read a process, or `None` when it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return _Row(pid, int(fields[1]), int(fields[3]), int(fields[19]))


def _table() -> list[_Row]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [row for pid in pids if (row := _row(pid))]


def _carries(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def spawn(command: Sequence[str], *, env: Mapping[str, str], log: Path, mark: str) -> ProcessId:
    """Start a command as the leader of a new session, its output appended to a log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**env, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _CHILDREN[process.pid] = process
    row = _row(process.pid)
    return ProcessId(process.pid, row.started_ticks if row else 0)


def is_alive(process: ProcessId) -> bool:
    """Tell whether this very process still runs."""
    if child := _CHILDREN.get(process.pid):
        child.poll()
    row = _row(process.pid)
    return row is not None and row.started_ticks == process.started_ticks


def family(leader: ProcessId, mark: str) -> set[ProcessId]:
    """List the living processes of a service, whether or not its leader still lives."""
    rows = _table()
    impostor = any(r.pid == leader.pid and r.id != leader for r in rows)
    wanted = f"{MARK}={mark}".encode()
    found = {
        row.pid: row
        for row in rows
        if row.id == leader
        or (row.session == leader.pid and not impostor)
        or _carries(row.pid, wanted)
    }
    while more := {r.pid: r for r in rows if r.parent in found and r.pid not in found}:
        found |= more
    found.pop(os.getpid(), None)
    return {row.id for row in found.values()}


def stop(
    leader: ProcessId,
    mark: str,
    *,
    first: signal.Signals,
    grace_s: float,
    kill_after_s: float = 5.0,
) -> set[ProcessId]:
    """Ask the leader to end, then end whatever is left; return what even SIGKILL did not end.

    Parameters
    ----------
    leader, mark
        The service's process, and what all its processes carry in the environment.
    first, grace_s
        The signal that lets the leader end in order, and how long it may take.
    kill_after_s
        How long the others may take to obey SIGTERM.
    """
    members = family(leader, mark)
    if leader in members:
        _signal({leader}, first)
        deadline = time.monotonic() + grace_s
        while is_alive(leader) and time.monotonic() < deadline:
            members |= family(leader, mark)
            time.sleep(_POLL_S)
    for step, wait_s in ((signal.SIGTERM, kill_after_s), (signal.SIGKILL, 5.0)):
        members = {m for m in members | family(leader, mark) if is_alive(m)}
        if not members:
            break
        _signal(members, step)
        deadline = time.monotonic() + wait_s
        while any(is_alive(m) for m in members) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    return {m for m in members if is_alive(m)}


def _signal(members: set[ProcessId], number: signal.Signals) -> None:
    for member in members:
        if is_alive(member):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, number)
