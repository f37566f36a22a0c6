"""Dispatch of the ``dbb`` command: parse, run one command, turn errors into exit codes."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

import argcomplete

from dbb.cli import (
    alarms,
    alerts,
    audit,
    backup,
    budget,
    buffers,
    calibration,
    canary,
    catchup,
    consdb,
    doctor,
    drill,
    efd,
    events,
    expire,
    export,
    exposure,
    lag,
    ledger,
    lfa,
    log,
    maintenance,
    metrics,
    night,
    nights,
    now,
    oods,
    outages,
    parcel,
    policy,
    qserv,
    quarantine,
    repair,
    replicas,
    retry,
    scrub,
    sweep,
    verify,
    where,
)
from dbb.cli.context import Context
from dbb.cli.environment import read_environment
from dbb.cli.exits import Exit, exit_of
from dbb.cli.output import Output
from dbb.errors import DbbError, UnsafeName
from dbb.secrecy import conceal, guard_logs
from dbb.settings import Settings

COMMANDS: dict[str, ModuleType] = {
    "night": night,
    "nights": nights,
    "now": now,
    "lag": lag,
    "exposure": exposure,
    "where": where,
    "verify": verify,
    "audit": audit,
    "scrub": scrub,
    "expire": expire,
    "alarms": alarms,
    "buffers": buffers,
    "budget": budget,
    "replicas": replicas,
    "outages": outages,
    "retry": retry,
    "catchup": catchup,
    "repair": repair,
    "drill": drill,
    "backup": backup,
    "parcel": parcel,
    "export": export,
    "oods": oods,
    "lfa": lfa,
    "efd": efd,
    "consdb": consdb,
    "log": log,
    "alerts": alerts,
    "calibration": calibration,
    "policy": policy,
    "qserv": qserv,
    "events": events,
    "quarantine": quarantine,
    "canary": canary,
    "metrics": metrics,
    "sweep": sweep,
    "maintenance": maintenance,
    "doctor": doctor,
    "ledger": ledger,
}

WATCHED = {
    "night", "nights", "now", "lag", "replicas", "exposure", "where", "alarms list", "buffers", "budget",
    "canary status", "catchup status", "maintenance status", "scrub status", "qserv status", "calibration show", "efd status",
    "quarantine list", "outages",
}  # fmt: skip
"""What only looks, and may be looked at again and again."""
WATCH_S = 10

EPILOG = """exit codes: 0 all well, 1 findings, 2 usage, 3 a service is unreachable, 4 damaged data,
5 misconfigured; any other means failure. docs/reference/cli.md describes every command."""


def build_parser() -> argparse.ArgumentParser:
    """Build the command line's parser from the table of commands."""
    top = argparse.ArgumentParser(
        prog="dbb", description="The Data Backbone, for operators.", epilog=EPILOG
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        parser = commands.add_parser(name, help=module.HELP, description=module.HELP)
        for action, leaf in (module.configure(parser) or {"": parser}).items():
            leaf.add_argument("--json", action="store_true", help="write a stable JSON document")
            is_watched = f"{name} {action}".strip() in WATCHED
            leaf.set_defaults(watch=False)
            if is_watched:
                leaf.add_argument(
                    "--watch",
                    action="store_true",
                    help=f"look again every {WATCH_S} s, until Ctrl-C",
                )
    return top


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    make_context: Callable[[Settings, Output], Context] = Context,
) -> int:
    """Run one command; give its exit code."""
    parser = build_parser()
    argcomplete.autocomplete(parser)
    given = parser.parse_args(arguments)
    if not given.watch:
        return _run(given, environment, make_context)
    code = int(Exit.WELL)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[2J\x1b[H")  # as `clear` does
            code = _run(given, environment, make_context)
            sys.stdout.flush()
            time.sleep(WATCH_S)
    return code


def _run(
    given: argparse.Namespace,
    environment: Mapping[str, str],
    make_context: Callable[[Settings, Output], Context],
) -> int:
    """Run a command once; turn errors into exit codes."""
    output = Output.choose(wants_json=given.json)
    try:
        values, sandbox_file = read_environment(environment)
        guard_logs({**os.environ, **values})
        if sandbox_file is not None:
            output.remark(f"DBB_LEDGER_URL is not set; the settings come from {sandbox_file}")
        context = make_context(Settings.load(environment=values), output)
        with output.following():
            code: Exit = COMMANDS[given.command].run(context, given)
    except UnsafeName as error:  # only an argument can be one here
        output.error(error, "Give an exposure as MC_O_20261121_000123 or a file as scope:name.")
        return Exit.USAGE
    except DbbError as error:
        output.error(error)
        return exit_of(error)
    except BrokenPipeError:
        # The reader of the pipe has seen enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.WELL
    except Exception:  # noqa: BLE001 - the end of the program, which must not look like findings
        sys.stderr.write(conceal(traceback.format_exc()))
        output.remark("this is a fault of the program: report it with the lines above")
        return Exit.FAULT
    return code
