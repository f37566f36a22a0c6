"""A schema registry, asked by Confluent's REST interface.

A registry that has no schema of a number says so in a document of its own. Any other *404* is of something
that stands in its place (a proxy, a wrong address), and is no word on the schema.
"""

from __future__ import annotations

import json
from typing import Any

import requests

from dbb.errors import SchemaRegistryUnavailable
from dbb.hooks.certificates import REQUESTS_CA, made_clear

TIMEOUT_S = 10
NO_SUCH_SCHEMA = 40403
"""The registry's ``error_code`` for a number that it never gave."""


def ask_registry(url: str, number: int) -> Any:
    """Give a schema by its number, as parsed JSON; None where the registry says that it has none.

    Raises
    ------
    SchemaRegistryUnavailable
        If it does not answer, or its answer is none.
    """
    path = f"/schemas/ids/{number}"
    try:
        answer = requests.get(f"{url.rstrip('/')}{path}", timeout=TIMEOUT_S)
        document = answer.json()
        if answer.ok:
            return json.loads(document["schema"])
        is_missing = answer.status_code == requests.codes.not_found
        if is_missing and document["error_code"] == NO_SUCH_SCHEMA:
            return None
        why = f"it answers {answer.status_code}"
    except OSError as error:  # all that requests raises; its text may repeat a password
        failure = SchemaRegistryUnavailable.for_call(f"{place_of(url)}{path}", type(error).__name__)
        raise made_clear(failure, error, REQUESTS_CA) from None
    except (ValueError, LookupError, TypeError) as error:
        why = f"its answer is no schema ({error})"
    raise SchemaRegistryUnavailable.for_call(f"{place_of(url)}{path}", why)


def place_of(url: str) -> str:
    """Give a registry's address without the password that may stand in it."""
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}".rstrip("/")
