"""Run the FTS3-compatible copy service that moves the sandbox's bytes."""

from __future__ import annotations

import sys

from sandbox import sites
from sandbox.rest import answers
from sandbox.s3_sites import buckets
from sandbox.seaweedfs import SeaweedFs
from sandbox.service import Service


class CopyService(Service):
    """Serve the part of the FTS3 REST interface that Rucio's conveyor calls."""

    name = "copy"
    ports = ("copy",)
    ready_within_s = 60

    def url(self) -> str:
        """Give the address that RSEs carry in their attribute `fts`."""
        return f"http://127.0.0.1:{self.port()}"

    def prepare(self) -> None:
        """Create the stores: a missing mount must be an error, never a new empty folder."""
        for site in sites.STORES:
            self.layout.store(site).mkdir(parents=True, exist_ok=True)
        self.layout.data("copy").mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        """Allow the stores and nothing else."""
        command = [sys.executable, "-m", "sandbox.copy_service", "--port", str(self.port())]
        command += ["--jobs", str(self.layout.data("copy") / "jobs.sqlite"), "--workers", "4"]
        for site in sites.STORES:
            command += ["--allow", self.layout.store(site).as_uri()]
        for bucket in buckets(self.layout, self.allotted):
            command += ["--allow", bucket.mover_prefix]
        return command

    def environment(self) -> dict[str, str]:
        """Let Python find the service beside this package, and give it the key of the buckets."""
        env = {**super().environment(), "PYTHONPATH": str(self.layout.root / "include")}
        if self.layout.s3_sites():
            server = SeaweedFs(self.layout, self.allotted)
            env |= server.environment_of_clients()
            env["AWS_CA_BUNDLE"] = str(server.certificate)
        return env

    def is_ready(self) -> bool:
        """Ask for its version."""
        return answers(self.url() + "/")

    def address(self) -> str:
        """Give the URL."""
        return self.url()
