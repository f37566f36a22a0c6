"""A real PostgreSQL with its backups by pgBackRest, as root or not."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from dbb.cli.main import main
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.pgbackrest import BackupSettings
from dbb.settings import Settings
from dbb.wiring.base import SystemClock
from sandbox.environments import find_program
from sandbox.services import unprivileged

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
NEEDED = pytest.mark.skipif(
    not (find_program("pgbackrest") and (PROGRAMS / "initdb").exists()),
    reason="Debian's pgbackrest and postgresql-15 are not installed",
)


class Cluster:
    """A PostgreSQL of the test's own, whose WAL goes to a repository.

    Parameters
    ----------
    folder
        Where it lies; short, as a socket lies in it.
    changes
        Settings that are others, for another repository.
    """

    def __init__(self, folder, **changes):
        self.folder = folder
        self.data = folder / "data"
        self.words = unprivileged.prefix()
        self.env = {
            "DBB_BACKUP_CONFIG": str(folder / "etc/pgbackrest.conf"),
            "DBB_BACKUP_PGDATA": str(self.data),
            "DBB_BACKUP_URL": f"postgresql+psycopg://postgres@/cdb?host={folder}&port=5432",
            "DBB_BACKUP_REPOSITORY": (folder / "repository").as_uri(),
            "DBB_BACKUP_SCRATCH": str(folder / "scratch"),
            "DBB_BACKUP_RUN_AS": shlex.join(self.words),
            "DBB_LEDGER_URL": f"postgresql+psycopg://postgres@/cdb?host={folder}&port=5432",
            "PGBACKREST_REPO1_CIPHER_PASS": "a test has no secrets",
        } | changes
        self.engine = create_engine(self.env["DBB_BACKUP_URL"])

    def start(self):
        unprivileged.hand_over(self.folder, self.words)
        initdb = [str(PROGRAMS / "initdb"), "-D", str(self.data), "-U", "postgres", "--no-sync"]
        subprocess.run([*self.words, *initdb, "--auth=trust"], check=True, capture_output=True)
        push = f"pgbackrest --config={self.env['DBB_BACKUP_CONFIG']} --stanza=dbb archive-push %p"
        settings = {
            "listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "off",
            "archive_mode": "on", "archive_command": push, "max_wal_senders": 3,
        }  # fmt: skip
        server = [str(PROGRAMS / "postgres"), "-D", str(self.data)]
        server += [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        secrets = {k: v for k, v in self.env.items() if k.startswith("PGBACKREST_")}
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*self.words, *server],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | secrets,
            )
        ask = [str(PROGRAMS / "pg_isready"), "-q", "-h", str(self.folder)]
        for _ in range(600):
            if subprocess.run(ask, check=False).returncode == 0:
                break
            time.sleep(0.1)
        admin = create_engine(
            self.env["DBB_BACKUP_URL"].replace("/cdb?", "/postgres?"), isolation_level="AUTOCOMMIT"
        )
        with admin.connect() as connection:
            connection.execute(text("create database cdb"))
        admin.dispose()

    def fill(self):
        """Make the ledger and a table, and take the first backup."""
        SqlLedger(open_engine(self.env["DBB_LEDGER_URL"]), SystemClock(), "test").migrate()
        self.run(
            "create table sources (id bigint primary key, at timestamptz default now(), flux real, name text)",
            "insert into sources select i, now(), random(), md5(i::text) from generate_series(1, 200000) i",
        )
        assert main(["backup", "config", "--json"], self.env) == 1  # there is no backup yet
        assert main(["backup", "full", "--json"], self.env) == 0

    def stop(self):
        self.engine.dispose()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:  # it waits for a repository that takes no WAL
            self.process.kill()
            self.process.wait()

    def run(self, *statements):
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    @property
    def settings(self):
        return BackupSettings.load(Settings.load(environment=self.env))
