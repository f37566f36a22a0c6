"""``dbb calibration``: what was made of which exposures, what is in force, and taking it back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit
from dbb.errors import UnknownItem
from dbb.flows.calibration_budget import Budget, settle
from dbb.flows.calibration_force import apply_rollback, compare, plan_rollback
from dbb.flows.calibration_groups import find_groups
from dbb.model.calibration import AttemptState
from dbb.model.day_obs import DayObs

if TYPE_CHECKING:
    from dbb.model.calibration import Attempt
    from dbb.model.plan import Plan

HELP = "Calibrations: groups, attempts, provenance, what is in force; take one out of force."
ACTIONS = {
    "list": "List the groups of a night and the attempts at each.",
    "show": "Show where the time of a group's attempts went, also while they run.",
    "provenance": "Name what a product was made of, or what a raw image went into.",
    "compare": "Compare what is in force at all endpoints.",
    "rollback": "Take an attempt out of force everywhere: plan, then apply.",
}
BAR = 40


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    parsers["list"].add_argument("day_obs", metavar="DAY_OBS", help="the night")
    parsers["list"].add_argument("--instrument", default="LSSTCam", help="whose (LSSTCam)")
    parsers["show"].add_argument("group", metavar="GROUP", help="LSSTCam/20261121/bias-O5001")
    parsers["provenance"].add_argument(
        "item", metavar="ITEM", help="an attempt's unit, or the UUID of a product or raw image"
    )
    parsers["compare"].add_argument("--instrument", default="LSSTCam", help="whose (LSSTCam)")
    rollback = parsers["rollback"]
    rollback.add_argument(
        "unit", metavar="UNIT", help="the attempt, as `dbb calibration list` says"
    )
    rollback.add_argument("--apply", metavar="HASH", default="", help="carry out this plan")
    rollback.add_argument("--reason", default="", help="for the history; needed with --apply")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    action = {
        "list": _list, "show": _show, "provenance": _provenance,
        "compare": _compare, "rollback": _rollback,
    }  # fmt: skip
    return action[given.action](context, given)


def _list(context: Context, given: argparse.Namespace) -> Exit:
    day = DayObs.parse(given.day_obs).value
    groups = find_groups(context.backbone, given.instrument, day)
    rows: list[dict[str, Any]] = []
    for group in groups.complete:
        attempts = context.backbone.calibrations.attempts(group.name)
        about = {"group": group.name, "exposures": len(group.units), "waits_for": ""}
        rows += [about | _attempt_json(each) for each in attempts] or [about]
    rows += [
        {"group": title, "exposures": 0, "waits_for": why} for title, why in groups.open.items()
    ]
    context.output.document({"schema": "dbb-calibrations/1", "day_obs": day, "groups": rows})
    context.output.table(
        ["group", "exposures", "state", "accepted", "campaign", "payload", "unit", "reason"],
        [
            [
                row["group"], row["exposures"], row.get("state", "waits" if row["waits_for"] else "complete"),
                "yes" if row.get("accepted") else "-", row.get("campaign", "-"),
                f"{row['payload']} {row['version']}" if "payload" in row else "-",
                row.get("unit", "-"), row["waits_for"] or row.get("reason") or "-",
            ]
            for row in rows
        ],
    )  # fmt: skip
    refused = any(row.get("state") == AttemptState.REFUSED for row in rows)
    return Exit.FINDINGS if refused or groups.open else Exit.WELL


def _attempt_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "unit": attempt.unit,
        "campaign": attempt.campaign,
        "payload": attempt.payload,
        "version": attempt.version,
        "run": attempt.run,
        "state": str(attempt.state),
        "accepted": attempt.accepted,
        "code": attempt.code,
        "reason": attempt.reason,
    }


def _show(context: Context, given: argparse.Namespace) -> Exit:
    attempts = context.backbone.calibrations.attempts(given.group)
    if not attempts:
        raise UnknownItem.for_name("calibration group with an attempt", given.group)
    budgets = [(each, settle(context.backbone, each.unit)) for each in attempts]
    context.output.document(
        {
            "schema": "dbb-calibration-budget/1",
            "group": given.group,
            "attempts": [_attempt_json(each) | _budget_json(budget) for each, budget in budgets],
        }
    )
    for attempt, budget in budgets:
        context.output.say(f"{attempt.unit} ({attempt.state})")
        context.output.table(
            ["step", "seconds", "budget_s", "", "where the time went"], _bars(budget)
        )
        context.output.say(
            f"{budget.total_s:.0f} s of 1200 s, the backbone {budget.backbone_s:.0f} s of 300 s"
        )
    return Exit.WELL if all(budget.is_kept for _, budget in budgets) else Exit.FINDINGS


def _budget_json(budget: Budget) -> dict[str, Any]:
    return {
        "total_s": budget.total_s,
        "backbone_s": budget.backbone_s,
        "steps": [
            {
                "step": str(share.step), "seconds": share.seconds, "budget_s": share.budget_s,
                "is_running": share.is_running, "is_late": share.is_late,
            }
            for share in budget.shares
        ],
    }  # fmt: skip


def _bars(budget: Budget) -> list[list[object]]:
    """Draw the steps end to end, each where it began."""
    total = budget.total_s or 1.0
    rows: list[list[object]] = []
    before = 0.0
    for share in budget.shares:
        first, last = (round(BAR * s / total) for s in (before, before + share.seconds))
        sign = "late" if share.is_late else "runs" if share.is_running else ""
        bar = "." * first + "#" * max(last - first, 1)
        rows.append([share.step, f"{share.seconds:.1f}", share.budget_s, sign, bar])
        before += share.seconds
    return rows


def _provenance(context: Context, given: argparse.Namespace) -> Exit:
    known = context.backbone.calibrations
    used_in = known.products_of_input(given.item)
    units = {given.item} if "/" in given.item else known.units_of_product(given.item)
    made = [
        (unit, product)
        for unit in sorted(units)
        for product in known.products(unit)
        if given.item in (unit, product.dataset_id)
    ]
    if not used_in and not made:
        raise UnknownItem.for_name("product or input", given.item)
    rows = [
        [unit, product.name, "made of", kind, key, sha256]
        for unit, product in made
        for key, sha256, kind in product.inputs
    ]
    rows += [[unit, name, "uses it", "product", key, ""] for unit, key, name in used_in]
    names = ("unit", "file", "relation", "kind", "dataset_id", "sha256")
    context.output.document(
        {
            "schema": "dbb-calibration-provenance/1",
            "item": given.item,
            "rows": [dict(zip(names, row, strict=True)) for row in rows],
        }
    )
    context.output.table(names, rows)
    return Exit.WELL


def _compare(context: Context, given: argparse.Namespace) -> Exit:
    rows = compare(context.backbone, given.instrument)
    names = ("endpoint", "collection", "ranges", "sha256", "verdict")
    cells = [[getattr(row, name) for name in names] for row in rows]
    context.output.document(
        {
            "schema": "dbb-calibration-compare/1",
            "rows": [dict(zip(names, row, strict=True)) for row in cells],
        }
    )
    context.output.table(names, [[*row[:3], row[3][:12], row[4]] for row in cells])
    return Exit.FINDINGS if any(row.is_finding for row in rows) else Exit.WELL


def _rollback(context: Context, given: argparse.Namespace) -> Exit:
    if given.apply and not given.reason:
        context.output.remark("--apply needs --reason: the history shall say why")
        return Exit.USAGE
    if given.apply:
        plan = apply_rollback(context.backbone, given.unit, given.apply, given.reason)
    else:
        plan = plan_rollback(context.backbone, given.unit)
    _tell_plan(context, plan)
    if given.apply:
        context.output.say("Done: what was in force before is in force again.")
    elif plan:
        context.output.say(
            f"Nothing is changed yet. Apply with --apply {plan.sha256[:12]} --reason …"
        )
    return Exit.WELL


def _tell_plan(context: Context, plan: Plan) -> None:
    context.output.document(
        {
            "schema": "dbb-plan/1",
            "sha256": plan.sha256,
            "lines": [line.to_json() for line in plan.lines],
        }
    )
    context.output.table(
        ["action", "where", "datasets", "detail"],
        [[line.action, line.subject, line.files, line.detail] for line in plan.lines],
    )
