"""``dbb lfa``: the Large File Annex."""

from __future__ import annotations

import argparse
import signal
import threading
from collections import Counter
from typing import TYPE_CHECKING

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.errors import LfaEventUnusable, Transient
from dbb.flows.lfa import announce
from dbb.model.day_obs import DayObs
from dbb.model.lfa import Announcement, LfaObject

if TYPE_CHECKING:
    from types import FrameType

    from dbb.flows.lfa import Annex

HELP = "Take events of the Large File Annex; list its objects and their classes."
ACTIONS = {
    "consume": "Take events largeFileObjectAvailable from Kafka, kept before acknowledged.",
    "announce": "Say that an object exists.",
    "list": "List objects and how far each is.",
    "classes": "Count objects by class; tell of those that no class names.",
}
STATES = ("announced", "checked", "sealed", "refused")
RETRY_S = 5.0


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    consume = parsers["consume"]
    consume.add_argument(
        "--brokers", required=True, help="bootstrap servers, host:port,… or ssl://…"
    )
    consume.add_argument("--topic", action="append", required=True, help="may be repeated")
    consume.add_argument("--group", default="dbb-lfa", help="the consumer group (dbb-lfa)")
    consume.add_argument(
        "--schema",
        action="append",
        default=[],
        metavar="[NUMBER=]FILE",
        help="an Avro schema of events, with its number in the registry; may be repeated",
    )
    consume.add_argument("--registry", default="", help="the schema registry's address")
    parsers["announce"].add_argument("--url", required=True, help="s3://bucket/key or https://…")
    parsers["list"].add_argument("--day-obs", metavar="DAY_OBS", help="only of this day")
    parsers["list"].add_argument("--state", choices=STATES, default="", help="only in this state")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    from dbb.wiring.annex import open_annex  # noqa: PLC0415 - `dbb --help` opens nothing

    annex = open_annex(context.settings)
    action = {"consume": _consume, "announce": _announce, "list": _list, "classes": _classes}
    return action[given.action](context, annex, given)


def _consume(context: Context, annex: Annex, given: argparse.Namespace) -> Exit:
    from dbb.hooks.avro_events import EventDecoder  # noqa: PLC0415 - this action alone
    from dbb.hooks.kafka_client import Brokers  # noqa: PLC0415 - this action alone
    from dbb.hooks.lfa_events import KafkaLfaEvents  # noqa: PLC0415 - this action alone

    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    decoder = EventDecoder.of_files(given.schema, given.registry)
    brokers = Brokers.of_settings(given.brokers, context.settings.environment, "DBB_KAFKA_")
    while not over.is_set():
        # After a failure a new consumer begins where the last acknowledgement was.
        events = KafkaLfaEvents(brokers, given.topic, given.group, annex, decoder)
        try:
            while not over.is_set():
                events.take()
        except Transient as error:
            context.output.error(error)
            over.wait(RETRY_S)
        finally:
            events.close()
    return Exit.WELL


def _announce(context: Context, annex: Annex, given: argparse.Namespace) -> Exit:
    found = Announcement.of_event("operator", {"url": given.url}, "operator")
    if found.bucket != annex.bucket:
        raise LfaEventUnusable.for_bucket("operator", found.bucket, annex.bucket)
    new = announce(annex, [found])
    context.output.document({"schema": "dbb-lfa-announced/1", "key": found.key, "new": new})
    context.output.say(f"{found.key} is {'noted' if new else 'known, and is looked for again'}.")
    return Exit.WELL if new else Exit.FINDINGS


def _list(context: Context, annex: Annex, given: argparse.Namespace) -> Exit:
    day_obs = DayObs.parse(given.day_obs).value if given.day_obs else 0
    objects = annex.objects.of_day(day_obs, given.state)
    context.output.document({"schema": "dbb-lfa/1", "objects": [_json(each) for each in objects]})
    context.output.table(
        ["object", "bytes", "class", "state", "parcel", "reason"],
        [
            [
                each.key,
                "-" if each.size_bytes is None else f"{each.size_bytes:,}",
                f"{each.csc}/{each.generator} {each.mime_type}",
                each.state,
                each.unit or "-",
                each.reason or "-",
            ]
            for each in objects
        ],
    )
    return Exit.FINDINGS if any(each.code for each in objects) else Exit.WELL


def _classes(context: Context, annex: Annex, given: argparse.Namespace) -> Exit:
    _ = given
    found = Counter(
        (each.csc, each.generator, each.mime_type, each.action, each.is_known)
        for each in annex.objects.of_day(0, "")
    )
    names = ("csc", "generator", "mime_type", "action", "is_known")
    rows = [dict(zip(names, key, strict=True)) | {"objects": n} for key, n in sorted(found.items())]
    context.output.document({"schema": "dbb-lfa-classes/1", "classes": rows})
    context.output.table(
        ["csc", "generator", "mime type", "action", "in the table", "objects"],
        [[*map(str, key[:4]), "yes" if key[4] else "NO", n] for key, n in sorted(found.items())],
    )
    return Exit.WELL if all(key[4] for key in found) else Exit.FINDINGS


def _json(each: LfaObject) -> dict[str, object]:
    return {
        "key": each.key,
        "csc": each.csc,
        "generator": each.generator,
        "mime_type": each.mime_type,
        "day_obs": each.day_obs,
        "source": each.source,
        "action": each.action,
        "is_known": each.is_known,
        "state": each.state,
        "code": each.code,
        "reason": each.reason,
        "bytes": each.size_bytes,
        "sha256": each.sha256,
        "md5": each.md5,
        "dataset_id": each.dataset_id,
        "unit": each.unit,
        "announced_at": each.announced_at.isoformat(timespec="milliseconds"),
    }
