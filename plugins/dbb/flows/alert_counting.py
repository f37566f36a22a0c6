"""Counting a night's alerts three times: as issued, as the stream gave them, and as they lie in the archive.

The first is the producer's word, the second what was counted when the stream was read, the third the lines of
the index files, read from the store. They must agree before the stream forgets the night.
"""

from __future__ import annotations

import datetime as dt
import logging

from dbb.errors import AlertCountsDiffer, AlertUnreadable, DbbError
from dbb.flows.alert_archiving import refuse_packet
from dbb.flows.alerts import AlertRows, Alerts
from dbb.flows.backbone import Backbone
from dbb.model import strict_json
from dbb.model.alarm import Alarm
from dbb.model.alerts import Account, NightCount, unit_of
from dbb.model.day_obs import DayObs
from dbb.model.kind import Kind
from dbb.model.quarantine import Decision

log = logging.getLogger(__name__)

CODES = ("alert-unreadable", "alert-schema-unknown")
"""Of packets that were issued; that of a conflict is archived under its number."""

TELL_AFTER = dt.timedelta(hours=24)
"""By then a night is counted, and whoever looks after it had half a day."""

TELL_FOR = dt.timedelta(days=30)


def take_reports(alerts: Alerts) -> int:
    """Keep what the producer says that it issued, ``{"day_obs": 20261121, "alerts": 100000}``.

    The last word on a night counts; a report that says nothing is set aside. Gives the number of nights.
    """
    told: dict[DayObs, int] = {}
    for message in alerts.stream.reports():
        try:
            report = strict_json.parse(message.data, message.place)
            night, number = DayObs.parse(report["day_obs"]), report["alerts"]
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise AlertUnreadable.for_packet(message.place, "its `alerts` is no number")
        except (DbbError, KeyError, TypeError) as error:
            why = error.message if isinstance(error, DbbError) else f"it is no report: {error!r}"
            refused = AlertUnreadable.for_packet(message.place, why)
            at = DayObs.at(message.time)
            refuse_packet(alerts, message, at, refused, f"{Kind.FILE.scope}/{at}/alert-reports")
            continue
        told[night] = number
    for night, number in told.items():
        alerts.rows.issue(night, number)
    return len(told)


def count_night(alerts: Alerts, night: DayObs) -> NightCount:
    """Count a night; the indexes are read."""
    found = alerts.rows.accounts(night, night)
    archived = sum(len(alerts.shards.ids(shard)) for shard in alerts.rows.shards(night))
    account = found[0] if found else Account(night)
    return _count(alerts.backbone, account, archived, alerts.retention)


def _count(
    backbone: Backbone, account: Account, archived: int, retention: dt.timedelta
) -> NightCount:
    unit, ledger = unit_of(account.night), backbone.ledger
    rejected = ledger.refusals(unit=unit, decision=Decision.REJECTED)
    return NightCount(
        account=account,
        archived=archived,
        held=len(ledger.refusals(unit=unit)),
        rejected=sum(each.code in CODES for each in rejected),
        deadline=account.night.end + retention,
    )


def find_open_nights(backbone: Backbone, rows: AlertRows, retention: dt.timedelta) -> list[Alarm]:
    """Find nights that are over for a day and whose counts do not agree: the stream will forget them.

    What is archived is counted in the ledger here, so that it may be asked often; `check_night` reads
    the indexes.
    """
    now = backbone.clock.now()
    alarms = []
    for account in rows.accounts(DayObs.at(now - TELL_FOR), DayObs.at(now)):
        archived = sum(shard.alerts for shard in rows.shards(account.night))
        count = _count(backbone, account, archived, retention)
        since = account.night.end + TELL_AFTER
        if since <= now and not count.is_closed:
            night = str(account.night)
            error = AlertCountsDiffer.for_night(night, str(count), count.deadline, now)
            alarms.append(Alarm.of(error, f"alerts {night}", since))
    return alarms


def check_night(alerts: Alerts, night: DayObs) -> NightCount:
    """Count a night; alarm where the counts differ.

    Raises
    ------
    AlertCountsDiffer
        With the counts, and until when the stream still has what is missing.
    """
    count = count_night(alerts, night)
    log.info("action=alerts-count day_obs=%s %s", night, count)
    if not count.is_closed:
        now = alerts.backbone.clock.now()
        raise AlertCountsDiffer.for_night(str(night), str(count), count.deadline, now)
    return count
