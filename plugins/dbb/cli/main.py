"""Dispatch of the ``dbb`` command: parse, run one command, turn errors into exit codes."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

from dbb.cli import (
    alerts,
    audit,
    backup,
    budget,
    buffers,
    calibration,
    canary,
    doctor,
    drill,
    efd,
    events,
    expire,
    export,
    exposure,
    ledger,
    lfa,
    night,
    oods,
    parcel,
    policy,
    qserv,
    quarantine,
    repair,
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
from dbb.settings import Settings

COMMANDS: dict[str, ModuleType] = {
    "night": night,
    "exposure": exposure,
    "where": where,
    "verify": verify,
    "audit": audit,
    "scrub": scrub,
    "expire": expire,
    "buffers": buffers,
    "budget": budget,
    "retry": retry,
    "repair": repair,
    "drill": drill,
    "backup": backup,
    "parcel": parcel,
    "export": export,
    "oods": oods,
    "lfa": lfa,
    "efd": efd,
    "alerts": alerts,
    "calibration": calibration,
    "policy": policy,
    "qserv": qserv,
    "events": events,
    "quarantine": quarantine,
    "canary": canary,
    "sweep": sweep,
    "doctor": doctor,
    "ledger": ledger,
}

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
        actions = module.configure(parser) or {name: parser}
        for leaf in actions.values():
            leaf.add_argument("--json", action="store_true", help="write a stable JSON document")
    return top


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    make_context: Callable[[Settings, Output], Context] = Context,
) -> int:
    """Run one command; give its exit code."""
    given = build_parser().parse_args(arguments)
    output = Output.choose(wants_json=given.json)
    try:
        values, sandbox_file = read_environment(environment)
        if sandbox_file is not None:
            output.remark(f"DBB_LEDGER_URL is not set; the settings come from {sandbox_file}")
        context = make_context(Settings.load(environment=values), output)
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
        traceback.print_exc()
        output.remark("this is a fault of the program: report it with the lines above")
        return Exit.FAULT
    return code
