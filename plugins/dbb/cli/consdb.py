"""``dbb consdb``: the Consolidated Database's rules, and what is put into it by hand."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.errors import BadDocument
from dbb.flows.consdb import check_night, find_differences
from dbb.flows.consdb_products import Product, deliver_product
from dbb.flows.observing import fill_nights
from dbb.model import strict_json
from dbb.model.consdb import DayDigest
from dbb.model.consdb_rules import RuleState
from dbb.model.day_obs import DayObs

if TYPE_CHECKING:
    from dbb.hooks.consdb.database import SqlConsdb

HELP = "Hold the Consolidated Database against its rules; fill, load and compare it."
ACTIONS = {
    "check": "Hold nights against the published consistency rules.",
    "fill": "Publish observing metadata of nights that are not there, or were translated anew.",
    "load": "Publish rows that a pipeline made of exposures: JSON, one row a line.",
    "digests": "Sum up the rows of days, to be compared with another endpoint's.",
    "compare": "Compare the rows of days with a document of `digests` from another endpoint.",
    "views": "Make the views of an instrument anew, after its published schema was changed.",
}
DIGESTS = "dbb-consdb-digests/1"
CHECK = "dbb-consdb-check/1"
DONE = "dbb-consdb/1"


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    for name in ("check", "fill", "digests"):
        parsers[name].add_argument(
            "--day-obs", metavar="D", help="this night, YYYYMMDD; default: the last"
        )
        parsers[name].add_argument("--from", dest="first", metavar="D", help="from this night on")
        parsers[name].add_argument("--to", dest="last", metavar="D", help="up to this night")
    parsers["fill"].add_argument(
        "--again", action="store_true", help="translate the archive's headers again"
    )
    for name in ("fill", "load"):
        parsers[name].add_argument("--reason", default="", metavar="R", help="why, for the record")
    parsers["load"].add_argument("table", metavar="TABLE", help="for example ccdvisit1_quicklook")
    parsers["load"].add_argument("file", metavar="FILE", type=Path, help="the rows")
    parsers["load"].add_argument(
        "--replace", action="store_true", help="they are all that their exposures have"
    )
    for name in ("load", "views"):
        parsers[name].add_argument("--instrument", default="LSSTCam", metavar="I", help="whose")
    parsers["digests"].add_argument(
        "--as-of", type=int, metavar="N", help="as of a publication; default: the newest"
    )
    parsers["compare"].add_argument("file", metavar="FILE", type=Path, help="of another endpoint")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    consdb = _open(context)
    if given.action == "check":
        return _check(context, consdb, given)
    if given.action == "digests":
        return _digests(context, consdb, given)
    if given.action == "compare":
        return _compare(context, consdb, given.file)
    if given.action == "fill":
        done = fill_nights(
            context.backbone, _nights(context, given), again=given.again, reason=given.reason
        )
    elif given.action == "views":
        done = {"views": len(consdb.make_views(given.instrument))}
    else:
        done = _load(consdb, given)
    context.output.document({"schema": DONE, "action": given.action, **done})
    context.output.say(", ".join(f"{number} {name}" for name, number in done.items()) + ".")
    return Exit.FINDINGS if done.get("wait") else Exit.WELL


def _open(context: Context) -> SqlConsdb:
    from dbb.wiring.efd import open_consdb  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_consdb(context.settings, f"dbb {user_name()}")


def _nights(context: Context, given: argparse.Namespace) -> list[DayObs]:
    first, last = given.first or given.day_obs, given.last or given.day_obs
    if first is None and last is None:
        return [DayObs.at(context.backbone.clock.now() - dt.timedelta(days=1))]
    parsed = [DayObs.parse(text) for text in (first or last, last or first)]
    return list(DayObs.range(*parsed))


def _load(consdb: SqlConsdb, given: argparse.Namespace) -> dict[str, int]:
    with _opened(given.file) as lines:
        product = Product(given.instrument, given.table, lines, given.file.name, given.replace)
        done = deliver_product(consdb, product, given.reason)
    return {"publication": done.publication_id, "versions": done.versions}


def _opened(file: Path) -> TextIO:
    try:
        return file.open(encoding="utf-8")
    except OSError as error:
        raise BadDocument.for_document(str(file), f"it cannot be read: {error.strerror}") from None


def _check(context: Context, consdb: SqlConsdb, given: argparse.Namespace) -> Exit:
    findings = context.sources.findings
    results = [
        result
        for night in _nights(context, given)
        for result in check_night(context.backbone, consdb, findings, night)
    ]
    context.output.document({"schema": CHECK, "rules": [each.to_json() for each in results]})
    context.output.table(
        ["night", "instrument", "rule", "severity", "exposure", "detail"],
        [
            [each.day_obs, each.instrument, each.rule.kind, each.rule.severity, unit, detail]
            for each in results
            for unit, detail in sorted(each.broken.items())
        ],
    )
    held = sum(each.state is RuleState.HOLDS for each in results)
    silent = {each.rule.needs for each in results if each.state is RuleState.NOT_DELIVERED}
    broken = sum(len(each.broken) for each in results)
    context.output.say(f"{held} of {len(results)} rules hold, {broken} exposures break one.")
    if silent:
        context.output.say(f"Nobody delivers {', '.join(sorted(silent))}.")
    return Exit.FINDINGS if broken else Exit.WELL


def _digests(context: Context, consdb: SqlConsdb, given: argparse.Namespace) -> Exit:
    nights = _nights(context, given)
    first, last = nights[0].value, nights[-1].value
    as_of = consdb.last() if given.as_of is None else given.as_of
    found = consdb.digests(first, last, as_of)
    context.output.document(
        {
            "schema": DIGESTS,
            "first_day": first,
            "last_day": last,
            "publication": as_of,
            "days": [dataclasses.asdict(each) for each in found],
            "rows": consdb.hashes(first, last, as_of),
        }
    )
    context.output.table(
        ["night", "instrument", "table", "rows", "high", "low"],
        [list(dataclasses.astuple(each)) for each in found],
    )
    return Exit.WELL


def _compare(context: Context, consdb: SqlConsdb, file: Path) -> Exit:
    """Compare sums first, and rows only of days and tables whose sums differ."""
    with _opened(file) as stream:
        other = strict_json.parse(stream.read().encode(), file.name, max_bytes=1 << 30)
    span, there, rows = _read_digests(other, file.name)
    pairs = find_differences(consdb.digests(*span), there)
    mine = consdb.hashes(*span) if pairs else {}
    names = sorted(name for name in {*mine, *rows} if mine.get(name) != rows.get(name))
    told = [
        {
            "row": name,
            "is": "other" if name in mine and name in rows else _where(name, mine),
        }
        for name in (names if pairs else [])
    ]
    context.output.document({"schema": "dbb-consdb-compare/1", "differences": told})
    context.output.table(["row", "is"], [[each["row"], each["is"]] for each in told])
    context.output.say(f"{len(told)} rows differ." if told else "The rows are the same.")
    return Exit.FINDINGS if pairs else Exit.WELL


def _read_digests(
    document: Any, name: str
) -> tuple[tuple[int, int, int], list[DayDigest], dict[str, str]]:
    try:
        span = tuple(int(document[key]) for key in ("first_day", "last_day", "publication"))
        there = [DayDigest(**each) for each in document["days"]]
        rows = dict(document["rows"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadDocument.for_document(name, f"it is none of `digests`: {error}") from None
    return (span[0], span[1], span[2]), there, rows


def _where(name: str, mine: dict[str, str]) -> str:
    return "here only" if name in mine else "there only"
