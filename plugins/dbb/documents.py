"""Making dataclasses of YAML mappings: every field known, present and of its type."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from dbb.errors import BadDocument, PolicyUnreadable
from dbb.hooks.strict_yaml import load_yaml

T = TypeVar("T")


def read_document(path: Path) -> dict[str, Any]:
    """Read a YAML file that is a mapping.

    Raises
    ------
    PolicyUnreadable
        If it is none, or breaks a rule of strict YAML.
    """
    try:
        document = load_yaml(path)
    except BadDocument as error:
        raise PolicyUnreadable.for_file(path.name, error.message) from None
    if not isinstance(document, dict):
        raise PolicyUnreadable.for_file(path.name, "it is no mapping")
    return document


def build(cls: type[T], document: Any, where: str, *, leave_out: frozenset[str] = frozenset()) -> T:
    """Make a dataclass of a mapping.

    Parameters
    ----------
    cls
        The dataclass; fields of text, whole numbers, truth, enumerations, other dataclasses,
        tuples and mappings are understood. A number is never negative.
    document
        The mapping.
    where
        What the document is, for the error.
    leave_out
        Fields that no document may give.

    Raises
    ------
    PolicyUnreadable
        If a field is unknown, missing, or of another type.
    """
    if not isinstance(document, dict):
        raise PolicyUnreadable.for_file(where, "it is no mapping")
    known = {field.name: field for field in fields(cls) if field.name not in leave_out}  # type: ignore[arg-type]
    needed = {
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING
    }
    wrong = sorted(map(str, (set(document) - set(known)) | (needed - set(document))))
    if wrong:
        raise PolicyUnreadable.for_file(where, f"unknown or missing: {', '.join(wrong)}")
    kinds = get_type_hints(cls)
    return cls(
        **{name: _value(kinds[name], value, where, name) for name, value in document.items()}
    )


def _value(kind: Any, value: Any, where: str, name: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return build(kind, value, f"{where}: {name}")  # type: ignore[arg-type]
    if origin is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], item, where, name) for item in value)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return types.MappingProxyType(
            {
                _value(arguments[0], key, where, name): _value(arguments[1], item, where, name)
                for key, item in value.items()
            }
        )
    if isinstance(kind, type) and _is(kind, value):
        return kind(value)
    told = getattr(kind, "__name__", str(kind))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        told = " or ".join(kind)
    raise PolicyUnreadable.for_file(where, f"{name} is {value!r}, which is no {told}")


def _is(kind: type, value: Any) -> bool:
    if issubclass(kind, StrEnum):
        return isinstance(value, str) and value in set(kind)
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and value >= 0
    return kind is str and isinstance(value, str)
