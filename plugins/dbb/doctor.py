"""Examining an installation: each check says what it found, or what is wrong and what comes next."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dbb.connections import (
    Unsafe,
    find_unsafe,
    find_unsafe_address,
    find_unsafe_connection,
)
from dbb.errors import DbbError, InstallationWrong, Misconfigured, SettingMissing, Transient
from dbb.flows.canary import overdue
from dbb.hooks import doctor as probe
from dbb.model.endpoint import Endpoint, Role
from dbb.model.kind import Kind
from dbb.settings import INCLUDE, Settings
from dbb.wiring.base import SystemClock, open_ledger
from dbb.wiring.efd import open_efd_values
from dbb.wiring.watching import open_canaries

MAX_SKEW_S = 2.0
"""A file must rest ``settle_s`` seconds before it is read: a clock further off breaks that."""
NEEDED = (
    "DBB_LEDGER_URL", "DBB_RUCIO_HOST", "DBB_RUCIO_ACCOUNT", "DBB_RUCIO_USER", "DBB_RUCIO_PASSWORD",
)  # fmt: skip
"""What the program needs beside the addresses that the files of ``include`` ask for."""


@dataclass(frozen=True)
class Finding:
    """Hold the outcome of one check; ``error`` is None where all is well, and ``remedy`` empty.

    What works and is not safe is a warning: it has a remedy and no error.
    """

    check: str
    detail: str
    error: DbbError | None
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the finding as it stands in a document."""
        if self.error is None:
            result = "warning" if self.remedy else "ok"
            told = {"result": result, "check": self.check, "detail": self.detail}
            return told | {"next": self.remedy}
        return {
            "result": "wrong",
            "check": self.check,
            "detail": f"{self.error.code}: {self.error.message} {self.error.where}".rstrip(),
            "next": self.remedy,
        }


Check = Callable[[], str]


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check; one that fails does not stop the others."""
    # First: opening a store by a connection puts a profile in its place into this process.
    connections = list(_examine_connections(settings))
    for name, check in _checks(settings):
        try:
            yield Finding(name, check(), None)
        except DbbError as error:
            yield Finding(name, "", error, _remedy(settings, name, error))
    yield from connections


def _examine_connections(settings: Settings) -> Iterator[Finding]:
    """Warn of each connection that leaves this machine and asks for no certificate."""
    unsafe = list(find_unsafe(settings.environment))
    for endpoint in settings.endpoints.values():
        unsafe += _unsafe_of_endpoint(settings, endpoint)
    for each in unsafe:
        yield Finding("connections", f"{each.setting}: {each.why}", None, each.remedy)
    if not unsafe:
        yield Finding("connections", "none leaves this machine without TLS", None)


def _unsafe_of_endpoint(settings: Settings, endpoint: Endpoint) -> list[Unsafe]:
    """Look at what stands beside the settings: the connection of a store, and Butler's registry."""
    found = []
    with contextlib.suppress(SettingMissing):  # the check of the environment tells of it
        name, extra = probe.connection_of(settings.resolve(endpoint.store_url))
        if f"AIRFLOW_CONN_{name.upper()}" not in settings.environment:  # else it was looked at
            found += find_unsafe_connection(name, extra, settings.environment)
    with contextlib.suppress(SettingMissing):
        address = probe.registry_address(settings.resolve(endpoint.butler))
        registry = f"registry of {endpoint.name}"
        found += find_unsafe_address(registry, address, settings.environment)
    return found


def first_remedy(findings: Sequence[Finding]) -> str:
    """Give the one next step: of the first that is wrong, since the later ones rest on it; then of a warning."""
    wrong = [finding for finding in findings if finding.error is not None]
    return next((finding.remedy for finding in [*wrong, *findings] if finding.remedy), "")


def _remedy(settings: Settings, check: str, error: DbbError) -> str:
    """Say what mends a finding on this machine, with the command where one does."""
    runbook = f"docs/operate/{error.code}.md"
    if isinstance(error, SettingMissing) and error.where.startswith("DBB_"):
        is_bare = not any(map(settings.environment.get, NEEDED))
        here = "`./sandbox up` starts it all here; a site sets them" if is_bare else ""
        return f"{here or f'Set {error.where}'}: docs/reference/settings.md."
    if error.next_action != type(error).next_action:  # it knows better than its class
        return error.next_action
    if isinstance(error, Transient):
        is_sandbox = "DBB_SANDBOX_DIR" in settings.environment
        step = "`./sandbox up` starts what does not run" if is_sandbox else "Start or restart it"
        return f"{step}: {runbook}."
    if isinstance(error, InstallationWrong) and check == "packages":
        return "`./sandbox setup` installs what the lock says; a site installs requirements.txt."
    if error.next_action == Misconfigured.next_action:  # it leads to the doctor
        return f"Mend what the line names: {runbook}."
    return error.next_action


def _checks(settings: Settings) -> Iterator[tuple[str, Check]]:
    yield "python", _describe_python
    yield "packages", lambda: probe.compare_packages(INCLUDE.parent / "requirements.txt")
    yield "settings files", lambda: _describe_files(settings)
    yield "environment", lambda: _check_environment(settings)
    yield "ledger schema", lambda: _check_ledger(settings)
    yield "clock", lambda: _check_clock(settings)
    lasting = [each for each in settings.endpoints.values() if each.role is not Role.SCRATCH]
    for endpoint in lasting:
        yield f"store {endpoint.name}", lambda here=endpoint: _check_store(settings, here)  # type: ignore[misc]
    yield "rucio", lambda: _check_rucio(settings)
    for endpoint in lasting:
        if endpoint.role is not Role.SOURCE:
            yield (
                f"butler {endpoint.name}",
                lambda here=endpoint: probe.probe_butler(settings.resolve(here.butler)),  # type: ignore[misc]
            )
    for name in settings.values_at:
        yield f"values {name}", lambda name=name: _check_values(settings, name)  # type: ignore[misc]
    yield "canary", lambda: _check_canary(settings)
    if settings.environment.get("DBB_AIRFLOW_URL"):
        yield "airflow", lambda: probe.probe_airflow(settings.value("DBB_AIRFLOW_URL"))


def _describe_python() -> str:
    return f"{'.'.join(map(str, sys.version_info[:3]))} in {sys.prefix}"


def _describe_files(settings: Settings) -> str:
    names = ", ".join(settings.endpoints)
    return f"endpoints {names}; instruments {', '.join(settings.raw.instruments)}"


def _check_environment(settings: Settings) -> str:
    """Look every variable up that the files and the clients ask for."""
    missing = [name for name in NEEDED if not settings.environment.get(name)]
    for endpoint in settings.endpoints.values():
        for text in (endpoint.store_url, endpoint.butler):
            try:
                settings.resolve(text)
            except SettingMissing as error:
                missing.append(error.where)
    if missing:
        raise SettingMissing.for_setting(", ".join(missing))
    return "every variable that the files name has a value"


def _check_ledger(settings: Settings) -> str:
    ledger = open_ledger(settings, "dbb doctor")
    ledger.check()
    return f"up to date, on {ledger.engine.dialect.name}"


def _check_clock(settings: Settings) -> str:
    ledger = open_ledger(settings, "dbb doctor")
    skew_s = probe.measure_skew_s(ledger, SystemClock())
    if abs(skew_s) > MAX_SKEW_S:
        why = f"this clock is {skew_s:+.1f} s off the database's: start a time service"
        raise InstallationWrong.for_part("clock", why)
    return f"{skew_s:+.2f} s from the database's"


def _check_store(settings: Settings, endpoint: Endpoint) -> str:
    return probe.probe_store(settings.resolve(endpoint.store_url), f"doctor/{os.getpid()}.probe")


def _check_canary(settings: Settings) -> str:
    canaries = open_canaries(settings, "dbb doctor")
    if (error := overdue(canaries, SystemClock().now())) is not None:
        raise error
    newest = canaries.newest(1)
    return f"{newest[0].name} was {newest[0].outcome}" if newest else "none: DAG `canary` is off"


def _check_values(settings: Settings, endpoint: str) -> str:
    """Look whether an endpoint's database of publications answers, and all files of these come to it."""
    policies = settings.policies.of_kind(Kind.FILE)
    if not any(each.receiver == endpoint and each.selects_all for each in policies):
        why = (
            f"DBB_EFD_VALUES_{endpoint.upper()} is set, but no policy gives {endpoint} every unit of kind file:"
            " publications are loaded in their order, and one that does not come holds back all after it"
        )
        raise InstallationWrong.for_part(
            f"values {endpoint}", why, "Add such a policy to include/policies/policies.yaml."
        )
    target, _ = open_efd_values(settings, endpoint, "dbb doctor")
    return f"up to publication {target.last()}"


def _check_rucio(settings: Settings) -> str:
    wanted = {endpoint.rse for endpoint in settings.endpoints.values() if endpoint.rse}
    return probe.probe_rucio(
        host=settings.value("DBB_RUCIO_HOST"),
        account=settings.value("DBB_RUCIO_ACCOUNT"),
        username=settings.value("DBB_RUCIO_USER"),
        password=settings.value("DBB_RUCIO_PASSWORD"),
        rses=wanted,
    )
