"""Dispatch the sandbox's commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from sandbox.envfile import read_env
from sandbox.environments import setup
from sandbox.errors import SandboxError
from sandbox.executors import EXECUTORS, keep_executor
from sandbox.layout import Layout
from sandbox.lifecycle import Sandbox, as_json, table
from sandbox.night import DAG, Night, last_night
from sandbox.qserv_services import QservContract
from sandbox.s3_sites import keep_s3_sites


def say(line: str) -> None:
    """Print one line at once, so that progress is seen in a pipe as well."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def cmd_setup(layout: Layout, _given: argparse.Namespace) -> int:
    """Install the two Python environments from their locks."""
    setup(layout, say)
    return 0


def cmd_up(layout: Layout, given: argparse.Namespace) -> int:
    """Start every service that does not run yet, and wait until all are ready."""
    if given.fresh:
        Sandbox(layout, say).reset()
    if given.s3:
        keep_s3_sites(layout, given.s3)
    if given.executor:
        services = Sandbox(layout, say).services
        runs = any(s.is_running() for s in services if s.name.startswith("airflow-"))
        keep_executor(layout, given.executor, airflow_runs=runs)
    sandbox = Sandbox(layout, say)
    sandbox.up(given.only)
    say(f"clients read            {layout.env_file}")
    return 0


def cmd_status(layout: Layout, given: argparse.Namespace) -> int:
    """Show which services run; the exit code is 1 when none does."""
    rows = Sandbox(layout, say).status()
    say(as_json(rows) if given.json else table(rows))
    return 0 if any(row["pid"] for row in rows) else 1


def cmd_down(layout: Layout, _given: argparse.Namespace) -> int:
    """Stop every service and verify that no process is left."""
    Sandbox(layout, say).down()
    return 0


def cmd_reset(layout: Layout, _given: argparse.Namespace) -> int:
    """Stop every service and delete everything that the sandbox ever wrote."""
    Sandbox(layout, say).reset()
    return 0


def cmd_env(layout: Layout, given: argparse.Namespace) -> int:
    """Run a command with the sandbox's variables: ``./sandbox env airflow dags list``."""
    values = read_env(layout.env_file)
    if not given.command:
        say(layout.env_file.read_text().rstrip())
        return 0
    path = f"{layout.venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return os.execvpe(given.command[0], given.command, {**os.environ, "PATH": path, **values})


def cmd_night(layout: Layout, given: argparse.Namespace) -> int:
    """Make a synthetic night at the summit and have Airflow move it; print its verdict."""
    night = Night(layout, say, given.day_obs or last_night())
    if not given.no_make:
        night.make(given.rest)
    night.transfer()
    return night.verdict()


def cmd_demo(layout: Layout, given: argparse.Namespace) -> int:
    """Set up, start everything, move a synthetic night, and say where to look next."""
    setup(layout, say)
    Sandbox(layout, say).up(None)
    verdict = cmd_night(layout, given)
    env = read_env(layout.env_file)
    say(
        "\n".join(
            (
                "",
                f"Airflow     {env['DBB_AIRFLOW_URL']}/dags/{DAG}",
                f"            user {env['DBB_AIRFLOW_USER']}, password {env['DBB_AIRFLOW_PASSWORD']}",
                "Look        ./dbb night DAY_OBS            the night's verdict and exposures",
                "            ./dbb exposure OBS_ID          the story of one exposure",
                "            ./dbb where OBS_ID             every copy of it",
                "            ./dbb doctor                   what is reachable",
                "Break       ./sandbox night --day-obs 20261101 --fault truncated",
                "            ./dbb quarantine list",
                "Stop        ./sandbox down                 reset deletes everything",
                "Read on     docs/tutorial.md",
            )
        )
    )
    return verdict


def cmd_qserv(layout: Layout, _given: argparse.Namespace) -> int:
    """Start a server that keeps the contract of Qserv's ingest API, over a real MariaDB."""
    services = Sandbox(layout, say).up_beside()
    contract = next(service for service in services if isinstance(service, QservContract))
    czar = contract.czar()
    say(
        "\n".join(
            (
                "",
                f"Controller  {contract.url()}  it tells where the workers are",
                f"Keys        qserv_auth_key, qserv_admin_auth_key in {layout.allotted_file}",
                (
                    f"SQL         mysql://{czar['user']}@{czar['host']}:{czar['port']}, password"
                    f" mariadb_{czar['user']} there"
                ),
                f"Faults      POST {contract.url()}/_faults",
                "Stop        ./sandbox down",
                "Read on     docs/reference/qserv-contract.md",
            )
        )
    )
    return 0


def cmd_test(layout: Layout, given: argparse.Namespace) -> int:
    """Install what is missing, then run pytest with the arguments given."""
    setup(layout, say, for_tests=True)
    python = str(layout.venv / "bin" / "python")
    os.chdir(layout.root)
    os.execv(python, [python, "-m", "pytest", *given.rest])


def _no_options(parser: argparse.ArgumentParser) -> None:
    """Take no options."""


def _up_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", metavar="NAMES", help="postgres,rucio,… or a group: storage, airflow"
    )
    parser.add_argument("--fresh", action="store_true", help="delete the state folder first")
    parser.add_argument(
        "--s3", action="append", metavar="SITE", help="keep this site's store on S3, for good"
    )
    parser.add_argument(
        "--executor", choices=EXECUTORS, help="how Airflow runs tasks from now on; local at first"
    )


def _status_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _night_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day-obs", help="the observing day, YYYYMMDD; last night without")
    parser.add_argument("--no-make", action="store_true", help="move what lies there already")
    parser.epilog = (
        "All other words go to the generator: --profile S, --exposures 5, --fault truncated, …"
    )


def _command_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command to run")


def _test_words(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "All words go to pytest."


Command = Callable[[Layout, argparse.Namespace], int]
Options = Callable[[argparse.ArgumentParser], None]

# Every command of ./sandbox: what it does, and the options it takes.
COMMANDS: dict[str, tuple[Command, Options]] = {
    "setup": (cmd_setup, _no_options),
    "up": (cmd_up, _up_options),
    "status": (cmd_status, _status_options),
    "down": (cmd_down, _no_options),
    "reset": (cmd_reset, _no_options),
    "night": (cmd_night, _night_options),
    "demo": (cmd_demo, _night_options),
    "env": (cmd_env, _command_words),
    "qserv": (cmd_qserv, _no_options),
    "test": (cmd_test, _test_words),
}


PASSES_ON = frozenset({"night", "demo", "test"})
"""Commands that hand the words they do not know to another program."""


def parser() -> argparse.ArgumentParser:
    """Build the command line's parser from the table of commands."""
    top = argparse.ArgumentParser(prog="./sandbox", description="The Data Backbone on one machine.")
    commands = top.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for name, (command, options) in COMMANDS.items():
        options(commands.add_parser(name, help=command.__doc__, description=command.__doc__))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on stderr and exit code 2."""
    given, rest = parser().parse_known_args(arguments)
    given.rest = [word for word in rest if word != "--"]
    command, _ = COMMANDS[given.name]
    if given.rest and given.name not in PASSES_ON:
        parser().error(f"unrecognized arguments: {' '.join(given.rest)}")
    try:
        return command(Layout.find(), given)
    except SandboxError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("sandbox: interrupted; `./sandbox down` stops what was started\n")
        return 130
