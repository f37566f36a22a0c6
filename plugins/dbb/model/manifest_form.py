"""How the documents of units are read: strictly, and every fault of one is a ``BadManifest``."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from dbb.errors import BadManifest, DbbError
from dbb.model import strict_json


@contextmanager
def naming_bad_fields(name: str) -> Iterator[None]:
    """Give what goes wrong with a document's fields its code."""
    try:
        yield
    except BadManifest:
        raise
    except DbbError as error:
        raise BadManifest.for_field(name, error.message) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadManifest.for_field(name, f"a field has the wrong shape ({error})") from None


def read_fields(
    data: bytes, name: str, schema: str, fields: Collection[str], max_bytes: int
) -> dict[str, Any]:
    """Read a document's fields: those of its schema, and no others.

    Raises
    ------
    BadManifest
        If it is no strict JSON of this schema, or has unknown or missing fields.
    """
    with naming_bad_fields(name):
        document = strict_json.parse(data, name, max_bytes=max_bytes)
    if not isinstance(document, dict) or document.get("schema") != schema:
        raise BadManifest.for_field(f"{name}: schema", f"it is not {schema}")
    if set(document) != set(fields):
        wrong = ", ".join(sorted(set(document) ^ set(fields)))
        raise BadManifest.for_field(name, f"unknown or missing fields: {wrong}")
    return document
