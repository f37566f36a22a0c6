"""What is held and what catches up: the ledger knows the one, Airflow the other.

Pages never ask Airflow. The DAG ``alarm_watch`` asks it every five minutes and notes the answer; readers get the newest one
with its time.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from dbb.flows.backbone import Backbone
from dbb.flows.catching_up import DAG_ID, Backfills, Progress, progress_of
from dbb.flows.maintenance import (
    MaintenanceRows,
    Scheduling,
    lasting,
    maintenance_document,
    others,
)
from dbb.printable import count

SCHEMA = "dbb-work/1"
MAINTENANCE, CATCH_UP = "work/maintenance", "work/catchup"
LASTS = dt.timedelta(minutes=15)
"""After this nobody calls what Airflow said the newest word."""

Document = dict[str, Any]


def catch_up_document(progress: Progress | None) -> Document:
    """Say how far a backfill is, as a document of schema ``dbb-catchup/1``; without a number where there is none."""
    return {"schema": "dbb-catchup/1"} | (
        {"number": None} if progress is None else progress.to_json()
    )


def ask_airflow(
    backbone: Backbone, rows: MaintenanceRows, scheduling: Scheduling, backfills: Backfills
) -> None:
    """Note what is held and what catches up; a backfill that has ended and left nothing is not looked at again."""
    lasts = lasting(rows)
    held = maintenance_document(lasts, others(scheduling) if lasts else [])
    backbone.ledger.note(MAINTENANCE, json.dumps(held))
    newest = next(iter(backfills.backfills(DAG_ID)), None)
    known = backbone.ledger.noted([CATCH_UP]).get(CATCH_UP)
    document = {} if known is None else json.loads(known.document)
    if newest is None:
        document = catch_up_document(None)
    elif (document.get("number"), document.get("state"), document.get("nights_left")) != (
        newest.number,
        "ended",
        0,
    ):
        document = catch_up_document(progress_of(backbone, newest))
    backbone.ledger.note(CATCH_UP, json.dumps(document))


def work_document(backbone: Backbone, rows: MaintenanceRows) -> Document:
    """Give what was noted last. Whether a maintenance lasts is asked of the ledger now: it is never old."""
    now = backbone.clock.now()
    noted = backbone.ledger.noted([MAINTENANCE, CATCH_UP])
    lasts = lasting(rows)
    maintenance = maintenance_document(lasts, [])
    known = noted.get(MAINTENANCE)
    told = {} if known is None else json.loads(known.document)
    is_same = lasts is not None and (told.get("maintenance") or {}).get("number") == lasts.number
    maintenance["working"] = told["working"] if is_same else ([] if lasts is None else None)
    catch_up = noted.get(CATCH_UP)
    return {
        "schema": SCHEMA,
        "as_of": _time(now),
        "maintenance": maintenance,
        "working_at": _time(known.at) if is_same and known is not None else None,
        "catchup": None if catch_up is None else json.loads(catch_up.document),
        "catchup_at": None if catch_up is None else _time(catch_up.at),
        "is_old": catch_up is None or now - catch_up.at > LASTS,
    }


def work_sentence(document: Document) -> str:
    """Say whether something is held, and how far catching up is."""
    held, catch_up = document["maintenance"]["maintenance"], document["catchup"]
    told = "nobody has asked Airflow yet what catches up"
    if catch_up is not None:
        told = "nothing catches up"
        if catch_up["number"] is not None:
            told = (
                f"backfill {catch_up['number']} is {catch_up['state']}, {count(catch_up['nights_done'], 'night')} done, "
                f"{catch_up['nights_left']:,} left"
            )
    if held is not None:
        return f"ACT — maintenance {held['number']} holds {count(len(held['dags']), 'DAG')}: {held['reason']}; {told}."
    if document["is_old"]:
        return f"UNKNOWN — nothing is held; Airflow was last asked too long ago: {told}."
    waits = bool(catch_up["number"]) and bool(catch_up["nights_left"])
    return f"{'WAITING' if waits else 'SAFE'} — nothing is held; {told}."


def _time(time: dt.datetime) -> str:
    return time.isoformat(timespec="milliseconds")
