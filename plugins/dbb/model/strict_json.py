"""Strict JSON: no NaN, no duplicate key, no lone surrogate, bounded size, depth and numbers."""

from __future__ import annotations

import json
from typing import Any

from dbb.errors import BadDocument

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 16
MAX_DIGITS = 20


def parse(data: bytes, name: str, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read a JSON document that comes from outside.

    Parameters
    ----------
    data
        The document in UTF-8.
    name
        What to call it in an error.
    max_bytes
        The largest size accepted.

    Raises
    ------
    BadDocument
        If it is too large or too deep, has a duplicate key, NaN, an infinity, a number of more
        than 20 digits or text that is no Unicode, or is no JSON at all.
    """
    if len(data) > max_bytes:
        raise BadDocument.for_document(name, f"it is larger than {max_bytes} bytes")
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        document = json.loads(
            text,
            object_pairs_hook=_unique_pairs,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
        json.dumps(document, ensure_ascii=False).encode("utf-8")  # finds lone surrogates
    except (ValueError, RecursionError) as error:
        raise BadDocument.for_document(name, error) from None
    return document


def canonical(document: Any) -> bytes:
    """Write a document in the one form whose bytes may be hashed: sorted keys, no white space."""
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True
    ).encode("ascii")


def _check_depth(text: str) -> None:
    depth = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested deeper than {MAX_DEPTH}")
        elif char in "]}":
            depth -= 1


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:40]!a} occurs twice")
    return result


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _bounded_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value
