"""What is kept of exposures: versions that are only added, in the ledger's database.

A publication is one transaction. Its number comes from the row that telemetry takes its numbers from:
*as of publication N* has one answer for both.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from dbb.hooks.consdb.views import make_missing_views
from dbb.hooks.ledger_database import batches
from dbb.hooks.publications.identity import digest_of, identity_of
from dbb.hooks.sql import statement
from dbb.model.consdb import ConsdbPublication, ExposureRecord, Members, Observation
from dbb.model.exposure_log import LogMessage


class Signature(NamedTuple):
    """Say when, by whom and why something is published."""

    at: dt.datetime
    actor: str
    reason: str = ""


class Additions(NamedTuple):
    """Hold what is to be published; ``replace``: members are all that their exposures have."""

    records: Sequence[ExposureRecord] = ()
    members: Sequence[Members] = ()
    messages: Sequence[LogMessage] = ()
    replace: bool = False


def add_observations(
    connection: Connection, observations: Sequence[Observation], sign: Signature
) -> ConsdbPublication:
    """Add what differs from what is there; remember of which manifests it was made."""
    records = [each.record for each in observations if each.record is not None]
    members = [each.detectors for each in observations]
    done = publish(connection, Additions(records, members), sign)
    connection.execute(
        statement("consdb/note_source"),
        [
            {"unit": each.unit, "manifest_sha256": each.manifest_sha256}
            for each in sorted(observations, key=lambda each: each.unit)
        ],
    )
    return done


def publish(connection: Connection, given: Additions, sign: Signature) -> ConsdbPublication:
    """Add what differs from what is there, as one publication; nothing, where nothing does."""
    savepoint = connection.begin_nested()
    number = connection.execute(statement("publications/next")).scalar_one()
    new_records = _changed_records(connection, given.records)
    new_members = _changed_members(connection, given.members, replace=given.replace)
    if not new_records and not new_members and not given.messages:
        savepoint.rollback()  # the number is given back, and nothing was written
        return ConsdbPublication()
    new = Additions(new_records, new_members, given.messages)
    versions = add_versions(connection, number, new, sign)
    savepoint.commit()
    return ConsdbPublication(number, versions)


def add_versions(connection: Connection, number: int, new: Additions, sign: Signature) -> int:
    """Add versions as the publication of a number, with the views that they need; give how many they are."""
    rows: list[ExposureRecord | Members] = [*new.records, *new.members]
    hashes = [each.sha256 for each in rows] + [each.sha256 for each in new.messages]
    for instrument in sorted({each.instrument for each in rows}):
        make_missing_views(connection, instrument)
    connection.execute(
        statement("consdb/note_publication"),
        {
            "publication_id": number,
            "at": sign.at,
            "versions": len(hashes),
            "digest": digest_of(hashes),
            "reason": sign.reason,
            "actor": sign.actor,
        },
    )
    for name, values in (
        ("consdb/note_exposure", [_record_row(each, number) for each in new.records]),
        ("consdb/note_members", [_members_row(each, number) for each in new.members]),
        ("consdb/note_message", [_message_row(each, number) for each in new.messages]),
    ):
        if values:
            connection.execute(statement(name), values)
    return len(hashes)


def _changed_records(
    connection: Connection, records: Sequence[ExposureRecord]
) -> list[ExposureRecord]:
    by_instrument: dict[str, dict[int, ExposureRecord]] = defaultdict(dict)
    for each in records:
        by_instrument[each.instrument][each.exposure_id] = each
    changed = []
    for instrument, found in sorted(by_instrument.items()):
        known = {}
        for ids in batches(sorted(found)):
            names = {"instrument": instrument, "exposure_ids": ids}
            for row in connection.execute(statement("consdb/exposure_hashes"), names):
                known[row.exposure_id] = row.row_sha256
        changed += [each for key, each in sorted(found.items()) if known.get(key) != each.sha256]
    return changed


def _changed_members(
    connection: Connection, members: Sequence[Members], *, replace: bool
) -> list[Members]:
    """Join what is new with what is there; keep what is then another."""
    by_table: dict[tuple[str, str], dict[int, Members]] = defaultdict(dict)
    for each in members:
        there = by_table[each.instrument, each.table]
        before = there.get(each.exposure_id)
        there[each.exposure_id] = each if before is None else each.joined(before.rows)
    changed = []
    for (instrument, table), found in sorted(by_table.items()):
        known: dict[int, tuple[str, list[dict[str, Any]]]] = {}
        for ids in batches(sorted(found)):
            names = {"instrument": instrument, "table_name": table, "exposure_ids": ids}
            for row in connection.execute(statement("consdb/members"), names):
                known[row.exposure_id] = row.row_sha256, json.loads(row.members)
        for key, each in sorted(found.items()):
            sha256, rows = known.get(key, ("", []))
            joined = each if replace else each.joined(rows)
            if joined.sha256 != sha256:
                changed.append(joined)
    return changed


def _record_row(record: ExposureRecord, publication_id: int) -> dict[str, Any]:
    key = {"instrument": record.instrument, "publication_from": publication_id}
    return {**key, **record.values, **identity_of(record.sha256)}


def _members_row(members: Members, publication_id: int) -> dict[str, Any]:
    return {
        "instrument": members.instrument,
        "table_name": members.table,
        "exposure_id": members.exposure_id,
        "publication_from": publication_id,
        "day_obs": members.day_obs,
        "seq_num": members.seq_num,
        "members": json.dumps([dict(row) for row in members.rows], sort_keys=True),
        **identity_of(members.sha256),
    }


def _message_row(message: LogMessage, publication_id: int) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "publication_from": publication_id,
        "instrument": message.instrument,
        "obs_id": message.obs_id,
        "exposure_id": message.exposure_id,
        "day_obs": message.day_obs,
        "seq_num": message.seq_num,
        "message_text": message.message_text,
        "exposure_flag": str(message.exposure_flag),
        "tags": json.dumps(list(message.tags)),
        "user_id": message.user_id,
        "at": message.date_added,
        "is_valid": message.is_valid,
        **identity_of(message.sha256),
    }
