"""Places and policies: YAML files of ``include``, read strictly; addresses come from ``DBB_*``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from dbb.errors import PolicyUnreadable, SettingMissing, UnknownEndpoint
from dbb.model.endpoint import Endpoint, RawPolicy, Role

INCLUDE = Path(__file__).resolve().parents[2] / "include"


@dataclass(frozen=True)
class Settings:
    """Hold everything that differs between installations.

    Parameters
    ----------
    endpoints
        All places by name.
    raw
        How raw exposures travel.
    environment
        Where ``${DBB_…}`` in the files and the ledger's address are looked up.
    """

    endpoints: Mapping[str, Endpoint]
    raw: RawPolicy
    environment: Mapping[str, str]

    @classmethod
    def load(
        cls, include: Path = INCLUDE, environment: Mapping[str, str] | None = None
    ) -> Settings:
        """Read the files; addresses are looked up only when they are asked for.

        Raises
        ------
        PolicyUnreadable
            If a file is no YAML of the right shape, or names an endpoint that is none.
        """
        endpoints = {}
        for path in sorted((include / "endpoints").glob("*.yaml")):
            endpoint = _endpoint(path)
            endpoints[endpoint.name] = endpoint
        raw = _raw_policy(include / "policies" / "raw.yaml", endpoints)
        return cls(endpoints, raw, os.environ if environment is None else environment)

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


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PolicyUnreadable.for_file(path.name, error) from None
    if not isinstance(document, dict):
        raise PolicyUnreadable.for_file(path.name, "it is no mapping")
    return document


def _build(cls: type[Any], path: Path, document: dict[str, Any]) -> Any:
    known = {field.name: str(field.type) for field in fields(cls)}
    wrong = sorted((set(document) ^ set(known)) - {"contacts"})
    if wrong:
        raise PolicyUnreadable.for_file(path.name, f"unknown or missing: {', '.join(wrong)}")
    values = {}
    for name, value in document.items():
        values[name] = _checked(path, name, value, known[name])
    return cls(**values)


def _checked(path: Path, name: str, value: Any, kind: str) -> Any:
    if kind.startswith("tuple"):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif kind == "int":
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    elif isinstance(value, str):
        return Role(value) if kind == "Role" and value in set(Role) else value
    raise PolicyUnreadable.for_file(path.name, f"{name} is {value!r}, which is no {kind}")


def _endpoint(path: Path) -> Endpoint:
    endpoint: Endpoint = _build(Endpoint, path, _read(path))
    if endpoint.name != path.stem or not re.fullmatch(r"[a-z][a-z0-9]{1,19}", endpoint.name):
        raise PolicyUnreadable.for_file(path.name, f"its name is {endpoint.name!r}")
    if not isinstance(endpoint.role, Role):
        raise PolicyUnreadable.for_file(path.name, f"role is none of {', '.join(Role)}")
    if endpoint.role is not Role.SOURCE and not (endpoint.rse and endpoint.butler):
        raise PolicyUnreadable.for_file(path.name, "it needs an rse and a butler")
    return endpoint


def _raw_policy(path: Path, endpoints: Mapping[str, Endpoint]) -> RawPolicy:
    policy: RawPolicy = _build(RawPolicy, path, _read(path))
    wanted = {policy.source: Role.SOURCE, policy.archive: Role.ARCHIVE}
    wanted |= dict.fromkeys(policy.receivers, Role.FACILITY)
    for name, role in wanted.items():
        if name not in endpoints or endpoints[name].role is not role:
            raise PolicyUnreadable.for_file(path.name, f"{name} is no endpoint of role {role}")
    if not 1 <= policy.copies_before_release <= len(policy.publishers):
        raise PolicyUnreadable.for_file(path.name, "copies_before_release can never be reached")
    if policy.chunk_exposures < 1:
        raise PolicyUnreadable.for_file(path.name, "chunk_exposures is less than 1")
    return policy
