"""``dbb log``: what people say of exposures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.exposure_log import Edit, add_message, edit_message
from dbb.flows.finding import parse_unit
from dbb.model.day_obs import DayObs
from dbb.model.exposure_log import ExposureFlag, LogMessage

if TYPE_CHECKING:
    from dbb.hooks.consdb.database import SqlConsdb

HELP = "The exposure log: say something of an exposure, or read what was said."
ACTIONS = {
    "add": "Say something of an exposure.",
    "edit": "Say it otherwise; the former version is kept.",
    "withdraw": "Take a message back; it is kept, and no longer listed.",
    "list": "List messages.",
}
SCHEMA = "dbb-log/1"


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    flags = [str(flag) for flag in ExposureFlag]
    parsers["add"].add_argument("obs_id", metavar="OBS_ID", help="the exposure")
    parsers["add"].add_argument("text", metavar="TEXT", help="the message")
    for name in ("edit", "withdraw"):
        parsers[name].add_argument("message_id", metavar="MESSAGE_ID", help="as `list` has it")
    parsers["edit"].add_argument("--text", metavar="TEXT", help="the new message")
    parsers["list"].add_argument("obs_id", nargs="?", metavar="OBS_ID", help="of this one only")
    parsers["list"].add_argument("--day-obs", metavar="D", help="of this night, YYYYMMDD")
    parsers["list"].add_argument("--all", action="store_true", help="all versions, also withdrawn")
    for name in ("add", "edit", "list"):
        parsers[name].add_argument("--flag", choices=flags, help="what is held of the exposure")
    for name in ("add", "edit"):
        parsers[name].add_argument("--tag", action="append", metavar="T", help="may be repeated")
    for name in ("add", "edit", "withdraw"):
        parsers[name].add_argument("--author", metavar="A", help="default: the user")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions; write the messages."""
    book = _open(context)
    if given.action == "list":
        _write(context, _list(context, book, given))
        return Exit.WELL
    author = given.author or user_name()
    if given.action == "add":
        flag = ExposureFlag(given.flag or ExposureFlag.NONE)
        said = add_message(
            context.backbone, book, given.obs_id, given.text, author,
            flag=flag, tags=given.tag or (),
        )  # fmt: skip
    elif given.action == "edit":
        edit = Edit(given.text, given.flag and ExposureFlag(given.flag), given.tag)
        said = edit_message(context.backbone, book, given.message_id, author, edit)
    else:
        edit = Edit(is_valid=False)
        said = edit_message(context.backbone, book, given.message_id, author, edit)
    _write(context, [said])
    return Exit.WELL


def _open(context: Context) -> SqlConsdb:
    from dbb.wiring.efd import open_consdb  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_consdb(context.settings, f"dbb {user_name()}")


def _list(context: Context, book: SqlConsdb, given: argparse.Namespace) -> list[LogMessage]:
    obs_id = ""
    if given.obs_id:
        obs_id = str(parse_unit(context.backbone, given.obs_id)[0].obs_id)
    span = (0, 99991231)
    if given.day_obs:
        span = (DayObs.parse(given.day_obs).value,) * 2
    return book.messages(*span, obs_id=obs_id, flag=given.flag or "", with_all=given.all)


def _write(context: Context, messages: list[LogMessage]) -> None:
    context.output.document(
        {"schema": SCHEMA, "messages": [message.to_json() for message in messages]}
    )
    context.output.table(
        ["message", "exposure", "flag", "tags", "at", "author", "text"],
        [
            [
                each.message_id,
                each.obs_id,
                each.exposure_flag if each.is_valid else "withdrawn",
                " ".join(each.tags) or "-",
                each.date_added,
                each.user_id,
                each.message_text,
            ]
            for each in messages
        ],
    )
