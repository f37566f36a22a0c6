"""Run the receiver of Rucio's events."""

from __future__ import annotations

from sandbox.client_env import client_env
from sandbox.rest import answers
from sandbox.service import Service


class Events(Service):
    """Keep what hermes tells in the inbox; the endpoints' DAGs wake up by it."""

    name = "events"
    needs = ("postgres",)
    ports = ("events",)
    ready_within_s = 60

    def url(self) -> str:
        """Give the receiver's URL."""
        return f"http://127.0.0.1:{self.port()}"

    def command(self) -> list[str]:
        """Run the command line's receiver in the Airflow environment."""
        python = self.layout.venv / "bin" / "python"
        return [str(python), "-m", "dbb", "events", "receive", "--port", str(self.port())]

    def environment(self) -> dict[str, str]:
        """Let Python find the project, and the receiver its database."""
        return {
            **super().environment(),
            **client_env(self.layout, self.allotted),
            "PYTHONPATH": str(self.layout.root / "plugins"),
        }

    def is_ready(self) -> bool:
        """Ask whether it listens."""
        return answers(self.url() + "/")

    def address(self) -> str:
        """Give the URL."""
        return self.url()
