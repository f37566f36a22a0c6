"""``dbb policy``: who receives what, what a change would do, and doing it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import DATA, INFRASTRUCTURE, Infrastructure, plan_policies
from dbb.model.plan import Line
from dbb.model.policy import Policy
from dbb.settings import Settings

HELP = "Show who receives what; plan what a change of the policies would do, and do it."
ACTIONS = {
    "show": "Show the policies as they are read.",
    "plan": "Show what applying them would send, move or drop; change nothing.",
    "apply": "Do what a plan says, if it is still the plan.",
}
PARTS = {"subscriptions": INFRASTRUCTURE, "data": DATA}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["apply"].add_argument(
        "--plan", required=True, metavar="HASH", help="the plan that was reviewed, as `plan` says"
    )
    parsers["apply"].add_argument(
        "--only", choices=PARTS, metavar="PART", help="do only `subscriptions` or only `data`"
    )
    parsers["apply"].add_argument("--by", default="", metavar="NAME", help="who decides")
    parsers["apply"].add_argument(
        "--accept-large", action="store_true", help="drop more than one per cent of an endpoint"
    )
    for name in ("show", "plan"):
        parsers[name].add_argument(
            "--include", metavar="DIR", help="a folder like include/ to read instead"
        )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    if given.action != "apply" and given.include:
        proposed = Settings.load(Path(given.include), context.settings.environment)
        context = dataclasses.replace(context, settings=proposed)
    if given.action == "show":
        return _show(context)
    if given.action == "plan":
        return _plan(context)
    return _apply(context, given)


def _plan(context: Context) -> Exit:
    plan = plan_policies(context.backbone, context.settings.endpoints, _open(context))
    _write(context, plan.sha256, plan.lines)
    if not plan.of(*INFRASTRUCTURE, *DATA):
        context.output.say("Nothing to do: all is as the policies say.")
        return Exit.WELL
    context.output.say(f"Next: `dbb policy apply --plan {plan.sha256[:12]}`.")
    return Exit.FINDINGS


def _apply(context: Context, given: argparse.Namespace) -> Exit:
    actions = PARTS.get(given.only, (*INFRASTRUCTURE, *DATA))
    plan = apply_policies(
        context.backbone,
        context.settings.endpoints,
        _open(context),
        given.plan,
        actions=actions,
        accept_large=given.accept_large,
        by=given.by,
    )
    done = plan.of(*actions)
    _write(context, plan.sha256, done)
    context.output.say(f"Done: {len(done)} of {len(plan.lines)} lines.")
    return Exit.WELL


def _open(context: Context) -> Infrastructure:
    from dbb.wiring.backbone import open_policies  # noqa: PLC0415 - a slow import

    return open_policies(context.settings)


def _show(context: Context) -> Exit:
    policies = list(context.settings.policies)
    context.output.document(
        {"schema": "dbb-policies/1", "policies": [_json(policy) for policy in policies]}
    )
    context.output.table(
        ["policy", "receiver", "what", "from", "copies", "kept", "activity"],
        [
            [
                policy.name,
                policy.receiver,
                _what(policy),
                ", then ".join(policy.sources),
                policy.copies,
                f"{policy.keep_days} days" if policy.keep_days else "for ever",
                policy.activity,
            ]
            for policy in policies
        ],
    )
    return Exit.WELL


def _write(context: Context, sha256: str, lines: Sequence[Line]) -> None:
    output = context.output
    output.document(
        {"schema": "dbb-plan/1", "sha256": sha256, "lines": [line.to_json() for line in lines]}
    )
    output.table(
        ["action", "subject", "units", "files", "bytes", "detail"],
        [
            [
                line.action,
                line.subject,
                f"{line.units:,}" if line.units else "-",
                f"{line.files:,}" if line.units else "-",
                f"{line.size_bytes:,}" if line.units else "-",
                line.detail,
            ]
            for line in lines
        ],
    )


def _what(policy: Policy) -> str:
    what = policy.what
    words = [str(what.kind), *what.instruments, *what.programs]
    words += [f"tract {number}" for number in what.tracts]
    if what.region:
        words.append(f"region {what.region}" + (" and off the sky" if what.off_sky else ""))
    if what.has_days:
        words.append(f"{what.first_day}–{what.last_day}")
    return " ".join(words)


def _json(policy: Policy) -> dict[str, object]:
    what = policy.what
    return {
        "name": policy.name,
        "receiver": policy.receiver,
        "kind": str(what.kind),
        "instruments": list(what.instruments),
        "programs": list(what.programs),
        "tracts": list(what.tracts),
        "region": what.region,
        "off_sky": what.off_sky,
        "first_day": what.first_day,
        "last_day": what.last_day,
        "sources": list(policy.sources),
        "copies": policy.copies,
        "keep_days": policy.keep_days,
        "tier": policy.tier,
        "activity": policy.activity,
        "needs_label": policy.needs_label,
    }
