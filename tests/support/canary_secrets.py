"""Finding secrets where they must not be: in text, in files, in every table of a database."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote, urlsplit

from sqlalchemy import inspect, text

SHORTEST = 8
"""Anything shorter is found everywhere."""

_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|WEBHOOK|_KEY(_|$)")


def secrets_of(environment):
    """Name the secrets that an environment holds: whole values by their names, and passwords of addresses."""
    found = {}
    for name, value in environment.items():
        if _NAME.search(name) and not value.startswith("/"):
            found[name] = value.rpartition("/")[2]  # of a webhook's address the end is the secret
        elif "://" in value:
            parts = urlsplit(value)
            password = unquote(parts.password or "")
            if password:
                found[name] = password
    return {name: value for name, value in found.items() if len(value) >= SHORTEST}


def forms_of(secret):
    """Give all spellings in which a secret would be told: as it is, in an address, in a header, as bytes."""
    data = secret.encode()
    forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), data.hex()}
    for shift in range(
        3
    ):  # base64 of three bytes is four letters, wherever the secret begins among them
        code = base64.b64encode(b"\0" * shift + data).decode().rstrip("=")
        forms.add(code[shift + (shift > 0) : -1 if (shift + len(data)) % 3 else None])
    return forms


def found_in_text(written, secrets):
    """Name the secrets that a text holds in any spelling."""
    return sorted(
        name
        for name, secret in secrets.items()
        if any(form in written for form in forms_of(secret))
    )


def found_in_files(folder, secrets):
    """Name the secrets that files below a folder hold, each with its file."""
    found = []
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and not path.is_symlink():
            written = path.read_bytes().decode("latin-1")
            found += [(name, str(path)) for name in found_in_text(written, secrets)]
    return found


def found_in_database(connection, secrets):
    """Name the secrets that any row of any table holds as text or as bytes, each with its table."""
    sought = [(name, form) for name, secret in secrets.items() for form in forms_of(secret)]
    found = set()
    for table in inspect(connection).get_table_names():
        rows = text(f'select r::text from "{table}" r')  # noqa: S608 - the database's own names
        for (row,) in connection.execute(rows):
            found |= {(name, table) for name, form in sought if form in row}
    return sorted(found)
