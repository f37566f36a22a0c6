"""What the ledger's database knows of losses."""

from __future__ import annotations

import datetime as dt

from dbb.hooks.ledger import SqlLedger
from dbb.model.loss import LossAccount
from dbb.ports import Clock


class SqlLosses:
    """Keep the account of raw images.

    Parameters
    ----------
    ledger
        The database.
    clock
        Where times come from.
    """

    def __init__(self, ledger: SqlLedger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def account(self, source: str, period: dt.timedelta) -> LossAccount:
        """Sum up; a reading counts for a period. What lies at the source, unreleased, is not missing."""
        since = self._clock.now() - period
        (row,) = self._ledger.rows("loss/raw_images", source=source, read_at=since)
        return LossAccount(
            images=int(row.images),
            lost=int(row.lost),
            suspected=int(row.suspected),
            read_again=int(row.read_again),
            one_copy=int(row.one_copy),
        )
