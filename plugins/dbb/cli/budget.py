"""``dbb budget``: how much loss is allowed, spent and suspected."""

from __future__ import annotations

import argparse
import datetime as dt

from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.model.drill import Drill, DrillKind
from dbb.model.loss import LossAccount

HELP = "Show how many raw images may be lost, how many are, and what can be claimed."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--days", type=int, default=90, metavar="D", help="a reading counts for so long (90)"
    )


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Write the account; the exit code tells whether the budget is kept."""
    account = _account(context, dt.timedelta(days=given.days))
    row = account.to_json()
    campaign = _campaign(context)
    told = None
    if campaign is not None:
        told = campaign.to_json() | {"missed_share_at_most": campaign.undetected_at_most}
    context.output.document({"schema": "dbb-budget/1", "loss": row, "campaign": told})
    context.output.table(["raw images", "number"], [list(item) for item in row.items()])
    bound = account.bound
    context.output.say(
        "Nothing was read yet: nothing can be claimed."
        if bound is None
        else f"At most {bound:.2g} of the raw images are lost ({100 * row['confidence']:.0f} % confidence; "
        f"goal {row['goal']:.0e}); {account.read_again:,} of {account.images:,} were read within {given.days} days."
    )
    if campaign is None:
        context.output.say("No campaign of planted damage is on record: benchmarks/corruptions.py.")
    else:
        context.output.say(
            f"Of {campaign.units:,} damaged copies planted on {campaign.ended_at:%Y-%m-%d} a reading missed "
            f"{len(campaign.wrong):,}: it misses at most {campaign.undetected_at_most:.2g} of all damage "
            f"({100 * row['confidence']:.0f} % confidence)."
        )
    return Exit.WELL if account.is_kept else Exit.FINDINGS


def _campaign(context: Context) -> Drill | None:
    """Read what was shown last of the readings themselves: how much damage they miss."""
    from dbb.wiring import open_drills  # noqa: PLC0415 - `dbb --help` opens nothing

    found = open_drills(context.settings, f"dbb {user_name()}").newest(DrillKind.CORRUPTIONS, 1)
    return found[0] if found else None


def _account(context: Context, period: dt.timedelta) -> LossAccount:
    from dbb.wiring import open_keeping  # noqa: PLC0415 - `dbb --help` opens nothing

    source = context.settings.raw.source
    return open_keeping(context.settings, f"dbb {user_name()}").account(source, period)
