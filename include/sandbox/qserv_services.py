"""Run a real MariaDB, Debian's, and over it the server that keeps Qserv's contract.

They are not part of `./sandbox up`; `./sandbox qserv` starts both. A test starts them by itself::

    MariaDb(layout, allotted).start()
    contract = QservContract(layout, allotted)
    contract.start()        # then `contract.url()` is the controller's address
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox.allotted import Allotted
from sandbox.environments import find_program
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.private_file import write_private
from sandbox.rest import answers
from sandbox.service import Service

CZAR = "qsmaster"
_OWNER = "dbb"
_SYSTEM_TABLES = Path("/usr/share/mysql/mysql_system_tables.sql")


class MariaDb(Service):
    """Keep tables of MyISAM in a folder of the state, on a loopback port."""

    name = "mariadb"
    ports = ("mariadb",)
    ready_within_s = 120

    def address(self) -> str:
        """Give host and port."""
        return f"127.0.0.1:{self.port()}"

    def connect(self, **more: Any) -> Any:
        """Open a connection that may do everything."""
        import pymysql  # noqa: PLC0415 - `./sandbox setup` runs where it is not installed yet

        return pymysql.connect(**self.arguments(_OWNER), **{"autocommit": True, **more})

    def arguments(self, user: str) -> dict[str, Any]:
        """Give what `pymysql.connect` takes."""
        password = self.allotted.secret(f"mariadb_{user}")
        return {"host": "127.0.0.1", "port": self.port(), "user": user, "password": password}

    def missing(self) -> str | None:
        """Say so where Debian's package is not installed."""
        if find_program("mariadbd") and _SYSTEM_TABLES.exists():
            return None
        return "the Debian package mariadb-server-core is missing"

    def prepare(self) -> None:
        """Make the data folder at the first start, and the users at each."""
        folder = self.layout.data(self.name)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "made").exists():
            self._make()
            (folder / "made").touch()
        users = [
            f"CREATE OR REPLACE USER `{user}`@`%` IDENTIFIED BY"
            f" '{self.allotted.secret(f'mariadb_{user}')}';"
            for user in (_OWNER,)
        ]
        users += [
            (
                f"CREATE USER IF NOT EXISTS `{CZAR}`@`%` IDENTIFIED BY"
                f" '{self.allotted.secret(f'mariadb_{CZAR}')}';"
            ),
            f"GRANT ALL ON *.* TO `{_OWNER}`@`%` WITH GRANT OPTION;",
        ]
        write_private(folder / "users.sql", "\n".join(users) + "\n")

    def command(self) -> list[str]:
        """Run it without InnoDB and without the machine's own configuration."""
        folder = self.layout.data(self.name)
        return [
            *self._server(),
            f"--port={self.port()}",
            "--bind-address=127.0.0.1",
            # In the data folder and named from there: the path of a socket may have 107 bytes only.
            "--socket=socket",
            f"--pid-file={folder}/pid",
            f"--init-file={folder}/users.sql",
            "--skip-name-resolve",
            "--max-connections=500",
            "--table-open-cache=4000",
            "--key-buffer-size=32M",
            "--aria-pagecache-buffer-size=16M",
        ]

    def is_ready(self) -> bool:
        """Log in."""
        import pymysql  # noqa: PLC0415 - as above

        try:
            self.connect(connect_timeout=2).close()
        except (pymysql.MySQLError, OSError):
            return False
        return True

    def _server(self) -> list[str]:
        return [
            find_program("mariadbd") or "mariadbd",
            "--no-defaults",
            *(["--user=root"] if os.geteuid() == 0 else []),
            f"--datadir={self.layout.data(self.name)}/data",
            "--innodb=OFF",
            "--default-storage-engine=MyISAM",
        ]

    def _make(self) -> None:
        folder = self.layout.data(self.name) / "data"
        folder.mkdir(exist_ok=True)
        script = "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\n" + _SYSTEM_TABLES.read_text()
        done = subprocess.run(
            [*self._server(), "--bootstrap"],
            input=script, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise SandboxError(
                "MariaDB's data folder could not be made",
                where=str(folder),
                next_action=f"It said: {done.stderr.strip()[-500:]}",
            )


class QservContract(Service):
    """Serve the ingest API of a controller and its workers, over that MariaDB.

    Parameters
    ----------
    workers
        How many; the number is part of what is kept, so do not lower it over the same state.
    bug
        One of `sandbox.qserv.bugs`, to be started with; for tests of the tests.
    tls
        The files of a certificate for ``localhost`` or the loopback address, and of its key; without
        them it speaks without TLS.
    """

    name = "qserv-contract"
    needs = ("mariadb",)
    ports = ("qserv_controller",)
    ready_within_s = 120

    def __init__(
        self,
        layout: Layout,
        allotted: Allotted,
        workers: int = 3,
        bug: str = "",
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(layout, allotted)
        self.bug = bug
        self.tls = tls
        self.workers = workers
        self.mariadb = MariaDb(layout, allotted)

    def url(self) -> str:
        """Give the controller's address; it tells those of the workers."""
        return self._url(self.port())

    def address(self) -> str:
        """Give the controller's address."""
        return self.url()

    @property
    def auth_key(self) -> str:
        """The key that changes anything."""
        return self.allotted.secret("qserv_auth_key")

    @property
    def admin_auth_key(self) -> str:
        """The key that also changes what is published."""
        return self.allotted.secret("qserv_admin_auth_key")

    def czar(self) -> dict[str, Any]:
        """Give what `pymysql.connect` takes to query published databases, and nothing else."""
        return self.mariadb.arguments(CZAR)

    def missing(self) -> str | None:
        """Say so where MariaDB is missing."""
        return self.mariadb.missing()

    def prepare(self) -> None:
        """Write its configuration, which has the keys."""
        folder = self.layout.data(self.name)
        (folder / "loading").mkdir(parents=True, exist_ok=True)
        numbers = range(1, self.workers + 1)
        config = {
            "mysql": self.mariadb.arguments(_OWNER),
            "keys": [self.auth_key, self.admin_auth_key],
            "controller_port": self.port(),
            "worker_ports": [self.allotted.port(f"qserv_worker_{n}") for n in numbers],
            "folder": str(folder / "loading"),
            "czar_user": CZAR,
            "bug": self.bug,
            "tls": [str(file) for file in self.tls] if self.tls else None,
        }
        write_private(self._config, json.dumps(config))

    def command(self) -> list[str]:
        """Run the supervisor of its processes."""
        return [sys.executable, "-m", "sandbox.qserv", str(self._config)]

    def environment(self) -> dict[str, str]:
        """Let Python find the server beside this package."""
        return {**super().environment(), "PYTHONPATH": str(self.layout.root / "include")}

    def is_ready(self) -> bool:
        """Ask every server for its version."""
        ports = [self.port()]
        ports += [self.allotted.port(f"qserv_worker_{n}") for n in range(1, self.workers + 1)]
        return all(answers(f"{self._url(port)}/meta/version") for port in ports)

    def _url(self, port: int) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{port}"

    @property
    def _config(self) -> Path:
        return self.layout.data(self.name) / "config.json"
