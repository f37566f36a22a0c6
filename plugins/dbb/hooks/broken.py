"""What the ledger's database knows of broken copies."""

from __future__ import annotations

import datetime as dt

from dbb.hooks.ledger import SqlLedger, to_delivery
from dbb.model.delivery import Delivery


class SqlBrokenRows:
    """Know from the ledger what is broken.

    Parameters
    ----------
    ledger
        The database.
    """

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    def broken(self, endpoint: str, before: dt.datetime) -> list[Delivery]:
        """Read the deliveries without a good copy, and those half way since before a time."""
        rows = self._ledger.rows("repair/broken", endpoint=endpoint, before_at=before)
        return [to_delivery(row) for row in rows]
