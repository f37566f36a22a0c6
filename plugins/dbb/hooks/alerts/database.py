"""The alert database's store: each packet under its alert's number, packed by gzip; schemas beside them."""

from __future__ import annotations

import gzip
import re
import zlib
from typing import Any

from dbb.errors import BadDocument, MissingCopy
from dbb.model import strict_json
from dbb.model.alerts import Message
from dbb.ports.store import Store

ALERTS = "v2/alerts/"
SCHEMAS = "v2/schemas/"
MAX_SCHEMA_BYTES = 4 * 1024 * 1024


class StoredAlerts:
    """Read packets one by one.

    Parameters
    ----------
    store
        Where they are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def ids(self, folder: str) -> list[int]:
        """List the numbers of the alerts below a folder (the first digits); all where it is empty."""
        below = f"{ALERTS}{folder}/" if folder else ALERTS
        names = (file.name for file in self._store.list_files(below))
        found = (re.fullmatch(r".*/(\d{1,19})\.avro\.gz", name) for name in names)
        return sorted(int(match[1]) for match in found if match)

    def packet(self, alert_id: int) -> Message:
        """Give a packet; one that cannot be unpacked comes as it is, and is refused as any other."""
        name = f"{ALERTS}{str(alert_id)[:6]}/{alert_id}.avro.gz"
        stored = self._store.stat(name)
        if stored is None:
            raise MissingCopy.for_file(self._store.url_of(name))
        with self._store.open(name) as stream:
            data = stream.read()
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            data = data or b"empty"  # a file without bytes says nothing, but it is not gone
        return Message(f"alert-database.{alert_id}.avro", stored.modified_at, data)

    def schema(self, number: int) -> Any:
        """Give a schema; None where there is none, or it is no JSON."""
        name = f"{SCHEMAS}{number}.json"
        try:
            with self._store.open(name) as stream:
                return strict_json.parse(stream.read(), name, max_bytes=MAX_SCHEMA_BYTES)
        except (BadDocument, MissingCopy):
            return None
