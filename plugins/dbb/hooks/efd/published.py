"""What was published of telemetry: versions that are only added, in the ledger's database.

A publication is one transaction. Its number is taken from a row that stays locked until the commit, so
numbers grow in the order of commits: *as of publication N* has one answer, for ever and everywhere.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from dbb.hooks.efd.config import EXPOSURE, TransformConfig
from dbb.hooks.efd.views import make_views
from dbb.hooks.ledger_database import batches
from dbb.hooks.ledger_hook import LedgerHook
from dbb.hooks.publications.identity import digest_of, identity_of
from dbb.hooks.sql import statement, to_time
from dbb.model.day_obs import TAI_MINUS_UTC
from dbb.model.efd_values import WIDE, EfdRow, ExposureWindow, Publication

NEWEST = 2**63 - 1


class DayDigest(NamedTuple):
    """Sum up what a day has: equal sums, equal rows."""

    versions: int
    high: int
    low: int


class Verdict(NamedTuple):
    """Say what the expectations said of an interval."""

    begin: dt.datetime
    end: dt.datetime
    at: dt.datetime
    blocked: bool
    detail: dict[str, Any]


class SqlPublished(LedgerHook):
    """Read exposures, and publish rows."""

    def exposures(
        self, instrument: str, begin: dt.datetime, end: dt.datetime
    ) -> list[ExposureWindow]:
        """List the exposures that ended within ``[begin, end)``; each is in one interval alone."""
        rows = self._ledger.rows(
            "efd/exposures",
            instrument=instrument,
            begin_tai=to_tai(begin),
            end_tai=to_tai(end),
        )
        return [
            ExposureWindow.of_tai(
                row.exposure_id,
                row.day_obs,
                row.seq_num,
                dt.datetime.fromisoformat(row.begin_tai),
                dt.datetime.fromisoformat(row.end_tai),
            )
            for row in rows
        ]

    def changed(self, instrument: str, rows: Sequence[EfdRow]) -> list[EfdRow]:
        """Keep the rows that are not published as they are."""
        with self._ledger.transaction() as connection:
            return _changed(connection, instrument, rows)

    def samples(self, instrument: str, exposure_ids: Sequence[int]) -> dict[int, dict[str, int]]:
        """Read by exposure and topic how many samples the published values were made of."""
        found: dict[int, dict[str, int]] = {}
        for some in batches(exposure_ids):
            for row in self._ledger.rows("efd/samples", instrument=instrument, exposure_ids=some):
                found[row.exposure_id] = json.loads(row.samples)
        return found

    def publish(
        self,
        config: TransformConfig,
        begin: dt.datetime,
        end: dt.datetime,
        rows: Sequence[EfdRow],
        reason: str = "",
    ) -> Publication:
        """Publish what differs from what is published, in one transaction.

        Parameters
        ----------
        config
            What the rows were made by.
        begin, end
            The interval.
        rows
            Every row of it.
        reason
            Why a person accepted them against an expectation.
        """
        with self._ledger.transaction() as connection:
            savepoint = connection.begin_nested()
            number = connection.execute(statement("publications/next")).scalar_one()
            changed = _changed(connection, config.instrument, rows)
            if not changed:
                savepoint.rollback()  # the number is given back, and nothing was written
                return Publication(0, 0, 0)
            places, are_new = _note_columns(connection, config)
            if are_new:
                make_views(connection, config.instrument)
            exposures = len({row.exposure_id for row in changed})
            connection.execute(
                statement("efd/note_publication"),
                {
                    "publication_id": number,
                    "instrument": config.instrument,
                    "begin_at": begin,
                    "end_at": end,
                    "at": self._ledger.now(),
                    "config_sha256": config.sha256,
                    "config_version": config.version,
                    "exposures": exposures,
                    "versions": len(changed),
                    "digest": digest_of(row.sha256 for row in changed),
                    "reason": reason,
                    "actor": self._ledger.actor,
                },
            )
            is_json = connection.dialect.name == "sqlite"
            versions = [_version(row, config, number, places, is_json=is_json) for row in changed]
            connection.execute(statement("efd/note_version"), versions)
            savepoint.commit()
        return Publication(number, len(changed), exposures)

    def last(self) -> int:
        """Give the number of the last publication."""
        return int(self._ledger.rows("publications/last")[0].last)

    def publications_after(self, publication_id: int) -> list[tuple[int, dt.datetime]]:
        """List number and time of the publications after one."""
        rows = self._ledger.rows("publications/after", publication_id=publication_id)
        return [(row.publication_id, to_time(row.at)) for row in rows]

    def days(self, instrument: str, publication_id: int) -> dict[int, tuple[int, int, int]]:
        """Sum up the hashes of every day that there is, as of a publication."""
        found = self.digests(instrument, 0, 99991231, publication_id)
        return {day: (each.versions, each.high, each.low) for day, each in found.items()}

    def values(
        self, instrument: str, day_obs: int, publication_id: int = NEWEST
    ) -> dict[int, dict[str, dict[str, float]]]:
        """Read a day's values by exposure, property and field, as of a publication."""
        fields: dict[str, dict[int, str]] = {}
        for row in self._ledger.rows("efd/columns", instrument=instrument):
            fields.setdefault(row.property, {})[row.position] = row.field
        found: dict[int, dict[str, dict[str, float]]] = {}
        for row in self._ledger.rows(
            "efd/rows_as_of",
            instrument=instrument,
            day_obs=day_obs,
            publication_id=publication_id,
        ):
            cells = json.loads(row.cells) if isinstance(row.cells, str) else row.cells
            found.setdefault(row.exposure_id, {})[row.property] = {
                fields[row.property][place]: value
                for place, value in enumerate(cells, start=1)
                if value is not None
            }
        return found

    def hashes(self, instrument: str, day_obs: int, publication_id: int) -> dict[str, str]:
        """Read the hashes of a day's rows, by ``exposure property``."""
        rows = self._ledger.rows(
            "efd/rows_as_of", instrument=instrument, day_obs=day_obs, publication_id=publication_id
        )
        return {f"{row.exposure_id} {row.property}".strip(): row.row_sha256 for row in rows}

    def digests(
        self, instrument: str, first_day: int, last_day: int, publication_id: int = NEWEST
    ) -> dict[int, DayDigest]:
        """Sum up each day's hashes, as of a publication."""
        rows = self._ledger.rows(
            "efd/digests",
            instrument=instrument,
            first_day=first_day,
            last_day=last_day,
            publication_id=publication_id,
        )
        return {
            row.day_obs: DayDigest(int(row.versions), int(row.high), int(row.low)) for row in rows
        }

    def note_verdict(
        self,
        instrument: str,
        begin: dt.datetime,
        end: dt.datetime,
        *,
        blocked: bool,
        detail: Mapping[str, Any],
    ) -> bool:
        """Record what the expectations said, unless that was said last time too."""
        told = json.dumps(detail, sort_keys=True)
        before = [each for each in self.verdicts(instrument, begin, end) if each.end == end]
        if before and (before[0].blocked, json.dumps(before[0].detail, sort_keys=True)) == (
            blocked,
            told,
        ):
            return False
        self._ledger.write(
            "efd/note_verdict",
            instrument=instrument,
            begin_at=begin,
            end_at=end,
            number=len(before) + 1,
            at=self._ledger.now(),
            blocked=blocked,
            detail=told,
        )
        return True

    def verdicts(self, instrument: str, begin: dt.datetime, end: dt.datetime) -> list[Verdict]:
        """List what the expectations said of intervals that begin within one, newest first."""
        rows = self._ledger.rows("efd/verdicts", instrument=instrument, begin_at=begin, end_at=end)
        return [
            Verdict(
                to_time(row.begin_at),
                to_time(row.end_at),
                to_time(row.at),
                bool(row.blocked),
                json.loads(row.detail),
            )
            for row in rows
        ]


def to_tai(time: dt.datetime) -> str:
    """Give a time as the ledger has those of exposures: TAI, as text."""
    return (
        (time.astimezone(dt.UTC) + TAI_MINUS_UTC)
        .replace(tzinfo=None)
        .isoformat(timespec="microseconds")
    )


def _changed(connection: Connection, instrument: str, rows: Sequence[EfdRow]) -> list[EfdRow]:
    ids = sorted({row.exposure_id for row in rows})
    known: dict[tuple[int, str], str] = {}
    for some in batches(ids):
        names = {"instrument": instrument, "exposure_ids": some}
        for row in connection.execute(statement("efd/hashes"), names):
            known[row.exposure_id, row.property] = row.row_sha256
    return [row for row in rows if known.get((row.exposure_id, row.property)) != row.sha256]


def _note_columns(
    connection: Connection, config: TransformConfig
) -> tuple[dict[str, dict[str, int]], bool]:
    """Give every column of a configuration a place that no other ever had; write what is new."""
    known = {
        (row.property, row.field): row
        for row in connection.execute(statement("efd/columns"), {"instrument": config.instrument})
    }
    places: dict[str, dict[str, int]] = {WIDE: {}}
    for (name, field), row in known.items():
        places.setdefault(name, {})[field] = row.position
    news = []
    for column in config.columns:
        name = column.name if column.store_unpivoted else WIDE
        for field in column.fields if column.store_unpivoted else [column.name]:
            there = places.setdefault(name, {})
            there.setdefault(field, len(there) + 1)
            shown = " ".join(
                "exposure" if table.startswith(EXPOSURE) else "visit1"
                for table in sorted(column.target_tables)
            )
            told = (column.datatype, column.ivoa.unit, column.ivoa.ucd, shown)
            before = known.get((name, field))
            if before is None or tuple(before)[3:] != told:
                keys = ("datatype", "unit", "ucd", "shown_of")
                place = {"property": name, "field": field, "position": there[field]}
                news.append(
                    {"instrument": config.instrument, **place, **dict(zip(keys, told, strict=True))}
                )
    if news:
        connection.execute(statement("efd/note_column"), news)
    return places, bool(news)


def _version(
    row: EfdRow,
    config: TransformConfig,
    publication_id: int,
    places: Mapping[str, Mapping[str, int]],
    *,
    is_json: bool,
) -> dict[str, Any]:
    there = places[row.property]
    cells: list[float | None] = [None] * len(there)
    for field, value in row.values.items():
        cells[there[field] - 1] = value
    return {
        "instrument": config.instrument,
        "exposure_id": row.exposure_id,
        "property": row.property,
        "publication_from": publication_id,
        "day_obs": row.day_obs,
        "seq_num": row.seq_num,
        **identity_of(row.sha256),
        "cells": json.dumps(cells) if is_json else cells,
        "samples": json.dumps(dict(row.samples), sort_keys=True),
    }
