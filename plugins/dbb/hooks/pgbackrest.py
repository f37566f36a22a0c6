"""pgBackRest: backups of the Consolidated Database, and restoring them to a moment in another folder.

It runs beside the database, as the user whom the database's files belong to.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import string
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import make_url

from dbb.errors import BackupUnusable, InstallationWrong, SettingMissing
from dbb.settings import INCLUDE, Settings

log = logging.getLogger(__name__)

TEMPLATE = INCLUDE / "backup" / "pgbackrest.conf.template"
QUICK_S = 600
"""Longest time of a command that moves little."""
LONG_S = 24 * 3600
"""Longest time of a command that reads or writes the whole database."""


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Say what is backed up, where to, and where it is restored for a drill.

    Parameters
    ----------
    config
        The configuration file of pgBackRest that ``dbb backup config`` writes.
    stanza
        pgBackRest's name for the database cluster.
    data
        The data directory of the cluster.
    url
        SQLAlchemy's address of the database as its superuser, by socket: ``?host=/folder``.
    repository
        Where backups lie: ``file:///folder`` or ``s3://bucket/folder``.
    scratch
        Folder in which drills restore; whatever a drill made there is taken away at its end.
    programs
        Folder of PostgreSQL's programs, of the cluster's version.
    run_as
        Words put before each command where the caller is root, so that it runs as the database's user.
    environment
        Where the repository's secrets are looked up.
    """

    config: Path
    stanza: str
    data: Path
    url: str
    repository: str
    scratch: Path
    programs: Path
    run_as: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def load(cls, settings: Settings) -> BackupSettings:
        """Read them from the environment.

        Raises
        ------
        SettingMissing
            If one has no value.
        """
        known = settings.environment
        return cls(
            config=Path(settings.value("DBB_BACKUP_CONFIG")),
            stanza=known.get("DBB_BACKUP_STANZA", "dbb"),
            data=Path(settings.value("DBB_BACKUP_PGDATA")),
            url=settings.value("DBB_BACKUP_URL"),
            repository=settings.value("DBB_BACKUP_REPOSITORY"),
            scratch=Path(settings.value("DBB_BACKUP_SCRATCH")),
            programs=Path(known.get("DBB_BACKUP_PGBIN", "/usr/lib/postgresql/15/bin")),
            run_as=tuple(shlex.split(known.get("DBB_BACKUP_RUN_AS", ""))),
            environment=known,
        )

    @property
    def process_environment(self) -> dict[str, str]:
        """Give the variables of a program: the caller's, no PG* but the repository's secrets."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        secrets = "PGBACKREST_REPO1_"
        return env | {k: v for k, v in self.environment.items() if k.startswith(secrets)}


def render_config(settings: BackupSettings) -> str:
    """Fill the template in; no secret is put into it.

    Raises
    ------
    SettingMissing
        If the repository is on S3 and its endpoint or region is not set.
    """
    url = make_url(settings.url)
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        repository="\n".join(_repository(settings)),
        lock_path=settings.config.parent / "lock",
        spool_path=settings.config.parent / "spool",
        stanza=settings.stanza,
        pg_path=settings.data,
        pg_port=url.query.get("port") or url.port or 5432,
        pg_socket=url.query.get("host", "/var/run/postgresql"),
        pg_user=url.username or "postgres",
        pg_database=url.database or "postgres",
    )


def _repository(settings: BackupSettings) -> list[str]:
    parts, known = urlsplit(settings.repository), settings.environment
    lines = [f"repo1-path={parts.path or '/'}"]
    if parts.scheme == "s3":
        for name in ("DBB_BACKUP_S3_ENDPOINT", "DBB_BACKUP_S3_REGION"):
            if not known.get(name):
                raise SettingMissing.for_setting(name)
        host, _, port = known["DBB_BACKUP_S3_ENDPOINT"].partition(":")
        lines += [
            "repo1-type=s3",
            f"repo1-s3-bucket={parts.netloc}",
            f"repo1-s3-endpoint={host}",
            f"repo1-s3-region={known['DBB_BACKUP_S3_REGION']}",
            "repo1-s3-uri-style=path",
            "repo1-bundle=y",
        ]
        if port:
            lines.append(f"repo1-storage-port={port}")
        if known.get("DBB_BACKUP_S3_CA"):
            lines.append(f"repo1-storage-ca-file={known['DBB_BACKUP_S3_CA']}")
    if known.get("PGBACKREST_REPO1_CIPHER_PASS"):
        lines.append("repo1-cipher-type=aes-256-cbc")
    return lines


class PgBackRest:
    """Make, check and restore backups.

    Parameters
    ----------
    settings
        Of what, and where to.
    """

    def __init__(self, settings: BackupSettings) -> None:
        self.settings = settings

    def create(self) -> None:
        """Make the repository of the stanza; one that is there stays."""
        self._run("stanza-create")

    def backup(self, kind: str) -> None:
        """Take a ``full`` or ``incr`` backup, and let go what retention says."""
        self._run("backup", f"--type={kind}", limit_s=LONG_S)

    def check(self) -> None:
        """Switch to a new WAL file and wait until it has arrived: archiving works up to this moment."""
        self._run("check")

    def verify(self) -> None:
        """Read everything in the repository and compare it with its checksums.

        Raises
        ------
        BackupUnusable
            If a file is missing or its bytes are others.
        """
        said = self._run("verify", "--output=text", "--verbose", limit_s=LONG_S)
        if bad := _bad_files(said):
            raise BackupUnusable.for_answer("verify", "; ".join(bad[:3]))

    def list(self) -> list[dict[str, Any]]:
        """List the backups, oldest first."""
        stanzas = json.loads(self._run("info", "--output=json", "--log-level-console=off"))
        return [
            {
                "label": each["label"],
                "type": each["type"],
                "started_at": each["timestamp"]["start"],
                "ended_at": each["timestamp"]["stop"],
                "database_bytes": each["info"]["size"],
                "repository_bytes": each["info"]["repository"]["delta"],
                "has_errors": bool(each.get("error")),
            }
            for stanza in stanzas
            for each in stanza["backup"]
        ]

    def restore(self, target: str, folder: Path) -> None:
        """Restore to a named restore point into an empty folder; the cluster itself is left alone."""
        self._run(
            "restore",
            f"--pg1-path={folder}",
            "--type=name",
            f"--target={target}",
            "--target-action=promote",
            "--archive-mode=off",
            limit_s=LONG_S,
        )

    def _run(self, command: str, *options: str, limit_s: float = QUICK_S) -> str:
        mine = self.settings
        words = [*mine.run_as, "pgbackrest", f"--config={mine.config}", f"--stanza={mine.stanza}"]
        words += [*options, command]
        try:
            done = subprocess.run(  # noqa: S603 - the installation's own settings
                words,
                check=False,
                capture_output=True,
                text=True,
                env=mine.process_environment,
                timeout=limit_s,
            )
        except FileNotFoundError as error:
            why = "it is not installed"
            raise InstallationWrong.for_part(str(error.filename), why) from None
        except subprocess.TimeoutExpired:
            why = f"no answer within {limit_s:g} s"
            raise BackupUnusable.for_answer(command, why) from None
        log.info("action=backup command=%s code=%d", command, done.returncode)
        if done.returncode != 0:
            raise BackupUnusable.for_answer(command, _first_error(done.stdout + done.stderr))
        return done.stdout


def _first_error(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    return " ".join((errors or lines or ["it said nothing"])[:2])


def _bad_files(said: str) -> list[str]:
    """Find in a report what is not well; the exit code is 0 in either case."""
    lines = [line.strip() for line in said.splitlines()]
    named = re.findall(r"INFO: ((?:invalid checksum|invalid size|file missing) '[^']+')", said)
    states = [line for line in lines if line.startswith("status:")]
    counts = re.findall(r"((?:missing|checksum invalid|size invalid|other): [1-9]\d*)", said)
    if not states or any(line != "status: ok" for line in states) or counts:
        return named or counts or states or ["it reported no status"]
    return []
