"""Schemas of alert packets: from the ledger once a packet was read by them, from their source before.

A number of a registry never changes its meaning. What was known yesterday is therefore not asked for again, and
cannot become unknown because the registry was emptied, or answers wrongly.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dbb.hooks.ledger import SqlLedger
from dbb.hooks.ledger_hook import LedgerHook

SchemaSource = Callable[[int], Any]
"""Give a schema by its number, as parsed JSON; None where there is none."""


class KeptSchemas(LedgerHook):
    """Remember schemas.

    Parameters
    ----------
    ledger
        The database.
    origin
        Whose numbers they are: another registry's may mean something else.
    source
        Who is asked for a number that is not kept.
    """

    def __init__(self, ledger: SqlLedger, origin: str, source: SchemaSource) -> None:
        super().__init__(ledger)
        self._origin = origin
        self._source = source

    def get(self, number: int) -> Any:
        """Give a schema; None where nobody knows it."""
        found = self._ledger.rows("alerts/schema", origin=self._origin, number=number)
        return json.loads(found[0].definition) if found else self._source(number)

    def keep(self, number: int, schema: Any) -> None:
        """Remember a schema by which a packet was read."""
        self._ledger.write(
            "alerts/keep_schema",
            origin=self._origin,
            number=number,
            definition=json.dumps(schema, separators=(",", ":")),
            kept_at=self._ledger.now(),
            actor=self._ledger.actor,
        )
