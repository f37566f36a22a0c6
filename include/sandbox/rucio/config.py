"""Write the two files that a Rucio server reads: rucio.cfg and alembic.ini."""

from __future__ import annotations

import configparser
import io
from dataclasses import dataclass
from pathlib import Path

from sandbox.private_file import write_private

# `build_database` reads the logging sections too: without them it dies after creating the tables.
_ALEMBIC_LOGGING = """
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = %(levelname)s %(name)s %(message)s
"""


@dataclass(frozen=True, slots=True)
class RucioConfig:
    """Hold what differs from one Rucio instance to the next."""

    folder: Path
    port: int
    database_url: str
    root_password: str
    events_url: str
    memcached: str | None

    @property
    def path(self) -> Path:
        """Where the server, its daemons and the command line find their configuration."""
        return self.folder / "etc" / "rucio.cfg"

    @property
    def host(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    def sections(self) -> dict[str, dict[str, str]]:
        """Give every section; what is left out keeps Rucio's default."""
        alembic = str(self.folder / "etc" / "alembic.ini")
        return {
            "common": {"logdir": str(self.folder), "loglevel": "WARNING"},
            "client": {
                "rucio_host": self.host,
                "auth_host": self.host,
                "auth_type": "userpass",
                "username": "root",
                "password": self.root_password,
                "account": "root",
                # Else the tokens of every server on the machine share one file in /tmp.
                "auth_token_file_path": str(self.folder / "token"),
            },
            "database": {
                "default": self.database_url,
                "schema": "rucio",
                "pool_size": "10",
                "max_overflow": "10",
            },
            "bootstrap": {
                "userpass_identity": "root",
                "userpass_pwd": self.root_password,
                "userpass_email": "root@example.org",
                # Empty values skip these kinds of identity.
                "x509_identity": "",
                "gss_identity": "",
                "ssh_identity": "",
            },
            "alembic": {"cfg": alembic},
            # Tested once, when the server starts; nobody listens on port 1: caching is then off.
            "cache": {"url": self.memcached or "127.0.0.1:1"},
            "policy": {
                "package": "dbb_rucio_policy",
                "pfn2lfn": "dbb",
                "lfn2pfn_algorithm_default": "identity",
            },
            "conveyor": {"scheme": "file,https,davs,root", "transfertool": "fts3"},
            "hermes": {"services_list": "elastic", "elastic_endpoint": self.events_url},
            "messaging-hermes": {"email_from": "rucio@example.org"},
        }

    def write(self) -> None:
        """Write both files, readable by the owner only: they hold passwords."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        alembic = {
            "alembic": {
                "script_location": "rucio.db.sqla:migrate_repo",
                "sqlalchemy.url": self.database_url,
                "version_table_schema": "rucio",
            }
        }
        write_private(self.path, _ini(self.sections()))
        write_private(self.path.with_name("alembic.ini"), _ini(alembic) + _ALEMBIC_LOGGING)


def _ini(sections: dict[str, dict[str, str]]) -> str:
    config = configparser.RawConfigParser()
    config.read_dict(sections)
    text = io.StringIO()
    config.write(text)
    return text.getvalue()
