"""``dbb policy``: who receives what, what a change would do, and doing it."""

from __future__ import annotations

import argparse

from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import Infrastructure, plan_policies
from dbb.model.plan import Plan
from dbb.model.policy import Policy

HELP = "Show who receives what; plan what a change of the policies would do, and do it."
ACTIONS = {
    "show": "Show the policies as they are read.",
    "plan": "Show what applying them would send, move or drop; change nothing.",
    "apply": "Do what a plan says, if it is still the plan.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    parsers = {
        name: actions.add_parser(name, help=text, description=text)
        for name, text in ACTIONS.items()
    }
    parsers["apply"].add_argument(
        "--plan", required=True, metavar="HASH", help="the plan that was reviewed, as `plan` says"
    )
    parsers["apply"].add_argument(
        "--accept-large", action="store_true", help="drop more than one per cent of an endpoint"
    )
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    if given.action == "show":
        return _show(context)
    backbone, endpoints = context.backbone, context.settings.endpoints
    rucio = _open(context)
    if given.action == "plan":
        plan = plan_policies(backbone, endpoints, rucio)
        _write(context, plan, "would be done")
        if plan:
            context.output.say(f"Next: `dbb policy apply --plan {plan.sha256[:12]}`.")
        return Exit.FINDINGS if plan else Exit.WELL
    plan = apply_policies(backbone, endpoints, rucio, given.plan, accept_large=given.accept_large)
    _write(context, plan, "was done")
    return Exit.WELL


def _open(context: Context) -> Infrastructure:
    from dbb.wiring import open_policies  # noqa: PLC0415 - a slow import

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


def _write(context: Context, plan: Plan, done: str) -> None:
    output = context.output
    lines = [line.to_json() for line in plan.lines]
    output.document({"schema": "dbb-plan/1", "sha256": plan.sha256, "lines": lines})
    if not plan:
        output.say("Nothing: all is as the policies say.")
        return
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
            for line in plan.lines
        ],
    )
    output.say()
    output.say(f"Plan {plan.sha256[:12]}: {len(plan.lines)} lines; all of it {done}.")


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
