"""Name every place of the project and of the sandbox's state, once."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold the project's root and the folder in which one sandbox keeps everything it writes."""

    root: Path
    state: Path

    @classmethod
    def find(cls, environ: Mapping[str, str] = os.environ) -> Layout:
        """Find the project from this file, and the state in ``DBB_SANDBOX_DIR`` or ``.sandbox``."""
        root = Path(__file__).resolve().parents[2]
        chosen = environ.get("DBB_SANDBOX_DIR")
        state = (root / chosen).resolve() if chosen else root / ".sandbox"
        return cls(root=root, state=state)

    @property
    def env_file(self) -> Path:
        """Where clients read the addresses and passwords of this sandbox."""
        return self.state / "env"

    @property
    def allotted_file(self) -> Path:
        """Where the ports and secrets of this sandbox are kept."""
        return self.state / "allotted.json"

    def log(self, service: str) -> Path:
        """Give the log file of a service."""
        return self.state / "logs" / f"{service}.log"

    def run_file(self, service: str) -> Path:
        """Give the file that says which process a service is."""
        return self.state / "run" / f"{service}.json"

    def data(self, service: str) -> Path:
        """Give the folder in which a service keeps its data."""
        return self.state / service

    def store(self, site: str) -> Path:
        """Give the root of a site's file store."""
        return self.state / "stores" / site.lower()

    @property
    def s3_file(self) -> Path:
        """Where it is kept which sites have a bucket for a store, one a line."""
        return self.state / "s3-sites"

    def s3_sites(self) -> tuple[str, ...]:
        """Name the sites whose store is a bucket of the sandbox's own S3 server."""
        return tuple(self.s3_file.read_text().split()) if self.s3_file.exists() else ()

    @property
    def first_night_file(self) -> Path:
        """Where it is kept which night is the sandbox's first: the one before it was made."""
        return self.state / "first-night"

    @property
    def executor_file(self) -> Path:
        """Where it is kept how Airflow runs tasks."""
        return self.state / "executor"

    def executor(self) -> str:
        """Name how Airflow runs tasks: `local` unless somebody chose."""
        return self.executor_file.read_text().strip() if self.executor_file.exists() else "local"

    @property
    def venv(self) -> Path:
        """The environment of Airflow, the Butler, the clients and the tools."""
        return self.root / ".venv"

    @property
    def venv_rucio(self) -> Path:
        """The environment of the Rucio server."""
        return self.root / ".venv-rucio"

    @property
    def venv_tools(self) -> Path:
        """The environment that holds `uv` where the machine has none."""
        return self.root / ".venv-tools"

    def make(self) -> None:
        """Create the state folder, readable by its owner only: it holds passwords."""
        for folder in (self.state, self.state / "logs", self.state / "run"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.first_night_file.exists():
            yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
            self.first_night_file.write_text(f"{yesterday:%Y%m%d}\n")
