"""``dbb qserv``: what a handoff to Qserv would do, how far it is, going on, taking it back."""

from __future__ import annotations

import argparse
import time

from dbb.cli.actions import add_actions
from dbb.cli.context import Context, user_name
from dbb.cli.exits import Exit
from dbb.cli.qserv_releases import compare_releases, print_list, show_releases
from dbb.flows import qserv_handoff as steps
from dbb.flows.qserv_ingesting import load_batch
from dbb.flows.qserv_views import Handoff

HELP = "Hand delivered Parquet over to an endpoint's Qserv; see how far it is; take it back."
ACTIONS = {
    "plan": "Show the tables, the drift against the previous release, and what does not fit.",
    "status": "Show the handoffs, their rows and their transactions.",
    "resume": "Go on with a handoff, or begin it, here and now, as the DAG parquet_to_qserv does.",
    "verify": "Compare what is published with the files once more.",
    "releases": "Show which releases' lists are delivered, and what each one waits for.",
    "list": "Print the list of a release, of what the endpoint serves of it: look it over, then send it.",
    "ids": "Compare the keys of all releases that an endpoint serves: no two may share any.",
    "rollback": "Show what would be deleted; with --yes, delete it.",
}
_POLL_S = 2.0


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions and their options."""
    parsers = add_actions(parser, ACTIONS)
    for name, each in parsers.items():
        is_needed = name not in ("status", "releases")
        each.add_argument("--endpoint", required=is_needed, default="", metavar="E", help="where")
        if name != "ids":
            each.add_argument(
                "--release", required=is_needed, default="", metavar="R", help="which"
            )
    for name in ("plan", "resume"):
        parsers[name].add_argument(
            "--table", action="append", default=[], metavar="T", help="only it; may be given again"
        )
    parsers["rollback"].add_argument("--yes", action="store_true", help="delete it")
    return parsers


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions."""
    without_handoff = {
        "status": _status,
        "releases": show_releases,
        "list": print_list,
        "ids": compare_releases,
    }
    if given.action in without_handoff:
        return without_handoff[given.action](context, given)
    handoff = _open(context, given)
    if given.action == "plan":
        return _plan(context, given, handoff)
    if given.action == "verify":
        context.output.remark(f"{len(steps.verify_published(handoff))} comparisons, all equal")
        return Exit.WELL
    if given.action == "rollback":
        return _roll_back(context, given, handoff)
    return _resume(context, given, handoff)


def _open(context: Context, given: argparse.Namespace) -> Handoff:
    from dbb.wiring.qserv import open_handoff  # noqa: PLC0415 - `dbb --help` opens nothing

    return open_handoff(context.settings, given.endpoint, given.release, f"dbb {user_name()}")


def _plan(context: Context, given: argparse.Namespace, handoff: Handoff) -> Exit:
    from dbb.hooks.qserv.opening import make_plan  # noqa: PLC0415 - a slow import
    from dbb.hooks.qserv.planning import to_json  # noqa: PLC0415 - a slow import

    overlay, plan = make_plan(context.settings.include / "qserv", given.release)
    told = steps.preflight(handoff)
    ready = steps.prepare_inputs(handoff, context.backbone, overlay, set(given.table), dry_run=True)
    context.output.document({**to_json(plan), "server": told, "inputs": len(ready)})
    counts = {table.name: 0 for table in plan.tables}
    for row, _ in ready:
        counts[row.table] += 1
    drift = {each.table: each for each in plan.drift}
    context.output.table(
        ["table", "kind", "columns", "files", "added", "removed", "retyped"],
        [
            [
                table.name, str(table.rule.kind), len(table.columns), counts[table.name],
                *(
                    len(getattr(drift[table.name], what)) if table.name in drift else 0
                    for what in ("added", "removed", "retyped")
                ),
            ]
            for table in plan.tables
        ],
    )  # fmt: skip
    return Exit.WELL


def _status(context: Context, given: argparse.Namespace) -> Exit:
    from dbb.wiring.qserv import open_qserv_records  # noqa: PLC0415 - `dbb --help` opens nothing

    records = open_qserv_records(context.settings)
    rows = []
    for each in records.all():
        if given.endpoint not in ("", each.endpoint) or given.release not in ("", each.release):
            continue
        inputs, attempts = records.inputs(each.name), records.attempts(each.name)
        done = {(one.table, one.batch) for one in attempts if one.state == "committed"}
        checks = records.checks(each.name)
        rows.append(
            {
                "handoff": each.name,
                "database": each.database,
                "stage": str(each.stage),
                "files": len(inputs),
                "rows": sum(one.kept for one in inputs),
                "quarantined": sum(one.quarantined for one in inputs),
                "elsewhere": sum(one.elsewhere for one in inputs),
                "twice": sum(one.twice for one in inputs),
                "batches": len(records.batches(each.name)),
                "committed": len(done),
                "aborted": sum(one.state == "aborted" for one in attempts),
                "checks": len(checks),
                "wrong": sum(not one.is_right for one in checks),
            }
        )
    context.output.document({"schema": "dbb-qserv-status/1", "handoffs": rows})
    if rows:
        context.output.table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        context.output.remark("No handoff is known.")
    return Exit.FINDINGS if any(row["wrong"] for row in rows) else Exit.WELL


def _resume(context: Context, given: argparse.Namespace, handoff: Handoff) -> Exit:
    from dbb.hooks.qserv.opening import make_plan  # noqa: PLC0415 - a slow import

    say = context.output.remark
    overlay, _ = make_plan(context.settings.include / "qserv", given.release)
    steps.preflight(handoff)
    ready = steps.prepare_inputs(handoff, context.backbone, overlay, set(given.table))
    paths = {row.sha256: path for row, path in ready}
    for some in steps.order_inputs(handoff, [row for row, _ in ready]):
        for row in some:
            say(f"cutting {row.table} {row.name}")
            steps.stage_inputs(handoff, [row], paths)
    say(f"{steps.file_chunks(handoff):,} chunk files")
    steps.register_catalog(handoff)
    batches = handoff.records.batches(handoff.name)
    for number, (table, batch) in enumerate(batches, start=1):
        say(f"loading {table} batch {batch} ({number} of {len(batches)})")
        load_batch(handoff, table, batch, lambda: time.sleep(_POLL_S))
    say(f"{len(steps.reconcile_rows(handoff)):,} row counts are equal; publishing")
    steps.publish_catalog(handoff)
    steps.index_catalog(handoff)
    say(f"published; {len(steps.verify_published(handoff)):,} comparisons by SQL are equal")
    return Exit.WELL


def _roll_back(context: Context, given: argparse.Namespace, handoff: Handoff) -> Exit:
    told = steps.describe_rollback(handoff)
    if not told:
        context.output.remark("Nothing is there.")
        return Exit.WELL
    context.output.remark(told)
    if not given.yes:
        context.output.remark("Nothing was deleted. Say --yes to delete it.")
        return Exit.FINDINGS
    steps.roll_back(handoff)
    context.output.remark("Deleted.")
    return Exit.WELL
