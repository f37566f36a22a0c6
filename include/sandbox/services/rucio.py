"""Run the Rucio server and its daemons."""

from __future__ import annotations

import os

from sandbox import sites
from sandbox.errors import SandboxError
from sandbox.rest import answers
from sandbox.rucio.config import RucioConfig
from sandbox.rucio.setting import RucioSetting
from sandbox.s3_sites import buckets
from sandbox.service import Service
from sandbox.services.memcached import Memcached
from sandbox.services.postgres import url

SERVICE_ACCOUNT = "dbb"


class Rucio(Service):
    """Keep the catalogue of replicas and turn rules into transfers, as in production."""

    name = "rucio"
    needs = ("postgres", "memcached", "copy")
    ports = ("rucio", "rucio_control")
    ready_within_s = 180
    # A cycle in progress is allowed to end: it may hold requests half-way through a state.
    stop_grace_s = 20

    def host(self) -> str:
        """Give the server's URL."""
        return f"http://127.0.0.1:{self.port()}"

    def control_url(self) -> str:
        """Give the URL of the control port."""
        return f"http://127.0.0.1:{self.allotted.port('rucio_control')}"

    def events_url(self) -> str:
        """Give the URL to which hermes posts."""
        return f"http://127.0.0.1:{self.allotted.port('events')}/_bulk"

    def config(self) -> RucioConfig:
        """Give the server's configuration."""
        memcached = Memcached(self.layout, self.allotted)
        return RucioConfig(
            folder=self.layout.data("rucio"),
            port=self.port(),
            database_url=url(
                "rucio", self.allotted.secret("rucio"), self.allotted.port("postgres"), "rucio"
            ),
            root_password=self.allotted.secret("rucio_root"),
            events_url=os.environ.get("DBB_SANDBOX_EVENTS_URL", self.events_url()),
            memcached=None if memcached.missing() else memcached.address(),
        )

    def setting(self) -> RucioSetting:
        """Give what the process sets up and serves."""
        return RucioSetting(
            port=self.port(),
            control_port=self.allotted.port("rucio_control"),
            scopes=list(sites.SCOPES),
            service_user=SERVICE_ACCOUNT,
            service_password=self.allotted.secret("rucio_dbb"),
            fts_url=f"http://127.0.0.1:{self.allotted.port('copy')}",
            stores={rse: str(self.layout.store(rse)) for rse in sites.RSES},
            buckets={
                bucket.site: bucket.rucio_setting()
                for bucket in buckets(self.layout, self.allotted)
            },
            pause_s=float(os.environ.get("DBB_SANDBOX_RUCIO_PAUSE_S", "1")),
            repair_every_s=30.0,
        )

    def prepare(self) -> None:
        """Write the configuration files."""
        if not (self.layout.venv_rucio / "bin" / "python").exists():
            raise SandboxError(
                "The Rucio environment is not installed",
                where=str(self.layout.venv_rucio),
                next_action="Run `./sandbox setup`.",
            )
        self.config().write()
        self.setting().write(self.layout.data("rucio") / "setting.json")

    def command(self) -> list[str]:
        """Run the server in its own environment."""
        setting = self.layout.data("rucio") / "setting.json"
        python = self.layout.venv_rucio / "bin" / "python"
        return [str(python), "-m", "sandbox.rucio.serve", str(setting)]

    def environment(self) -> dict[str, str]:
        """Point at the configuration and the policy package; never at another Rucio's."""
        inherited = {k: v for k, v in super().environment().items() if not k.startswith("RUCIO_")}
        include = self.layout.root / "include"
        return {
            **inherited,
            "RUCIO_CONFIG": str(self.config().path),
            "RUCIO_HOME": str(self.layout.data("rucio")),
            "PYTHONPATH": f"{include}{os.pathsep}{include / 'sandbox' / 'rucio' / 'policy'}",
        }

    def is_ready(self) -> bool:
        """Ask both ports: the control port opens last, when the catalogue is filled."""
        return answers(self.control_url() + "/") and answers(self.host() + "/ping")

    def address(self) -> str:
        """Give the URL."""
        return self.host()
