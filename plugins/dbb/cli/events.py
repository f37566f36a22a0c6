"""``dbb events``: receive events, look at those that came, have some looked at again."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.errors import Transient
from dbb.flows.inbox import KEPT
from dbb.model.event import Event, EventState
from dbb.ports.inbox import Inbox

if TYPE_CHECKING:
    from types import FrameType

HELP = "Receive the events that tell of copies; list them; have some looked at again."
PRUNE_EVERY_S = 3600.0


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    receive = actions.add_parser("receive", help="receive what Rucio's hermes posts to /_bulk")
    receive.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    receive.add_argument("--port", type=int, default=8090, help="the port (8090)")
    kafka = actions.add_parser("kafka", help="take events from Kafka's topics {RSE}-{scope}")
    kafka.add_argument("--brokers", required=True, help="bootstrap servers, host:port,… or ssl://…")
    kafka.add_argument("--topic", action="append", required=True, help="a topic; may be repeated")
    kafka.add_argument("--group", default="dbb", help="the consumer group (dbb)")
    listing = actions.add_parser("list", help="list events, newest first")
    states = [str(state) for state in EventState]
    listing.add_argument("--state", choices=states, default="", help="only those in this state")
    listing.add_argument("--rse", default="", help="only those of this RSE")
    listing.add_argument("--most", type=int, default=50, help="how many (50)")
    replay = actions.add_parser("replay", help="have events looked at again")
    replay.add_argument("event_id", nargs="+", metavar="EVENT_ID", help="as `list` shows it")
    return {"receive": receive, "kafka": kafka, "list": listing, "replay": replay}


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do what was asked."""
    return _ACTIONS[given.action](context, given)


def _open_inbox(context: Context) -> Inbox:
    """Open the inbox without asking its database: one that is down is waited for."""
    from dbb.wiring.backbone import open_inbox  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_inbox(context.settings)


def _receive(context: Context, given: argparse.Namespace) -> Exit:
    from dbb.hooks.hermes_receiver import HermesReceiver  # noqa: PLC0415 - this action alone

    token = context.settings.environment.get("DBB_EVENTS_TOKEN", "")
    inbox = _open_inbox(context)
    server = HermesReceiver((given.host, given.port), inbox, token)
    over = _until_told()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address[:2]
    context.output.remark(f"receiving events at http://{host!s}:{port}/_bulk")
    while not over.wait(PRUNE_EVERY_S):
        with contextlib.suppress(Transient):  # the next hour will do
            inbox.prune(dt.datetime.now(dt.UTC) - KEPT)
    server.shutdown()
    return Exit.WELL


def _kafka(context: Context, given: argparse.Namespace) -> Exit:
    from dbb.hooks.kafka_client import Brokers  # noqa: PLC0415 - this action alone
    from dbb.hooks.kafka_events import KafkaEvents  # noqa: PLC0415 - this action alone

    over = _until_told()
    brokers = Brokers.of_settings(given.brokers, context.settings.environment, "DBB_KAFKA_")
    events = KafkaEvents(brokers, given.topic, given.group, _open_inbox(context))
    context.output.remark(f"taking events of {', '.join(given.topic)} from {given.brokers}")
    events.take_until(over.is_set)
    events.close()
    return Exit.WELL


def _until_told() -> threading.Event:
    """Give an event that is set when the process shall end."""
    over = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return over


def _list(context: Context, given: argparse.Namespace) -> Exit:
    events = context.backbone.inbox.find(given.state, given.rse, given.most)
    context.output.document({"schema": "dbb-events/1", "events": [_json(e) for e in events]})
    context.output.table(
        ["received", "state", "rse", "file", "code", "event"],
        [
            [
                event.received_at,
                str(event.state),
                event.rse or "-",
                f"{event.scope}:{event.name}" if event.name else event.payload[:60],
                event.code or "-",
                event.event_id,
            ]
            for event in events
        ],
    )
    poison = any(event.state is EventState.POISON for event in events)
    return Exit.FINDINGS if poison else Exit.WELL


def _replay(context: Context, given: argparse.Namespace) -> Exit:
    number = context.backbone.inbox.replay(given.event_id)
    context.output.document({"schema": "dbb-events/1", "replayed": number})
    context.output.say(f"{number} of {len(given.event_id)} events are looked at again.")
    return Exit.WELL if number == len(given.event_id) else Exit.FINDINGS


def _json(event: Event) -> dict[str, object]:
    return {
        "event_id": event.event_id,
        "received_at": event.received_at and event.received_at.isoformat(timespec="milliseconds"),
        "source": event.source,
        "event_type": event.event_type,
        "rse": event.rse,
        "scope": event.scope,
        "name": event.name,
        "unit": event.unit,
        "state": str(event.state),
        "code": event.code,
        "reason": event.reason,
        "payload": event.payload,
    }


_ACTIONS: dict[str, Callable[[Context, argparse.Namespace], Exit]] = {
    "receive": _receive,
    "kafka": _kafka,
    "list": _list,
    "replay": _replay,
}
