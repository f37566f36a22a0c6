"""Run a real InfluxDB 1.x, Debian's, as the EFD: for tests of what asks it.

It is not part of `./sandbox up`. A test starts it by itself::

    server = Influx(layout, allotted)
    server.start()          # then `server.url()` is the EFD's address
"""

from __future__ import annotations

from pathlib import Path

from sandbox.environments import find_program
from sandbox.rest import answers
from sandbox.service import Service


class Influx(Service):
    """Keep points in a folder of the state, on loopback ports, and report to nobody."""

    name = "influxd"
    ports = ("influxd", "influxd_backup")
    ready_within_s = 120

    def url(self) -> str:
        """Give the address of its HTTP interface."""
        return f"http://127.0.0.1:{self.port()}"

    def address(self) -> str:
        """Give the address of its HTTP interface."""
        return self.url()

    def missing(self) -> str | None:
        """Say so where Debian's package is not installed."""
        return None if find_program("influxd") else "the Debian package influxdb is missing"

    def prepare(self) -> None:
        """Write its configuration: all that it keeps lies in its folder."""
        folder = self.layout.data(self.name)
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(
            f"""reporting-disabled = true
bind-address = "127.0.0.1:{self.allotted.port("influxd_backup")}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
index-version = "tsi1"
query-log-enabled = false
[coordinator]
write-timeout = "120s"
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{self.port()}"
log-enabled = false
"""
        )

    def command(self) -> list[str]:
        """Run it with that configuration and nobody else's."""
        return [find_program("influxd") or "influxd", "-config", str(self._config)]

    def is_ready(self) -> bool:
        """Ask whether it is well."""
        return answers(self.url() + "/ping")

    @property
    def _config(self) -> Path:
        return self.layout.data(self.name) / "influxdb.conf"
