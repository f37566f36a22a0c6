"""Probes of the services: each says what it found, or raises the error that names the fault."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlalchemy.exc import SQLAlchemyError

from dbb.errors import (
    AirflowUnavailable,
    InstallationWrong,
    RepositoryUnavailable,
    StoreUnavailable,
    UnknownEndpoint,
)
from dbb.hooks.certificates import BUTLER_CA, REQUESTS_CA, made_clear
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.sql import to_time
from dbb.hooks.stores import open_store
from dbb.ports.clock import Clock

PACKAGES = (
    "apache-airflow",
    "lsst-daf-butler",
    "lsst-resources",
    "rucio-clients",
    "great-expectations",
    "sqlalchemy",
    "psycopg",
)
"""The packages whose version decides whether the program works; the lock names the right one."""

TIMEOUT_S = 10


def compare_packages(lock: Path) -> str:
    """Compare what is installed with the lock.

    Raises
    ------
    InstallationWrong
        If the lock cannot be read, or a package is missing or has another version.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise InstallationWrong.for_part(lock.name, str(error)) from None
    pattern = re.compile(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^\s;]+)", re.MULTILINE)
    locked = dict(pattern.findall(text))
    wrong = []
    for name in PACKAGES:
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "not installed"
        if found != locked.get(name):
            wrong.append(f"{name} is {found}, the lock says {locked.get(name)}")
    if wrong:
        raise InstallationWrong.for_part(lock.name, "; ".join(wrong))
    return f"{len(PACKAGES)} packages as {lock.name} says"


def measure_skew_s(ledger: SqlLedger, clock: Clock) -> float:
    """Measure how far the machine's clock is ahead of the database's."""
    before = clock.now()
    database = ledger.rows("ledger/now")[0].at
    after = clock.now()
    if isinstance(database, str):
        database = f"{database}+00:00"  # SQLite writes UTC without saying so
    return ((before + (after - before) / 2) - to_time(database)).total_seconds()


def probe_store(url: str, name: str) -> str:
    """Write, read and delete a small file.

    Raises
    ------
    StoreUnavailable
        If one of these fails, or gives back other bytes.
    """
    store = open_store(url)
    data = b"dbb doctor"
    try:
        with store.create(name) as writer:
            writer.write(data)
        with store.open(name, cold=True) as stream:
            found = stream.read()
        store.delete([name])
    except OSError as error:
        raise StoreUnavailable.for_store(url, error) from error
    if found != data:
        raise StoreUnavailable.for_store(url, "it gives back other bytes than were written")
    return f"{url} can be written, read and deleted from"


def probe_rucio(
    *, host: str, account: str, username: str, password: str, rses: AbstractSet[str]
) -> str:
    """Ask Rucio who we are and which RSEs it has.

    Raises
    ------
    CatalogUnavailable
        If it does not answer.
    SettingMissing
        If it refuses the account or its password.
    UnknownEndpoint
        If an RSE of the endpoints is not there.
    """
    from dbb.hooks.rucio_client import make_client  # noqa: PLC0415 - a slow import
    from dbb.hooks.rucio_errors import rucio_errors  # noqa: PLC0415

    with rucio_errors("whoami"):
        client = make_client(host, account, username, password)
        version = client.ping()["version"]
        who = client.whoami()["account"]
        known = {row["rse"] for row in client.list_rses()}
        client.close()
    missing = sorted(rses - known)
    if missing:
        raise UnknownEndpoint.for_name(f"{missing[0]} (as an RSE in Rucio)")
    return f"Rucio {version} knows us as {who}, and the RSEs {', '.join(sorted(rses))}"


def probe_butler(root: str) -> str:
    """Open a repository and compare its dimension universe with the one that manifests follow.

    Raises
    ------
    RepositoryUnavailable
        If it cannot be opened.
    InstallationWrong
        If there is none, or its universe is another one.
    """
    from lsst.daf.butler import Butler, DimensionUniverse  # noqa: PLC0415 - a slow import

    try:
        with Butler.from_config(root, writeable=False) as butler:
            found = f"{butler.dimensions.namespace} {butler.dimensions.version}"
            runs = len(butler.registry.queryCollections())
    except FileNotFoundError:
        why = "there is no repository; the set-up of the endpoint makes one"
        raise InstallationWrong.for_part(root, why) from None
    except (OSError, SQLAlchemyError, ValueError, LookupError, RuntimeError) as error:
        failure = RepositoryUnavailable.for_repository(root, str(error).split("\n")[0])
        raise made_clear(failure, error, BUTLER_CA) from error
    ours = DimensionUniverse()
    wanted = f"{ours.namespace} {ours.version}"
    if found != wanted:
        why = f"its dimension universe is {found}, manifests follow {wanted}"
        raise InstallationWrong.for_part(root, why)
    return f"{root} has universe {found} and {runs} collections"


def connection_of(url: str) -> tuple[str, dict[str, Any]]:
    """Give the name and the extra of the connection by which a store is opened; both empty where there is none."""
    parts = urlsplit(url)
    name = parts.netloc.rpartition("@")[0] if parts.scheme == "s3" else ""
    if not name:
        return "", {}
    from dbb.hooks.s3_client import extra_of  # noqa: PLC0415 - boto3, and perhaps Airflow

    return name, extra_of(name)


def registry_address(root: str) -> str:
    """Give the address of a repository's registry; empty where it cannot be read, which `probe_butler` tells."""
    from lsst.daf.butler import ButlerConfig  # noqa: PLC0415 - a slow import

    if not root:
        return ""
    try:
        return str(ButlerConfig(root).get(("registry", "db"), ""))
    except (OSError, ValueError, LookupError, RuntimeError):
        return ""


def probe_airflow(url: str) -> str:
    """Ask Airflow how its parts are.

    Raises
    ------
    AirflowUnavailable
        If it does not answer, or one of its parts is unhealthy.
    """
    if not url.startswith(("http://", "https://")):
        raise InstallationWrong.for_part("DBB_AIRFLOW_URL", "it is no http address")
    try:
        answer = requests.get(f"{url}/api/v2/monitor/health", timeout=TIMEOUT_S)
        answer.raise_for_status()
        health = answer.json()
    except (OSError, ValueError) as error:  # what requests raises is an OSError, all of it
        failure = AirflowUnavailable.for_url(url, error)
        raise made_clear(failure, error, REQUESTS_CA) from error
    parts = {name: part.get("status") for name, part in health.items() if isinstance(part, dict)}
    bad = [
        f"{name} is {status}" for name, status in parts.items() if status not in ("healthy", None)
    ]
    if bad:
        raise AirflowUnavailable.for_url(url, ", ".join(bad))
    return f"{url}: {', '.join(name for name, status in parts.items() if status)} healthy"
