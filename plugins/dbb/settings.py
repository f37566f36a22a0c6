"""Places and policies: YAML files of ``include``, read strictly; addresses come from ``DBB_*``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbb.documents import build, read_document
from dbb.errors import PolicyUnreadable, SettingMissing, UnknownEndpoint
from dbb.model.day_obs import DayObs
from dbb.model.endpoint import Endpoint, RawPolicy, Role
from dbb.model.kind import Kind
from dbb.model.policy import TIERS, Policy, PolicyBook

INCLUDE = Path(__file__).resolve().parents[2] / "include"
FIRST_NIGHT = "20261120"


@dataclass(frozen=True)
class Settings:
    """Hold everything that differs between installations.

    Parameters
    ----------
    endpoints
        All places by name.
    policies
        Who receives what.
    raw
        How raw exposures are handled.
    environment
        Where ``${DBB_…}`` in the files and the ledger's address are looked up.
    include
        The folder that the files were read from.
    """

    endpoints: Mapping[str, Endpoint]
    policies: PolicyBook
    raw: RawPolicy
    environment: Mapping[str, str]
    include: Path = INCLUDE

    @classmethod
    def load(
        cls, include: Path = INCLUDE, environment: Mapping[str, str] | None = None
    ) -> Settings:
        """Read the files; addresses are looked up only when they are asked for.

        The queue of an endpoint may be named by the environment instead, ``DBB_QUEUE_<ENDPOINT>``.

        Raises
        ------
        PolicyUnreadable
            If a file is no YAML of the right shape, or names an endpoint that is none.
        """
        known = os.environ if environment is None else environment
        endpoints = {}
        for path in sorted((include / "endpoints").glob("*.yaml")):
            endpoint = _endpoint(path)
            queue = known.get(f"DBB_QUEUE_{endpoint.name.upper()}") or endpoint.queue
            endpoints[endpoint.name] = dataclasses.replace(endpoint, queue=queue)
        _check_links(endpoints)
        policies = _policies(include / "policies" / "policies.yaml", endpoints)
        raw = _raw_policy(include / "policies" / "raw.yaml", endpoints, policies)
        return cls(endpoints, policies, raw, known, include)

    def endpoint(self, name: str) -> Endpoint:
        """Give an endpoint by name.

        Raises
        ------
        UnknownEndpoint
            If no file describes it.
        """
        try:
            return self.endpoints[name]
        except KeyError:
            raise UnknownEndpoint.for_name(name) from None

    @property
    def receivers(self) -> tuple[str, ...]:
        """Name the endpoints that any policy names as receiver, in the order of their names."""
        return tuple(sorted({policy.receiver for policy in self.policies}))

    @property
    def reread_days(self) -> dict[str, int]:
        """Give, for the archive and each receiver, within how many days each copy is read again."""
        names = (self.raw.archive, *self.receivers)
        return {name: self.endpoint(name).reread_days for name in names}

    @property
    def qservs(self) -> tuple[str, ...]:
        """Name the endpoints whose Qserv is described, in the order of their names."""
        return tuple(
            name
            for name in sorted(self.endpoints)
            if self.environment.get(f"DBB_QSERV_URL_{name.upper()}")
        )

    @property
    def values_at(self) -> tuple[str, ...]:
        """Name the endpoints with a database of published values, in the order of their names."""
        return tuple(
            name
            for name in sorted(self.endpoints)
            if self.environment.get(f"DBB_EFD_VALUES_{name.upper()}")
        )

    @property
    def first_night(self) -> dt.datetime:
        """Say from when on DAGs that miss no night and no hour have runs of their own: the date's midnight, UTC.

        Raises
        ------
        BadDayObs
            If ``DBB_FIRST_NIGHT`` is no calendar day.
        """
        night = DayObs.parse(self.environment.get("DBB_FIRST_NIGHT") or FIRST_NIGHT)
        return dt.datetime.combine(night.date, dt.time(), tzinfo=dt.UTC)

    @property
    def curators(self) -> tuple[tuple[str, str], ...]:
        """Give identifier and name of the users of Airflow who may release and approve; empty: all who start DAGs."""
        return read_curators(self.environment)

    @property
    def sources_of_repair(self) -> tuple[str, ...]:
        """Name the endpoints that the archive is restored from, the nearest first."""
        links = self.endpoint(self.raw.archive).links
        return tuple(sorted(links, key=lambda name: (links[name], name)))

    @property
    def cache(self) -> Endpoint:
        """Give the cache near the telescope.

        Raises
        ------
        UnknownEndpoint
            If there is none.
        """
        for endpoint in self.endpoints.values():
            if endpoint.role is Role.CACHE:
                return endpoint
        raise UnknownEndpoint.for_name(Role.CACHE)

    def resolve(self, text: str) -> str:
        """Fill in ``${DBB_…}``.

        Raises
        ------
        SettingMissing
            If a variable has no value.
        """
        return re.sub(r"\$\{(DBB_[A-Z0-9_]+)\}", lambda match: self.value(match[1]), text)

    def value(self, name: str) -> str:
        """Give the value of an environment variable.

        Raises
        ------
        SettingMissing
            If it is not set.
        """
        value = self.environment.get(name, "")
        if not value:
            raise SettingMissing.for_setting(name)
        return value


def read_curators(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Read ``DBB_CURATORS`` alone: pages ask for it each time, and need no file."""
    found = []
    for each in environment.get("DBB_CURATORS", "").split(","):
        user, _, name = each.strip().partition(":")
        if user:
            found.append((user, name or user))
    return tuple(found)


def _endpoint(path: Path) -> Endpoint:
    endpoint = build(Endpoint, read_document(path), path.name)
    if endpoint.name != path.stem or not re.fullmatch(r"[a-z][a-z0-9]{1,19}", endpoint.name):
        raise PolicyUnreadable.for_file(path.name, f"its name is {endpoint.name!r}")
    if endpoint.role in (Role.ARCHIVE, Role.FACILITY) and not (endpoint.rse and endpoint.butler):
        raise PolicyUnreadable.for_file(path.name, "it needs an rse and a butler")
    if endpoint.reread_days < 1:
        raise PolicyUnreadable.for_file(path.name, "reread_days is less than 1")
    if endpoint.tier not in TIERS:
        raise PolicyUnreadable.for_file(path.name, f"tier is none of {', '.join(TIERS)}")
    return endpoint


def _check_links(endpoints: Mapping[str, Endpoint]) -> None:
    for endpoint in endpoints.values():
        for source, distance in endpoint.links.items():
            if source == endpoint.name or source not in endpoints or not endpoints[source].rse:
                raise PolicyUnreadable.for_file(
                    f"{endpoint.name}.yaml", f"links: {source} is no other endpoint with an rse"
                )
            if distance < 1:
                raise PolicyUnreadable.for_file(
                    f"{endpoint.name}.yaml", f"links: {source} is nearer than 1"
                )


def _policies(path: Path, endpoints: Mapping[str, Endpoint]) -> PolicyBook:
    document = read_document(path)
    rows = document.get("policies")
    if set(document) != {"policies"} or not isinstance(rows, list):
        raise PolicyUnreadable.for_file(path.name, "it is no list of `policies`")
    book = PolicyBook(tuple(_policy(path, row, endpoints) for row in rows))
    for policy in book:
        _check_region(path, policy)
    return book


def _policy(path: Path, row: Any, endpoints: Mapping[str, Endpoint]) -> Policy:
    name = row.get("name", "?") if isinstance(row, dict) else "?"
    where = f"{path.name}: {name}"
    policy = build(Policy, row, where)
    receiver = endpoints.get(policy.receiver)
    if receiver is None or receiver.role is not Role.FACILITY:
        raise PolicyUnreadable.for_file(where, f"{policy.receiver} is no endpoint of role facility")
    if policy.tier != receiver.tier:
        raise PolicyUnreadable.for_file(where, f"{policy.receiver} has no {policy.tier} storage")
    if not policy.sources:
        raise PolicyUnreadable.for_file(where, "it names no source")
    for source in policy.sources:
        if source not in receiver.links:
            raise PolicyUnreadable.for_file(
                where, f"{policy.receiver} has no link from {source} (links of its endpoint file)"
            )
    if policy.copies < 1:
        raise PolicyUnreadable.for_file(where, "copies is less than 1")
    if policy.what.first_day > policy.what.last_day:
        raise PolicyUnreadable.for_file(where, "the first day is after the last")
    return policy


def _check_region(path: Path, policy: Policy) -> None:
    region = policy.what.region
    if region and not (path.parent / "regions" / f"{region}.yaml").is_file():
        raise PolicyUnreadable.for_file(
            f"{path.name}: {policy.name}", f"there is no region {region!r} (regions/{region}.yaml)"
        )


def _raw_policy(path: Path, endpoints: Mapping[str, Endpoint], policies: PolicyBook) -> RawPolicy:
    document = read_document(path)
    policy = build(RawPolicy, document, path.name, leave_out=frozenset({"receivers"}))
    policy = dataclasses.replace(policy, receivers=policies.receivers(Kind.RAW))
    for name, role in {policy.source: Role.SOURCE, policy.archive: Role.ARCHIVE}.items():
        if name not in endpoints or endpoints[name].role is not role:
            raise PolicyUnreadable.for_file(path.name, f"{name} is no endpoint of role {role}")
    if policy.scope != Kind.RAW.scope:
        raise PolicyUnreadable.for_file(path.name, f"scope is not {Kind.RAW.scope}")
    if not 1 <= policy.copies_before_release <= len(policy.publishers):
        raise PolicyUnreadable.for_file(path.name, "copies_before_release can never be reached")
    if policy.chunk_exposures < 1:
        raise PolicyUnreadable.for_file(path.name, "chunk_exposures is less than 1")
    return policy
