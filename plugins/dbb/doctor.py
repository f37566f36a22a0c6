"""Examining an installation: each check says what it found, or what is wrong and what comes next."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dbb.errors import DbbError, InstallationWrong, SettingMissing
from dbb.flows.canary import overdue
from dbb.hooks import doctor as probe
from dbb.model.endpoint import Endpoint, Role
from dbb.settings import INCLUDE, Settings
from dbb.wiring import SystemClock, open_canaries, open_ledger

MAX_SKEW_S = 2.0
"""A file must rest ``settle_s`` seconds before it is read: a clock further off breaks that."""


@dataclass(frozen=True)
class Finding:
    """Hold the outcome of one check; ``error`` is None where all is well."""

    check: str
    detail: str
    error: DbbError | None

    def to_json(self) -> dict[str, Any]:
        """Give the finding as it stands in a document."""
        if self.error is None:
            return {"result": "ok", "check": self.check, "detail": self.detail, "next": ""}
        return {
            "result": "wrong",
            "check": self.check,
            "detail": f"{self.error.code}: {self.error.message} {self.error.where}".rstrip(),
            "next": self.error.next_action,
        }


Check = Callable[[], str]


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check; one that fails does not stop the others."""
    for name, check in _checks(settings):
        try:
            yield Finding(name, check(), None)
        except DbbError as error:
            yield Finding(name, "", error)


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
    names = ["DBB_LEDGER_URL", "DBB_RUCIO_HOST", "DBB_RUCIO_ACCOUNT", "DBB_RUCIO_USER"]
    missing = [
        name for name in [*names, "DBB_RUCIO_PASSWORD"] if not settings.environment.get(name)
    ]
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


def _check_rucio(settings: Settings) -> str:
    wanted = {endpoint.rse for endpoint in settings.endpoints.values() if endpoint.rse}
    return probe.probe_rucio(
        host=settings.value("DBB_RUCIO_HOST"),
        account=settings.value("DBB_RUCIO_ACCOUNT"),
        username=settings.value("DBB_RUCIO_USER"),
        password=settings.value("DBB_RUCIO_PASSWORD"),
        rses=wanted,
    )
