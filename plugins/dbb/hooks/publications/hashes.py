"""What a database has of publications, as hashes: sums by day and table first, rows where these differ."""

from __future__ import annotations

import datetime as dt

from dbb.hooks.consdb.database import LAST_DAY, SqlConsdb
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.ledger_hook import LedgerHook
from dbb.model.efd_values import DayKey

TELEMETRY = "telemetry"
"""What stands for a table's name where values of telemetry are summed up."""


class SqlHashes(LedgerHook):
    """Sum up what a database has."""

    def __init__(self, ledger: SqlLedger) -> None:
        super().__init__(ledger)
        self._values = SqlPublished(ledger)
        self._exposures = SqlConsdb(ledger)

    def last(self) -> int:
        """Give the number of the last publication."""
        return self._values.last()

    def publications_after(self, publication_id: int) -> list[tuple[int, dt.datetime]]:
        """List number and time of the publications after one."""
        return self._values.publications_after(publication_id)

    def days(self, publication_id: int) -> dict[DayKey, tuple[int, int, int]]:
        """Sum up the hashes of every day and table that there is, as of a publication."""
        found = {
            DayKey(each.day_obs, each.instrument, each.table): (each.versions, each.high, each.low)
            for each in self._exposures.digests(0, LAST_DAY, publication_id)
        }
        for row in self._ledger.rows("efd/instruments"):
            for day, sums in self._values.days(row.instrument, publication_id).items():
                found[DayKey(day, row.instrument, TELEMETRY)] = sums
        return found

    def hashes(self, key: DayKey, publication_id: int) -> dict[str, str]:
        """Read the hashes of a day's rows of a table, by their subjects."""
        if key.table == TELEMETRY:
            return self._values.hashes(key.instrument, key.day_obs, publication_id)
        place = f"{key.day_obs} {key.instrument} {key.table} "
        rows = self._exposures.hashes(key.day_obs, key.day_obs, publication_id)
        return {
            name.removeprefix(place): sha256
            for name, sha256 in rows.items()
            if name.startswith(place)
        }
