"""The Consolidated Database's other side: the exposure log, delivered products, rules and sums."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from dbb.hooks.consdb.records import Additions, Signature, publish
from dbb.hooks.consdb.views import make_views, product_columns
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.sql import to_time
from dbb.model.consdb import ConsdbPublication, DayDigest, Members
from dbb.model.consdb_rules import Rule
from dbb.model.exposure_log import ExposureFlag, LogMessage

NEWEST = 2**63 - 1
LAST_DAY = 99991231


class SqlConsdb(LedgerHook):
    """Read and add to what is kept of exposures."""

    # -- the exposure log ----------------------------------------------------------------------

    def say(self, message: LogMessage) -> None:
        """Add a message, or a version of one."""
        with self._ledger.transaction() as connection:
            sign = Signature(message.date_added, self._ledger.actor)
            publish(connection, Additions(messages=(message,)), sign)

    def messages(
        self,
        first_day: int = 0,
        last_day: int = LAST_DAY,
        *,
        obs_id: str = "",
        message_id: str = "",
        flag: str = "",
        with_all: bool = False,
    ) -> list[LogMessage]:
        """List messages in the order in which they were said; ``with_all`` in all their versions."""
        rows = self._ledger.rows(
            "consdb/messages",
            first_day=first_day,
            last_day=last_day,
            obs_id=obs_id,
            message_id=message_id,
            flag=flag,
            with_all=int(with_all),
        )
        return [read_message(row) for row in rows]

    # -- products of pipelines -----------------------------------------------------------------

    def deliver(
        self, members: Sequence[Members], reason: str = "", *, replace: bool = False
    ) -> ConsdbPublication:
        """Add rows of tables that pipelines deliver.

        Rows of other detectors stay, unless what is given ``replace``s all rows of its exposures.
        """
        with self._ledger.transaction() as connection:
            sign = Signature(self._ledger.now(), self._ledger.actor, reason)
            return publish(connection, Additions(members=members, replace=replace), sign)

    def keys(self, instrument: str, exposure_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Read day and number within it of exposures; those that nobody published are left out."""
        rows = self._ledger.rows(
            "consdb/keys", instrument=instrument, exposure_ids=list(exposure_ids)
        )
        return {row.exposure_id: (row.day_obs, row.seq_num) for row in rows}

    def columns(self, instrument: str, table: str) -> Mapping[str, str]:
        """Give the columns of a table and their types, as its schema is published."""
        return product_columns(instrument, table)

    def make_views(self, instrument: str) -> list[str]:
        """Make the views of an instrument anew; give their names."""
        with self._ledger.transaction() as connection:
            return make_views(connection, instrument)

    # -- rules and sums ------------------------------------------------------------------------

    def delivered(self, instrument: str) -> set[str]:
        """Name the tables of which an instrument ever had a row."""
        return {row.table_name for row in self._ledger.rows("consdb/fed", instrument=instrument)}

    def broken(self, rule: Rule, day_obs: int, parameters: Mapping[str, Any]) -> dict[str, str]:
        """Name the exposures of a night that break a rule, and how."""
        rows = self._ledger.rows(f"consdb/rules/{rule.kind}", day_obs=day_obs, **parameters)
        found: dict[str, str] = {}
        for row in rows:
            found[row.subject] = "; ".join(filter(None, (found.get(row.subject), row.detail)))
        return found

    def last(self) -> int:
        """Give the number of the last publication."""
        return int(self._ledger.rows("consdb/last_publication")[0].last)

    def digests(
        self, first_day: int, last_day: int, publication_id: int = NEWEST
    ) -> list[DayDigest]:
        """Sum up the hashes of the rows of days, as of a publication."""
        rows = self._ledger.rows(
            "consdb/digests",
            first_day=first_day,
            last_day=last_day,
            publication_id=publication_id,
        )
        return [
            DayDigest(
                row.day_obs,
                row.instrument,
                row.table_name,
                int(row.versions),
                int(row.high),
                int(row.low),
            )
            for row in rows
        ]

    def hashes(self, first_day: int, last_day: int, publication_id: int = NEWEST) -> dict[str, str]:
        """Read the hashes of the rows of days by ``day_obs instrument table subject``."""
        rows = self._ledger.rows(
            "consdb/rows_as_of",
            first_day=first_day,
            last_day=last_day,
            publication_id=publication_id,
        )
        return {
            f"{row.day_obs} {row.instrument} {row.table_name} {row.subject}": row.row_sha256
            for row in rows
        }


def read_message(row: Row[Any]) -> LogMessage:
    """Read a version of a message."""
    return LogMessage(
        message_id=row.message_id,
        instrument=row.instrument,
        obs_id=row.obs_id,
        exposure_id=row.exposure_id,
        day_obs=row.day_obs,
        seq_num=row.seq_num,
        message_text=row.message_text,
        exposure_flag=ExposureFlag(row.exposure_flag),
        tags=tuple(json.loads(row.tags)),
        user_id=row.user_id,
        date_added=to_time(row.date_added),
        is_valid=bool(row.is_valid),
    )
