"""``dbb quarantine``: look at what was refused, and decide."""

from __future__ import annotations

import argparse

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.errors import DecisionImpossible
from dbb.flows.deciding import Signature, find_refusal, reject_refusal, release_refusal
from dbb.flows.night import refusal_json
from dbb.flows.quarantine import ACTIONS as DECISIONS
from dbb.flows.quarantine import apply_decisions, choose_held, plan_decisions, quarantine_report
from dbb.model.day_obs import DayObs

HELP = "Look at refused files and exposures; release or reject them."
ACTIONS = {
    "list": "List what is held, of one night or of all.",
    "show": "Show everything about one refusal.",
    "release": "Put items back on their way; they are judged again.",
    "reject": "Say that items are not wanted; their bytes are kept.",
    "plan": "Show what deciding on many items at once would do; change nothing.",
    "apply": "Decide as a plan says, if it is still the plan.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["list"].add_argument("day_obs", metavar="DAY_OBS", nargs="?", help="only this night")
    parsers["list"].add_argument("--code", metavar="CODE", default="", help="only this code")
    parsers["list"].add_argument("--all", action="store_true", help="also what is decided")
    parsers["show"].add_argument("refusal_id", metavar="ID", help="the refusal, or its beginning")
    for name in ("release", "reject"):
        parsers[name].add_argument("refusal_ids", metavar="ID", nargs="+", help="refusals")
        parsers[name].add_argument("--by", required=True, help="who decides")
        parsers[name].add_argument("--why", required=True, help="the reason, for the history")
    for name in ("plan", "apply"):
        parsers[name].add_argument(
            "decision", choices=sorted(DECISIONS), metavar="release|reject", help="what to decide"
        )
        parsers[name].add_argument("refusal_ids", metavar="ID", nargs="*", help="refusals")
        parsers[name].add_argument(
            "--code",
            action="append",
            default=[],
            metavar="CODE",
            help="all of this code; may be repeated",
        )
        parsers[name].add_argument(
            "--day-obs", metavar="DAY_OBS", help="of --code, only this night"
        )
    parsers["apply"].add_argument(
        "--plan", required=True, metavar="HASH", help="the plan that was reviewed, as `plan` says"
    )
    parsers["apply"].add_argument("--by", required=True, help="who decides")
    parsers["apply"].add_argument("--why", required=True, help="the reason, for the history")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    if given.action == "list":
        return _list(context, given)
    if given.action == "show":
        return _show(context, given)
    if given.action in ("plan", "apply"):
        return _decide_on_many(context, given)
    return _decide(context, given)


def _list(context: Context, given: argparse.Namespace) -> Exit:
    day_obs = DayObs.parse(given.day_obs).value if given.day_obs else None
    report = quarantine_report(context.backbone, day_obs, given.code, with_decided=given.all)
    found = report.refusals
    context.output.document(report.to_json())
    context.output.table(
        ["id", "decision", "found", "code", "unit", "endpoint", "file", "reason", "next"],
        [
            [
                item.refusal_id,
                item.decision,
                item.found_at,
                item.code,
                item.unit,
                item.endpoint,
                item.name.rpartition("/")[2] or "-",
                item.reason,
                item.next_action,
            ]
            for item in found
        ],
    )
    context.output.say()
    context.output.say(f"{report.held} held.")
    return Exit.FINDINGS if report.held else Exit.WELL


def _show(context: Context, given: argparse.Namespace) -> Exit:
    item = find_refusal(context.backbone, given.refusal_id)
    fields = refusal_json(item)
    context.output.document({"schema": "dbb-refusal/1", **fields})
    context.output.table(["field", "value"], list(fields.items()))
    context.output.say()
    context.output.say(f"Runbook: docs/operate/{item.code}.md")
    return Exit.WELL


def _decide(context: Context, given: argparse.Namespace) -> Exit:
    """Decide one after the other: one that is impossible does not hold up the rest."""
    decide = release_refusal if given.action == "release" else reject_refusal
    signature = Signature(given.by, given.why)
    done, code = [], Exit.WELL
    for refusal_id in given.refusal_ids:
        refusal = find_refusal(context.backbone, refusal_id)
        try:
            done.append((refusal.refusal_id, decide(context.backbone, refusal, signature)))
        except DecisionImpossible as error:
            context.output.error(error)
            code = Exit.FINDINGS
    columns = ["id", "done"]
    context.output.document(
        {
            "schema": "dbb-decision/1",
            "action": given.action,
            "done": [dict(zip(columns, line, strict=True)) for line in done],
        }
    )
    context.output.table(columns, done)
    return code


def _decide_on_many(context: Context, given: argparse.Namespace) -> Exit:
    """Plan or apply what the page *Quarantine* does: the same choice gives the same plan."""
    backbone, output, decision = context.backbone, context.output, given.decision
    named = [find_refusal(backbone, each).refusal_id for each in given.refusal_ids]
    night = DayObs.parse(given.day_obs).value if given.day_obs else None
    chosen = choose_held(backbone, named, given.code, night)
    columns = ["id", "done"]
    if given.action == "apply":
        signature = Signature(given.by, given.why)
        done = apply_decisions(backbone, decision, chosen, given.plan, signature)
        lines = [[refusal_id, what] for refusal_id, what, is_done in done if is_done]
        failed = [[refusal_id, why] for refusal_id, why, is_done in done if not is_done]
        output.document(
            {
                "schema": "dbb-decision/1",
                "action": decision,
                "done": [dict(zip(columns, line, strict=True)) for line in lines],
                "failed": [{"id": refusal_id, "why": why} for refusal_id, why in failed],
            }
        )
        output.table(
            ["id", "result", "what"],
            [[id_, "done", what] for id_, what in lines]
            + [[id_, "not done", why] for id_, why in failed],
        )
        return Exit.FINDINGS if failed else Exit.WELL
    plan = plan_decisions(backbone, decision, chosen)
    output.document(
        {
            "schema": "dbb-decision-plan/1",
            "action": decision,
            "sha256": plan.sha256,
            "lines": [line.to_json() for line in plan.lines],
        }
    )
    output.table(
        ["id", "action", "what"], [[line.subject, line.action, line.detail] for line in plan.lines]
    )
    output.say(
        f"Plan {plan.sha256[:12]}. Next: the same with `apply` and `--plan {plan.sha256[:12]} --by WHO --why REASON`."
    )
    return Exit.FINDINGS
