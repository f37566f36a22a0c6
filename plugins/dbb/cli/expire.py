"""``dbb expire``: what its time is over for, taking it away, and holding what is still needed."""

from __future__ import annotations

import argparse
import datetime as dt
from typing import TYPE_CHECKING

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.errors import DecisionImpossible, UnknownItem, UnsafeName
from dbb.expiry_rules import load_expiry
from dbb.flows.expiring import EXPIRE, apply_expiry, find_too_full, plan_expiry
from dbb.flows.expiry_views import Place
from dbb.model.expiry import Pin
from dbb.model.names import SafeName
from dbb.model.plan import Plan

if TYPE_CHECKING:
    from dbb.hooks.expiry import SqlExpiry

HELP = "Show what is due in caches, take it away, and pin what is still needed."
ACTIONS = {
    "plan": "Show what is due, what is held and why; change nothing.",
    "apply": "Do what a plan says, if it is still the plan; finish what was begun.",
    "pins": "List the pins that hold something now.",
    "pin": "Hold a unit, an image, or all below a folder of names, until a time.",
    "unpin": "End pins now.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    for name in ("plan", "apply"):
        parsers[name].add_argument("--endpoint", required=True, metavar="E", help="where")
        parsers[name].add_argument(
            "--as-of", metavar="TIME", help="the time at which ages are taken (this hour's begin)"
        )
    parsers["apply"].add_argument(
        "--plan", required=True, metavar="HASH", help="the plan that was reviewed, as `plan` says"
    )
    parsers["apply"].add_argument(
        "--accept-large", action="store_true", help="take away more than the rules let go unasked"
    )
    parsers["pins"].add_argument("--all", action="store_true", help="also those that have ended")
    parsers["pin"].add_argument("subject", metavar="NAME", help="level1/20261121, a unit, an image")
    parsers["pin"].add_argument("--until", required=True, metavar="TIME", help="when it ends")
    parsers["pin"].add_argument("--owner", required=True, help="whose it is")
    parsers["pin"].add_argument("--why", required=True, help="the reason")
    parsers["pin"].add_argument("--endpoint", default="", metavar="E", help="only there")
    parsers["unpin"].add_argument("pin_ids", metavar="ID", nargs="+", help="the pins")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    actions = {"plan": _plan, "apply": _apply, "pins": _pins, "pin": _pin, "unpin": _unpin}
    return actions[given.action](context, given)


def _plan(context: Context, given: argparse.Namespace) -> Exit:
    rows = _open(context)
    as_of = _as_of(context, given)
    book = load_expiry(context.settings)
    plan = plan_expiry(_place(context, rows, given.endpoint), rows, book, as_of)
    _write(context, plan, as_of)
    too_full = find_too_full(plan)
    if not plan.of(EXPIRE):
        context.output.say("Nothing is due.")
        return Exit.FINDINGS if too_full else Exit.WELL
    context.output.say(
        f"Next: `dbb expire apply --endpoint {given.endpoint} --as-of {_text(as_of)} "
        f"--plan {plan.sha256[:12]}`."
    )
    return Exit.FINDINGS


def _apply(context: Context, given: argparse.Namespace) -> Exit:
    rows = _open(context)
    counts = apply_expiry(
        _place(context, rows, given.endpoint),
        rows,
        load_expiry(context.settings),
        _as_of(context, given),
        given.plan,
        accept_large=given.accept_large,
    )
    context.output.document({"schema": "dbb-expired/1", "endpoint": given.endpoint, **counts})
    context.output.table(["what", "items"], list(counts.items()))
    return Exit.WELL


def _pins(context: Context, given: argparse.Namespace) -> Exit:
    _write_pins(context, _open(context).pins(ended=given.all))
    return Exit.WELL


def _pin(context: Context, given: argparse.Namespace) -> Exit:
    until = _time(given.until)
    if until <= context.backbone.clock.now():
        raise UnsafeName.for_name(given.until, "a pin ends in the future")
    if given.endpoint:
        context.settings.endpoint(given.endpoint)
    subject = str(SafeName.parse(given.subject))
    pin, too_late = _open(context).pin(subject, given.endpoint, given.owner, given.why, until)
    _write_pins(context, [pin])
    for each in too_late:
        context.output.remark(
            f"too late for {each.subject} at {each.endpoint}: it has been {each.state} "
            f"since {_text(each.since_at)}"
        )
    return Exit.FINDINGS if too_late else Exit.WELL


def _unpin(context: Context, given: argparse.Namespace) -> Exit:
    rows = _open(context)
    holding = {pin.pin_id for pin in rows.pins()}
    for pin_id in given.pin_ids:
        if pin_id not in holding:
            raise UnknownItem.for_name("pin that holds something", pin_id)
    ended = rows.unpin(given.pin_ids)
    if ended != len(set(given.pin_ids)):
        raise DecisionImpossible.for_refusal(", ".join(given.pin_ids), "one has ended meanwhile")
    context.output.document({"schema": "dbb-unpinned/1", "pins": sorted(set(given.pin_ids))})
    context.output.say(f"{ended} ended.")
    return Exit.WELL


def _open(context: Context) -> SqlExpiry:
    from dbb.wiring.keeping import open_expiry  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_expiry(context.settings, f"dbb {user_name()}")


def _place(context: Context, rows: SqlExpiry, endpoint: str) -> Place:
    from dbb.wiring.keeping import open_place  # noqa: PLC0415 - `dbb --help` opens nothing

    context.settings.endpoint(endpoint)
    return open_place(context.settings, context.backbone, rows, endpoint)


def _as_of(context: Context, given: argparse.Namespace) -> dt.datetime:
    if given.as_of:
        return min(_time(given.as_of), context.backbone.clock.now())
    return context.backbone.clock.now().replace(minute=0, second=0, microsecond=0)


def _time(text: str) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UnsafeName.for_name(text, "a time is YYYY-MM-DDTHH:MM, in UTC") from None
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def _text(time: dt.datetime) -> str:
    return time.isoformat(timespec="seconds")


def _write(context: Context, plan: Plan, as_of: dt.datetime) -> None:
    context.output.document(
        {
            "schema": "dbb-expiry/1",
            "as_of": _text(as_of),
            "sha256": plan.sha256,
            "lines": [line.to_json() for line in plan.lines],
        }
    )
    context.output.table(
        ["action", "endpoint", "detail", "items", "bytes", "names"],
        [
            [
                line.action,
                line.subject,
                line.detail,
                line.units,
                f"{line.size_bytes:,}",
                " ".join(line.names[:3]) + (" …" if len(line.names) > 3 else ""),
            ]
            for line in plan.lines
        ],
    )


def _write_pins(context: Context, pins: list[Pin]) -> None:
    columns = ["pin_id", "subject", "endpoint", "owner", "reason", "until"]
    rows = [
        [pin.pin_id, pin.subject, pin.endpoint, pin.owner, pin.reason, _text(pin.until_at)]
        for pin in pins
    ]
    context.output.document(
        {"schema": "dbb-pins/1", "pins": [dict(zip(columns, row, strict=True)) for row in rows]}
    )
    context.output.table(columns, [[value or "everywhere" for value in row] for row in rows])
