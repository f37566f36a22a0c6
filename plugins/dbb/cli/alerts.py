"""``dbb alerts``: the counts of nights, single packets, and archiving now."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.alert_archiving import take_again, take_database, take_stream
from dbb.flows.alert_counting import count_night, take_reports
from dbb.flows.alert_sealing import find_alert, seal_shards
from dbb.model.day_obs import DayObs

if TYPE_CHECKING:
    from dbb.flows.alerts import Alerts

HELP = "Show the counts of alert packets; get one; archive now."
ACTIONS = {
    "status": "Compare what was issued, stored and archived of the last nights, or of one.",
    "get": "Write a packet as it came, found by its alert's number.",
    "archive": "Archive what the stream has, as the DAG alert_archive does.",
    "issued": "Say how many alerts of a night the producer issued, where it does not say so itself.",
}
NIGHTS = dt.timedelta(days=10)


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["status"].add_argument("--day-obs", metavar="DAY_OBS", help="only this night")
    get = parsers["get"]
    get.add_argument("alert_id", metavar="ALERT_ID", type=int, help="its diaSourceId")
    get.add_argument("--out", metavar="FILE", help="where to write the packet")
    archive = parsers["archive"]
    archive.add_argument(
        "--from-database", action="store_true", help="take what the alert database has instead"
    )
    archive.add_argument(
        "--folder", default="", metavar="DIGITS", help="only alerts with these first digits"
    )
    archive.add_argument(
        "--set-aside-unknown",
        action="store_true",
        help="put packets aside whose schema nobody knows, however many; else many stop the run",
    )
    parsers["issued"].add_argument("day_obs", metavar="DAY_OBS", help="the night")
    parsers["issued"].add_argument("number", metavar="NUMBER", type=int, help="how many alerts")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    from dbb.wiring.alerts import open_alerts  # noqa: PLC0415 - `dbb --help` opens nothing

    alerts = open_alerts(context.settings, context.backbone, f"dbb {user_name()}")
    action = {"status": _status, "get": _get, "archive": _archive, "issued": _issued}
    return action[given.action](context, alerts, given)


def _status(context: Context, alerts: Alerts, given: argparse.Namespace) -> Exit:
    now = alerts.backbone.clock.now()
    if given.day_obs:
        nights = [DayObs.parse(given.day_obs)]
    else:
        known = alerts.rows.accounts(DayObs.at(now - NIGHTS), DayObs.at(now))
        nights = [account.night for account in known]
    counts = [count_night(alerts, night) for night in nights]
    rows = [
        {
            "day_obs": count.account.night.value,
            "issued": count.account.issued,
            "stored": count.account.stored,
            "archived": count.archived,
            "duplicates": count.account.duplicates,
            "in_quarantine": count.held,
            "rejected": count.rejected,
            "is_closed": count.is_closed,
            "deadline": count.deadline.isoformat(timespec="minutes"),
        }
        for count in counts
    ]
    context.output.document({"schema": "dbb-alerts/1", "nights": rows})
    context.output.table(
        [
            "night",
            "issued",
            "stored",
            "archived",
            "again",
            "held",
            "rejected",
            "closed",
            "deadline",
        ],
        [["-" if value is None else str(value) for value in row.values()] for row in rows],
    )
    return Exit.WELL if all(count.is_closed for count in counts) else Exit.FINDINGS


def _get(context: Context, alerts: Alerts, given: argparse.Namespace) -> Exit:
    shard, entry, data = find_alert(alerts, given.alert_id)
    if given.out:
        Path(given.out).write_bytes(data)
    found = {
        "schema": "dbb-alert/1",
        "alert_id": entry.alert_id,
        "day_obs": shard.night.value,
        "shard": shard.packets,
        "unit": shard.unit,
        "schema_id": entry.schema_id,
        "bytes": entry.packet_bytes,
        "sha256": entry.sha256,
    }
    context.output.document(found)
    context.output.say("\n".join(f"{name}: {value}" for name, value in found.items()))
    return Exit.WELL


def _archive(context: Context, alerts: Alerts, given: argparse.Namespace) -> Exit:
    is_patient = not given.set_aside_unknown
    try:
        if given.from_database:
            counts = take_database(alerts, given.folder, is_patient=is_patient)
        else:
            counts = take_stream(alerts, is_patient=is_patient)
            take_again(alerts)
            take_reports(alerts)
    finally:  # what was taken before a failure is archived
        units = seal_shards(alerts)
    context.output.document({"schema": "dbb-alerts-taken/1", "counts": counts, "units": units})
    told = ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing is new"
    context.output.say(f"{told}; {len(units)} parcels, which `parcel_transfer` publishes.")
    return Exit.FINDINGS if counts.get("refused") or counts.get("conflicts") else Exit.WELL


def _issued(context: Context, alerts: Alerts, given: argparse.Namespace) -> Exit:
    night = DayObs.parse(given.day_obs)
    alerts.rows.issue(night, given.number)
    context.output.document(
        {"schema": "dbb-alerts-issued/1", "day_obs": night.value, "issued": given.number}
    )
    context.output.say(f"{given.number} alerts of {night} were issued.")
    return Exit.WELL
