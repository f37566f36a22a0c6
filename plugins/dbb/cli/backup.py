"""``dbb backup``: backups of the Consolidated Database, taken and read beside it."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from dbb.cli.actions import add_actions
from dbb.cli.context import Context
from dbb.cli.exits import Exit

if TYPE_CHECKING:
    from dbb.hooks.pgbackrest import PgBackRest

HELP = "Back up the Consolidated Database with pgBackRest; run it on the database's own host."
ACTIONS = {
    "config": "Write pgBackRest's configuration from the settings, and make the repository.",
    "full": "Take a full backup.",
    "incr": "Take a backup of what changed since the last one.",
    "check": "See that WAL arrives in the repository, up to this moment.",
    "verify": "Read the whole repository and compare it with its checksums.",
    "list": "List the backups.",
}


def configure(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Add the actions."""
    return add_actions(parser, ACTIONS)


def run(context: Context, given: argparse.Namespace) -> Exit:
    """Do one of the actions; what is wrong with a backup is an error with a code."""
    from dbb.hooks.pgbackrest import (  # noqa: PLC0415 - `dbb --help` opens nothing
        BackupSettings,
        PgBackRest,
        render_config,
    )

    settings = BackupSettings.load(context.settings)
    tool = PgBackRest(settings)
    if given.action == "config":
        _write_config(settings.config, render_config(settings))
        tool.create()
    elif given.action in ("full", "incr"):
        tool.backup(given.action)
    elif given.action == "check":
        tool.check()
    elif given.action == "verify":
        tool.verify()
    return _tell(context, tool)


def _write_config(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.rename(path)


def _tell(context: Context, tool: PgBackRest) -> Exit:
    """List what there is; none at all is something for a person."""
    backups = tool.list()
    context.output.document({"schema": "dbb-backup/1", "backups": backups})
    context.output.table(
        ["backup", "type", "ended at", "database bytes", "repository bytes", "errors"],
        [
            [each["label"], each["type"],
             dt.datetime.fromtimestamp(each["ended_at"], dt.UTC).isoformat(timespec="seconds"),
             each["database_bytes"], each["repository_bytes"], "yes" if each["has_errors"] else ""]
            for each in backups
        ],
    )  # fmt: skip
    is_well = bool(backups) and not any(each["has_errors"] for each in backups)
    return Exit.WELL if is_well else Exit.FINDINGS
