"""Which payloads there are: ``include/calibration/payloads.yaml``, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from dbb.documents import build, read_document
from dbb.errors import PolicyUnreadable
from dbb.hooks.calibration.combining import NAME, CombiningPayload, check_parameters
from dbb.hooks.calibration.command import OF_REPOSITORY, PLACEHOLDERS, CommandPayload
from dbb.hooks.instruments import load_instruments
from dbb.model.payload import Payload, PayloadOrder
from dbb.settings import INCLUDE

PAYLOADS_FILE = INCLUDE / "calibration" / "payloads.yaml"

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class PayloadKind(StrEnum):
    """Say what stands behind a payload."""

    BUILTIN = "builtin"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class PayloadSettings:
    """Describe one payload.

    Parameters
    ----------
    name
        As provenance records it.
    kind
        ``builtin`` or ``command``.
    version
        Of the external program; the built-in one knows its own.
    command
        The program and its arguments, with placeholders in braces.
    time_limit_s
        How long the program may take.
    processes
        How many detectors the built-in payload works at once; 0 for as many as there are cores.
    """

    name: str
    kind: PayloadKind
    version: str = ""
    command: tuple[str, ...] = ()
    time_limit_s: int = 0
    processes: int = 0


@dataclass(frozen=True)
class ConfiguredPayload:
    """Hold a payload and the parameters that orders for it carry."""

    payload: Payload
    parameters: Mapping[str, str | int | float]


def load_payload(name: str = "", path: Path = PAYLOADS_FILE) -> ConfiguredPayload:
    """Give one payload of the file, the default one without a name.

    Raises
    ------
    PolicyUnreadable
        If the file breaks a rule or has no such payload.
    """
    document = read_document(path)
    if set(document) != {"default", "payloads"} or not isinstance(document["payloads"], list):
        raise PolicyUnreadable.for_file(path.name, "it has default and payloads, nothing else")
    found = {}
    for given in document["payloads"]:
        settings, parameters = _read(given, path.name)
        if settings.name in found:
            raise PolicyUnreadable.for_file(path.name, f"{settings.name} is there twice")
        found[settings.name] = (settings, parameters)
    wanted = name or document["default"]
    if wanted not in found:
        raise PolicyUnreadable.for_file(path.name, f"it has no payload {wanted!r}")
    return _make(*found[wanted])


def _read(given: Any, where: str) -> tuple[PayloadSettings, dict[str, str | int | float]]:
    if not isinstance(given, dict):
        raise PolicyUnreadable.for_file(where, "a payload is no mapping")
    rest = dict(given)
    parameters = rest.pop("parameters", {})
    if not isinstance(parameters, dict) or not all(
        isinstance(key, str) and isinstance(value, str | int | float)
        for key, value in parameters.items()
    ):
        raise PolicyUnreadable.for_file(where, "parameters are words and numbers by name")
    settings = build(PayloadSettings, rest, where)
    if fault := _fault(settings):
        raise PolicyUnreadable.for_file(where, f"{settings.name}: {fault}")
    if settings.kind is PayloadKind.BUILTIN:
        check_parameters(parameters)
    return settings, parameters


def _fault(settings: PayloadSettings) -> str:
    """Say what is wrong with a payload's settings, if anything is."""
    builtin = settings.kind is PayloadKind.BUILTIN
    named = _named(settings)
    products_in_repository = named >= {"repository", "output_run"}
    rules = {
        "the name is no short word in small letters": _NAME.fullmatch(settings.name),
        f"the built-in payload, and no other, is called {NAME}": builtin == (settings.name == NAME),
        "the built-in payload has a command": not (builtin and settings.command),
        "it needs version, command and time_limit_s": builtin
        or (settings.version and settings.command and settings.time_limit_s),
        f"unknown placeholders: {', '.join(sorted(named - PLACEHOLDERS))}": named <= PLACEHOLDERS,
        "the command names either {result}, or {repository} and {output_run}": builtin
        or products_in_repository != ("result" in named),
        "only one that names {output_run} gets a repository": products_in_repository
        or not named & OF_REPOSITORY,
    }
    return next((fault for fault, holds in rules.items() if not holds), "")


def _named(settings: PayloadSettings) -> set[str]:
    return {name for word in settings.command for name in _PLACEHOLDER.findall(word)}


def _make(
    settings: PayloadSettings, parameters: Mapping[str, str | int | float]
) -> ConfiguredPayload:
    if settings.kind is PayloadKind.BUILTIN:
        return ConfiguredPayload(CombiningPayload(settings.processes or None), parameters)
    payload = CommandPayload(
        settings.name,
        settings.version,
        settings.command,
        settings.time_limit_s,
        parameters,
        make_repository=_make_repository if _named(settings) & OF_REPOSITORY else None,
    )
    return ConfiguredPayload(payload, parameters)


def _make_repository(root: Path, order: PayloadOrder) -> Any:
    # Butler takes seconds to import, and only this kind of payload needs it.
    from dbb.hooks.calibration.scratch_repository import make_scratch_repository  # noqa: PLC0415

    return make_scratch_repository(root, order, load_instruments()[order.instrument])
