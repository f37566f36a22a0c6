"""What raises an alarm: each check asks one question and names the causes that hold now."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dbb.errors import (
    BufferNearlyFull,
    CalibrationLate,
    DbbError,
    EfdValuesLate,
    ExposuresLate,
    FilesLate,
    PoliciesNotApplied,
    ProductionOutage,
)
from dbb.flows.backbone import Backbone
from dbb.flows.buffers import BufferRows, Level, measure_buffers
from dbb.flows.calibration_budget import ALERT_S
from dbb.flows.canary import CanaryRows, overdue
from dbb.flows.outage_history import SHORTEST
from dbb.flows.outages import OutageRows, account_outages
from dbb.flows.policy_plan import Infrastructure, plan_infrastructure
from dbb.model.alarm import Alarm
from dbb.model.day_obs import DayObs
from dbb.model.endpoint import Endpoint
from dbb.model.quarantine import Refusal

L1_PUBLIC_T_H = 24  # L1PublicT, DMS-DBB-REQ-0025
LATE_AFTER_H = 20
"""An alarm that comes when the time is over is of no use."""
OUTAGE_AFTER_H = 12  # half of productionMaxDowntime, DMS-DBB-REQ-0001
OUTAGE_LOOK_DAYS = 30


@dataclass(frozen=True, slots=True)
class Late:
    """Say how many exposures an endpoint does not serve yet, and which waits longest."""

    endpoint: str
    units: int
    oldest: str
    day_obs: int
    since_at: dt.datetime


class LateRows(Protocol):
    """Know from the ledger what waits."""

    def late(self, source: str, before: dt.datetime) -> list[Late]:
        """By endpoint, what is not there although its last file came before a time."""

    def late_files(self, before: dt.datetime) -> list[Late]:
        """By endpoint, which permanent files and objects of the annex wait since before a time."""


class Published(Protocol):
    """Know the publications that a database has."""

    def last(self) -> int:
        """Give the number of the last publication."""

    def publications_after(self, publication_id: int) -> list[tuple[int, dt.datetime]]:
        """List number and time of the publications after one."""


def find_late(backbone: Backbone, rows: LateRows) -> list[Alarm]:
    """Find endpoints that lack exposures four hours before their time is over."""
    before = backbone.clock.now() - dt.timedelta(hours=LATE_AFTER_H)
    return [
        Alarm.of(
            ExposuresLate.for_endpoint(each.endpoint, each.units, each.oldest, L1_PUBLIC_T_H),
            each.endpoint,
            each.since_at,
            f"night/{each.day_obs}",
        )
        for each in rows.late(backbone.policy.source, before)
    ]


def find_late_files(backbone: Backbone, rows: LateRows) -> list[Alarm]:
    """Find endpoints that lack permanent files, or objects of the annex, that have waited for twenty hours."""
    before = backbone.clock.now() - dt.timedelta(hours=LATE_AFTER_H)
    return [
        Alarm.of(
            FilesLate.for_endpoint(each.endpoint, each.units, each.oldest, L1_PUBLIC_T_H),
            each.endpoint,
            each.since_at,
        )
        for each in rows.late_files(before)
    ]


def find_late_values(
    backbone: Backbone, archive: Published, endpoints: Mapping[str, Callable[[], Published]]
) -> list[Alarm]:
    """Find endpoints whose database lacks publications four hours before their time is over.

    Parameters
    ----------
    backbone, archive
        The time; what was published.
    endpoints
        What opens an endpoint's database, by its name; one that is away hides no other.
    """
    now, found = backbone.clock.now(), []
    for endpoint, open_there in endpoints.items():
        try:
            behind = archive.publications_after(open_there().last())
        except DbbError as error:
            found.append(Alarm.of(error, f"{endpoint} {error.code}", now))
            continue
        late = [at for _, at in behind if at < now - dt.timedelta(hours=LATE_AFTER_H)]
        if late:
            since = min(late)
            told = EfdValuesLate.for_endpoint(endpoint, len(behind), since.isoformat())
            found.append(Alarm.of(told, endpoint, since))
    return found


def find_unapplied_policies(
    backbone: Backbone, endpoints: Mapping[str, Endpoint], rucio: Infrastructure
) -> list[Alarm]:
    """Find out whether the policies' documents say what nobody has applied: what is kept already stays where it is."""
    lines = plan_infrastructure(backbone, endpoints, rucio)
    if not lines:
        return []
    told = [f"{line.action} {line.subject}" for line in lines]
    return [Alarm.of(PoliciesNotApplied.for_changes(told), "changed", backbone.clock.now())]


def find_outage(backbone: Backbone, rows: LateRows, outages: OutageRows) -> list[Alarm]:
    """Find out whether production has been out for twelve hours, by the account that the page shows.

    A publication or two do not end it: it is back when it has gone on for an hour, or nothing of then waits.
    """
    policy, now = backbone.policy, backbone.clock.now()
    newest = next(iter(account_outages(backbone, outages, OUTAGE_LOOK_DAYS).outages), None)
    if newest is None or newest.until - newest.begun_at < dt.timedelta(hours=OUTAGE_AFTER_H):
        return []
    waits = outages.waits_since(policy.source, policy.archive)
    if waits is None or waits > newest.until or now - newest.until >= SHORTEST:
        return []
    units = sum(
        each.units
        for each in rows.late(policy.source, now)
        if each.endpoint in (policy.source, policy.archive)
    )
    error = ProductionOutage.for_archive(policy.archive, units, OUTAGE_AFTER_H)
    return [Alarm.of(error, policy.archive, newest.begun_at)]


def find_buffers(
    backbone: Backbone, rows: BufferRows, endpoints: Iterable[Endpoint]
) -> list[Alarm]:
    """Find buffers that are half full, or nearly."""
    now = backbone.clock.now()
    return [
        Alarm.of(
            BufferNearlyFull.for_buffer(each.endpoint, each.used, each.hours_left, each.needed_h),
            f"{each.endpoint} {each.level}",
            now,
        )
        for each in measure_buffers(backbone, rows, endpoints)
        if each.level in (Level.FILLING, Level.NEARLY_FULL)
    ]


def find_late_calibrations(backbone: Backbone) -> list[Alarm]:
    """Find groups of calibrations whose 1,200 seconds are nearly over."""
    now = backbone.clock.now()
    since = DayObs.at(now - dt.timedelta(days=1)).value
    return [
        Alarm.of(
            CalibrationLate.for_group(group.name, (now - group.ended_at).total_seconds()),
            group.name,
            group.ended_at,
        )
        for group in backbone.calibrations.open_groups(since)
        if (now - group.ended_at).total_seconds() >= ALERT_S
    ]


def find_stuck_canary(backbone: Backbone, rows: CanaryRows) -> list[Alarm]:
    """Find out whether the last canary stuck, or none came."""
    error = overdue(rows, backbone.clock.now())
    return [] if error is None else [Alarm.of(error, "canary", rows.newest(1)[0].begun_at)]


def find_silent(probe: Callable[[], object]) -> list[Alarm]:
    """Ask a service how it is; its error is the alarm."""
    probe()
    return []


def find_decisions(backbone: Backbone) -> list[Alarm]:
    """Find what waits for a person's decision, a cause for each night and code."""
    held: dict[tuple[int, str], list[Refusal]] = defaultdict(list)
    for refusal in backbone.ledger.refusals():
        held[refusal.day_obs, refusal.code].append(refusal)
    return [_decision(day_obs, code, refusals) for (day_obs, code), refusals in held.items()]


def _decision(day_obs: int, code: str, refusals: Sequence[Refusal]) -> Alarm:
    first = refusals[0]
    number = f"{len(refusals):,} refusals" if len(refusals) > 1 else "1 refusal"
    return Alarm(
        cause=f"{day_obs} {code}",
        code=code,
        what=f"Night {day_obs}: {number}, the first is of {first.unit}: {first.reason}",
        where=first.endpoint,
        next_action=f"`dbb quarantine list {day_obs}`. {first.next_action}",
        since_at=first.found_at,
        link=f"night/{day_obs}",
    )
