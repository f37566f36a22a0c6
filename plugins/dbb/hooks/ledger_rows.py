"""Rows of the ledger as the nouns that they hold."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any

from sqlalchemy import Row

from dbb.hooks.sql import to_time
from dbb.model.delivery import Delivery, State
from dbb.model.digest import Digest
from dbb.model.exposure import ExposureFacts
from dbb.model.quarantine import Decision, Refusal
from dbb.ports.ledger import UnitRow

_STATES = {str(state): state for state in State}


def _maybe_time(value: Any) -> dt.datetime | None:
    return None if value is None else to_time(value)


def to_unit(row: Row[Any]) -> UnitRow:
    """Read a row of table ``unit``."""
    bundle = None
    if row.bundle_sha256:
        bundle = Digest(row.bundle_bytes, row.bundle_sha256, row.bundle_adler32, row.bundle_crc32c)
    return UnitRow(
        unit=row.unit,
        kind=row.kind,
        instrument=row.instrument,
        day_obs=row.day_obs,
        obs_id=row.obs_id,
        part=row.part,
        expected=row.expected,
        arrived=row.arrived,
        missing=() if row.missing == "[]" else tuple(json.loads(row.missing)),
        changed_at=to_time(row.changed_at),
        manifest_sha256=row.manifest_sha256,
        bundle=bundle,
        gate=row.gate,
        files=row.files,
        size_bytes=row.size_bytes,
    )


def to_delivery(row: Row[Any]) -> Delivery:
    """Read a row of table ``delivery``."""
    return Delivery(
        unit=row.unit,
        endpoint=row.endpoint,
        state=State(row.state),
        since_at=to_time(row.since_at),
        version=row.version,
        reason=row.reason,
        rule_id=row.rule_id,
        verified_at=_maybe_time(row.verified_at),
        waits_for=row.waits_for,
        stuck_at=_maybe_time(row.stuck_at),
        read_again_at=_maybe_time(row.read_again_at),
    )


def to_deliveries(rows: Any) -> list[Delivery]:
    """Read many rows of table ``delivery``, by the order of their columns: a night has thousands."""
    time = _maybe_time
    return [
        Delivery(
            unit, endpoint, _STATES[state], to_time(since_at), version, reason, rule_id,
            time(verified_at), waits_for, time(stuck_at), time(read_again_at),
        )
        for unit, endpoint, state, since_at, version, reason, rule_id, verified_at, waits_for,
        stuck_at, read_again_at in rows
    ]  # fmt: skip


def facts_row(facts: ExposureFacts) -> dict[str, Any]:
    """Give the parameters with which facts are written."""
    row = dataclasses.asdict(facts)
    for name in ("begin_tai", "end_tai"):
        row[name] = row[name].isoformat(timespec="microseconds")
    return row


def to_facts(row: Row[Any]) -> ExposureFacts:
    """Read facts of an exposure."""
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(ExposureFacts)}
    for name in ("begin_tai", "end_tai"):
        values[name] = dt.datetime.fromisoformat(values[name])
    for name in ("has_simulated", "can_see_sky"):
        values[name] = None if values[name] is None else bool(values[name])
    return ExposureFacts(**values)


def to_refusal(row: Row[Any]) -> Refusal:
    """Read a row of table ``quarantine``."""
    return Refusal(
        refusal_id=row.refusal_id,
        unit=row.unit,
        day_obs=row.day_obs,
        endpoint=row.endpoint,
        name=row.name,
        kept_as=row.kept_as,
        code=row.code,
        reason=row.reason,
        next_action=row.next_action,
        found_at=to_time(row.found_at),
        decision=Decision(row.decision),
        decided_at=_maybe_time(row.decided_at),
        decided_by=row.decided_by,
    )
