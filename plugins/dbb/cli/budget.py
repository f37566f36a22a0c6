"""``dbb budget``: how much loss is allowed, spent and suspected."""

from __future__ import annotations

import argparse
import datetime as dt

from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
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
    context.output.document({"schema": "dbb-budget/1", "loss": row})
    context.output.table(["raw images", "number"], [list(item) for item in row.items()])
    bound = account.bound
    context.output.say(
        "Nothing was read yet: nothing can be claimed."
        if bound is None
        else f"At most {bound:.2g} of the raw images are lost ({100 * row['confidence']:.0f} % confidence; "
        f"goal {row['goal']:.0e}); {account.read_again:,} of {account.images:,} were read within {given.days} days."
    )
    return Exit.WELL if account.is_kept else Exit.FINDINGS


def _account(context: Context, period: dt.timedelta) -> LossAccount:
    from dbb.wiring import open_keeping  # noqa: PLC0415 - `dbb --help` opens nothing

    source = context.settings.raw.source
    return open_keeping(context.settings, f"dbb {user_name()}").account(source, period)
