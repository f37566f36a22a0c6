"""Finding addresses and connections that are not safe: each leaves this machine, and nobody asks for a certificate.

Only what the settings say is looked at, and nothing is asked. No words hold more of an address than its host.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ENCRYPTED = {"http": "https", "mysql": "mysqls", "smtp": "smtps", "redis": "rediss"}
"""Schemes that ask for no certificate, and those that do."""
VERIFYING = ("require", "verify-ca", "verify-full")
_PAGE = "docs/reference/certificates.md"
_OURS = ("DBB_", "AIRFLOW_", "LSST_RESOURCES_S3_PROFILE_", "S3_ENDPOINT_URL", "AWS_ENDPOINT_URL")


@dataclass(frozen=True, slots=True)
class Unsafe:
    """Hold the setting that says so, what is not safe about it, and what to do."""

    setting: str
    why: str
    remedy: str


def find_unsafe(environment: Mapping[str, str]) -> Iterator[Unsafe]:
    """Look through the settings of ours, of Airflow and of clients of S3, in the order of their names."""
    for name in sorted(environment):
        if name.startswith(_OURS):
            for why, remedy in _unsafe_in(environment[name], environment):
                yield Unsafe(name, why, remedy)


def find_unsafe_address(setting: str, address: str, environment: Mapping[str, str]) -> list[Unsafe]:
    """Look at one address that stands elsewhere, such as that of a registry in ``butler.yaml``."""
    return [Unsafe(setting, why, todo) for why, todo in _unsafe_address(address, environment)]


def find_unsafe_connection(
    name: str, extra: Mapping[str, Any], environment: Mapping[str, str]
) -> list[Unsafe]:
    """Look at the extra of a connection of Airflow that stands elsewhere, such as in a secrets backend."""
    found = _unsafe_document(extra, environment)
    return [Unsafe(f"connection {name}", why, todo) for why, todo in found]


def is_here(host: str) -> bool:
    """Say whether a host is this machine: a socket, or its loopback."""
    if not host or host.startswith("/") or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _unsafe_in(value: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    document = _document(value)
    if document is not None:
        yield from _unsafe_document(document, environment)
    elif "://" in value:
        yield from _unsafe_address(value, environment)


def _document(value: str) -> dict[str, Any] | None:
    if not value.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _unsafe_document(
    document: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Look at a connection of Airflow, or the arguments of a secrets backend."""
    if document.get("conn_type") in ("postgres", "postgresql"):
        extra = document.get("extra") or {}
        extra = extra if isinstance(extra, dict) else _document(str(extra)) or {}
        hosts, mode = [str(document.get("host") or "")], str(extra.get("sslmode") or "")
        yield from _unsafe_database(hosts, mode, environment)
    for key, value in document.items():
        if key == "verify" and str(value).lower() == "false":
            yield _NOT_VERIFIED
        elif isinstance(value, dict):
            yield from _unsafe_document(value, environment)
        elif isinstance(value, str):
            yield from _unsafe_in(value, environment)


_NOT_VERIFIED = (
    'it says "verify": false, so that any server is believed',
    f"Take `verify` out, or name the file of its authority there: {_PAGE}.",
)


def _unsafe_address(address: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Look at an address; what is none is for others to tell."""
    try:
        parts = urlsplit(address.removeprefix("db+"))  # Celery's word before one of a database
        host = parts.hostname or ""
    except ValueError:
        return
    scheme, asked = parts.scheme.partition("+")[0], dict(parse_qsl(parts.query))
    if asked.get("verify", "").lower() == "false":
        yield _NOT_VERIFIED
    yield from _unsafe_document(_document(asked.get("__extra__", "")) or {}, environment)
    if endpoint := asked.get("endpoint_url"):  # of a connection of Airflow in its other form
        yield from _unsafe_address(endpoint, environment)
    if scheme in ("postgresql", "postgres"):
        named = asked.get("host", "")
        hosts = [each.rpartition("@")[2] for each in (named or parts.netloc).split(",")]
        hosts = [_without_port(each) for each in hosts]
        yield from _unsafe_database(hosts, asked.get("sslmode", ""), environment)
    elif scheme in ENCRYPTED and not is_here(host):
        yield (
            f"{scheme}:// leads to {host}, and asks for no certificate",
            f"Let the server speak TLS, and write {ENCRYPTED[scheme]}://: {_PAGE}.",
        )


def _unsafe_database(
    hosts: list[str], mode: str, environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    mode = mode or environment.get("PGSSLMODE", "")
    away = [host for host in hosts if not is_here(host)]
    if away and mode not in VERIFYING:
        yield (
            f"PostgreSQL at {', '.join(away)} is asked without sslmode={' or '.join(VERIFYING)}",
            f"Write ?sslmode=verify-full&sslrootcert=FILE into the address: {_PAGE}.",
        )


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, mark, port = host.rpartition(":")
    return name if mark and port.isdecimal() and ":" not in name else host
