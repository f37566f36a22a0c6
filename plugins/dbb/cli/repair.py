"""``dbb repair``: what would set right what is broken anywhere, and doing it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.flows.healing import apply_mending, find_for_person, plan_mending
from dbb.flows.repairing import BrokenRows, finish_repairs
from dbb.model.plan import Line

HELP = "Restore what is bad at the archive; set right what reconciliation confirmed."
ACTIONS = {
    "plan": "Read the copies of what is broken, and show what would be done; change nothing.",
    "apply": "Do what a plan says, if it is still the plan; publish what has come back.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["apply"].add_argument(
        "--plan", required=True, metavar="HASH", help="the plan that was reviewed, as `plan` says"
    )
    parsers["apply"].add_argument(
        "--accept-large", action="store_true", help="change more than one per cent of an endpoint"
    )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    sources, rows = context.sources, _open(context)
    order = context.settings.sources_of_repair
    if given.action == "plan":
        plan = plan_mending(sources, rows, order)
        _write(context, plan.sha256, plan.lines)
        for each in find_for_person(sources):
            seen = each.sighting
            context.output.say(
                f"A person decides: {seen.discrepancy} at {seen.endpoint}, {seen.subject}"
            )
        if not plan:
            context.output.say("Nothing is broken that is not on its way already.")
            return Exit.WELL
        context.output.say(f"Next: `dbb repair apply --plan {plan.sha256[:12]}`.")
        return Exit.FINDINGS
    finished = finish_repairs(context.backbone, rows)
    plan, _ = apply_mending(sources, rows, order, given.plan, accept_large=given.accept_large)
    _write(context, plan.sha256, plan.lines)
    context.output.say(
        f"{finished['restored']} restored, {finished['waiting']} on their way before this plan."
    )
    return Exit.WELL


def _open(context: Context) -> BrokenRows:
    from dbb.wiring.keeping import open_keeping  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_keeping(context.settings, f"dbb {user_name()}")


def _write(context: Context, sha256: str, lines: Sequence[Line]) -> None:
    context.output.document(
        {"schema": "dbb-repair/1", "sha256": sha256, "lines": [line.to_json() for line in lines]}
    )
    context.output.table(
        ["action", "endpoint", "detail", "units", "files", "bytes", "names"],
        [
            [line.action, line.subject, line.detail, line.units, line.files, line.size_bytes,
             " ".join(line.names[:3]) + (" …" if len(line.names) > 3 else "")]
            for line in lines
        ],
    )  # fmt: skip
