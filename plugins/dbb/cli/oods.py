"""``dbb oods``: the cache near the telescope, which works when all else is down."""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.oods import apply_merge, ingest_night, plan_merge
from dbb.model.day_obs import DayObs
from dbb.model.oods import Served

HELP = "Serve single images from the cache near the telescope; merge what it served."
ACTIONS = {
    "ingest": "Serve the images of a night that are not served yet; needs neither ledger nor Rucio.",
    "merge": "Compare what was served with the archive, and keep it in the ledger's database.",
    "status": "Say what the cache serves, how soon, and what was refused.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    ingest = parsers["ingest"]
    ingest.add_argument("--day-obs", metavar="DAY_OBS", help="the night (tonight)")
    ingest.add_argument("--watch", action="store_true", help="go on until interrupted")
    ingest.add_argument("--poll-s", type=float, default=2.0, help="seconds between two looks (2)")
    parsers["merge"].add_argument("--dry-run", action="store_true", help="show it, change nothing")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    return {"ingest": _ingest, "merge": _merge, "status": _status}[given.action](context, given)


def _ingest(context: Context, given: argparse.Namespace) -> Exit:
    from dbb.wiring.oods import open_oods  # noqa: PLC0415 - `dbb --help` opens nothing

    oods = open_oods(context.settings)
    while True:
        day = DayObs.parse(given.day_obs) if given.day_obs else DayObs.at(oods.clock.now())
        counts = ingest_night(oods, day)
        if not given.watch:
            break
        time.sleep(given.poll_s)
    context.output.document({"schema": "dbb-oods/1", "day_obs": day.value, **counts})
    context.output.say(
        f"Night {day}: {counts['served']} images newly served, {counts['known']} known, "
        f"{counts['refused']} refused."
    )
    return Exit.FINDINGS if counts["refused"] else Exit.WELL


def _merge(context: Context, given: argparse.Namespace) -> Exit:
    from dbb.wiring.oods import open_journal, open_merged  # noqa: PLC0415 - `dbb --help` opens nothing

    settings, backbone = context.settings, context.backbone
    journal = open_journal(settings)
    merge = plan_merge(backbone, journal)
    if not given.dry_run:
        name = settings.cache.name
        apply_merge(backbone, open_merged(settings), journal, name, merge)
    counts = {
        "same": len(merge.same),
        "differs": len(merge.differs),
        "alone": len(merge.alone),
    }
    context.output.document({"schema": "dbb-oods-merge/1", "dry_run": given.dry_run, **counts})
    context.output.say(
        f"{counts['same']} images are the archive's, {counts['alone']} are of exposures that it "
        f"does not have yet, {counts['differs']} differ."
    )
    return Exit.FINDINGS if merge.differs else Exit.WELL


def _status(context: Context, given: argparse.Namespace) -> Exit:
    _ = given
    from dbb.wiring.oods import open_journal  # noqa: PLC0415 - `dbb --help` opens nothing

    images = open_journal(context.settings).all()
    served = [image for image in images if image.state == "served"]
    refused = Counter(image.code for image in images if image.state == "refused")
    lags = sorted(_lag_s(image) for image in served)
    document = {
        "schema": "dbb-oods-status/1",
        "exposures": len({image.obs_id for image in served}),
        "images": len(served),
        "not_merged": sum(not image.merged for image in served),
        "refused": dict(refused),
        "lag_p50_s": _rank(lags, 0.5),
        "lag_p95_s": _rank(lags, 0.95),
        "newest": max((image.served_at or "" for image in served), default=""),
    }
    context.output.document(document)
    context.output.table(["what", "value"], [[key, value] for key, value in document.items()])
    return Exit.FINDINGS if refused else Exit.WELL


def _lag_s(image: Served) -> float:
    parse: Callable[[str], datetime] = datetime.fromisoformat
    return (parse(image.served_at or image.changed_at) - parse(image.changed_at)).total_seconds()


def _rank(ordered: list[float], fraction: float) -> float | None:
    if not ordered:
        return None
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]
