"""Write Airflow's home: its configuration, its secrets and its metadata database."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import ClassVar

from sandbox.client_env import AIRFLOW_USER, client_env
from sandbox.errors import SandboxError
from sandbox.executors import EXECUTORS
from sandbox.private_file import write_private
from sandbox.render_config import render
from sandbox.s3_sites import PROFILE, buckets
from sandbox.service import Service
from sandbox.services.postgres import url
from sandbox.services.redis import Redis

_BACKEND = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
_SIMPLE_AUTH = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"

# Airflow's processes start in parallel, and each asks for the same home.
_ONE_WRITER = threading.Lock()


class AirflowHome(Service):
    """Share configuration and environment between Airflow's processes."""

    _is_prepared: ClassVar[bool] = False

    @property
    def home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.layout.data("airflow")

    def api(self) -> str:
        """Give the URL of the API server."""
        return f"http://127.0.0.1:{self.allotted.port('airflow_api')}"

    def environment(self) -> dict[str, str]:
        """Pass on the variables of the env file, and drop the caller's own Airflow settings.

        Keys of S3 are left out: Airflow has them as connections, from a secrets backend.
        """
        inherited = super().environment()
        kept = {k: v for k, v in inherited.items() if not k.startswith(("AIRFLOW", "DBB_"))}
        clients = {
            name: value
            for name, value in client_env(self.layout, self.allotted).items()
            if not name.startswith(PROFILE)
        }
        tools = self.layout.venv / "bin"
        path = f"{tools}{os.pathsep}{kept.get('PATH', os.defpath)}"
        root = self.layout.root
        # The root makes `include` importable, include/ makes `sandbox` so; plugins/ is Airflow's own.
        python_path = f"{root}{os.pathsep}{root / 'include'}"
        return {**kept, **clients, "PATH": path, "PYTHONPATH": python_path}

    def template_values(self) -> dict[str, str]:
        """Give what ``airflow.cfg.template`` leaves open, and the sandbox's departures from it."""
        root = self.layout.root
        return {
            "DBB_AIRFLOW_AUTH_MANAGER": _SIMPLE_AUTH,
            "DBB_AIRFLOW_CFG_DIR": str(self.home),
            "DBB_AIRFLOW_DAGS_FOLDER": str(root / "dags"),
            "DBB_AIRFLOW_EXECUTOR": EXECUTORS[self.layout.executor()],
            "DBB_AIRFLOW_HOST": "127.0.0.1",
            "DBB_AIRFLOW_JSON_LOGS": "False",
            "DBB_AIRFLOW_LOG_LEVEL": os.environ.get("DBB_AIRFLOW_LOG_LEVEL", "INFO"),
            "DBB_AIRFLOW_LOG_PORT": str(self.allotted.port("airflow_logs")),
            "DBB_AIRFLOW_PARALLELISM": "4",
            "DBB_AIRFLOW_PAUSED_AT_CREATION": "False",
            "DBB_AIRFLOW_PLUGINS_FOLDER": str(root / "plugins"),
            "DBB_AIRFLOW_PORT": str(self.allotted.port("airflow_api")),
            "DBB_AIRFLOW_RETRY_DELAY_S": "5",
            **self._secrets_backend(),
            "DBB_AIRFLOW_SECRETS_DIR": str(self.home / "secrets"),
            "DBB_AIRFLOW_SIMPLE_USERS": f"{AIRFLOW_USER}:admin",
            "DBB_AIRFLOW_TRIGGER_LOG_PORT": str(self.allotted.port("airflow_trigger_logs")),
            "DBB_AIRFLOW_URL": self.api(),
            "DBB_AIRFLOW_API_WORKERS": "1",
            "DBB_AIRFLOW_VISIBILITY_S": "60",
            "DBB_AIRFLOW_WORKER_CONCURRENCY": "2",
        }

    @property
    def _connections_file(self) -> Path:
        return self.home / "secrets" / "connections.json"

    def _secrets_backend(self) -> dict[str, str]:
        """Give where Airflow finds the keys of buckets, if there are any."""
        if not buckets(self.layout, self.allotted):
            return {}
        kwargs = {"connections_file_path": str(self._connections_file)}
        return {
            "DBB_AIRFLOW_SECRETS_BACKEND": _BACKEND,
            "DBB_AIRFLOW_SECRETS_BACKEND_KWARGS": json.dumps(kwargs),
        }

    def secrets(self) -> dict[str, str]:
        """Give the values that the configuration reads from files, never contains."""
        seed = self.allotted.secret("airflow_fernet").encode()
        # psycopg2 is the driver that Airflow's own providers are tested with.
        database = url(
            "airflow",
            self.allotted.secret("airflow"),
            self.allotted.port("postgres"),
            "airflow",
            "psycopg2",
        )
        return {
            "sql_alchemy_conn": database,
            "celery_broker_url": Redis(self.layout, self.allotted).url(),
            "celery_result_backend": f"db+{database}",
            "fernet_key": base64.urlsafe_b64encode(hashlib.sha256(seed).digest()).decode(),
            "jwt_secret": self.allotted.secret("airflow_jwt") * 2,
            "secret_key": self.allotted.secret("airflow_secret_key"),
            # Read by SimpleAuthManager as it is: user -> password.
            "passwords.json": json.dumps({AIRFLOW_USER: self.allotted.secret("airflow_admin")}),
            self._connections_file.name: json.dumps(
                {each.profile: each.connection() for each in buckets(self.layout, self.allotted)}
            ),
        }

    def prepare(self) -> None:
        """Write configuration and secrets, and bring Airflow's database and ours up to date.

        A DAG that is scheduled as soon as Airflow runs must find its ledger and repositories.
        """
        with _ONE_WRITER:
            self._write_home()
            self._migrate()
            self._prepare_backbone()

    def _write_home(self) -> None:
        secrets = self.home / "secrets"
        secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, value in self.secrets().items():
            write_private(secrets / name, value)
        template = self.layout.root / "airflow.cfg.template"
        rendered = render(template.read_text(), self.template_values(), where=str(template))
        (self.home / "airflow.cfg").write_text(rendered)

    def _prepare_backbone(self) -> None:
        """Make the ledger and the Butler repositories, once for each start of the sandbox."""
        if self._is_prepared:
            return
        log = self.layout.log("prepare")
        environment = self.environment()
        plugins = self.layout.root / "plugins"
        environment["PYTHONPATH"] = f"{plugins}{os.pathsep}{environment['PYTHONPATH']}"
        command = [str(self.layout.venv / "bin" / "python"), "-m", "sandbox.prepare"]
        with log.open("ab") as output:
            code = subprocess.run(
                command, check=False, env=environment, stdout=output, stderr=output
            ).returncode
        if code != 0:
            raise SandboxError(
                "The ledger and the Butler repositories cannot be made",
                where=str(log),
                next_action="Read the log; `./sandbox reset` starts from empty databases.",
            )
        AirflowHome._is_prepared = True

    def _migrate(self) -> None:
        """Run ``airflow db migrate`` unless this lock of packages has done so already."""
        done = self.home / "migrated"
        lock = self.layout.root / "requirements.txt"
        version = hashlib.sha256(lock.read_bytes()).hexdigest()
        if done.exists() and done.read_text() == version:
            return
        airflow = str(self.layout.venv / "bin" / "airflow")
        with self.layout.log("airflow-migrate").open("ab") as log:
            code = subprocess.run(
                [airflow, "db", "migrate"],
                check=False,
                env=self.environment(),
                stdout=log,
                stderr=log,
            ).returncode
        if code != 0:
            raise SandboxError(
                "`airflow db migrate` failed",
                where=str(self.layout.log("airflow-migrate")),
                next_action="Read the log; `./sandbox reset` starts from an empty database.",
            )
        done.write_text(version)
