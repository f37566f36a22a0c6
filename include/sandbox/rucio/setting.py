"""Carry the sandbox's choices into the Rucio process, as one JSON document."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox.private_file import write_private


@dataclass(frozen=True, slots=True)
class RucioSetting:
    """Hold what the Rucio process must set up and serve."""

    port: int
    control_port: int
    scopes: list[str]
    service_user: str
    service_password: str
    fts_url: str
    # RSE name -> absolute path of its store
    stores: dict[str, str]
    # RSE name -> port, prefix and key of its bucket, for those that have one
    buckets: dict[str, dict[str, str]]
    pause_s: float
    # Repairing re-submits every stuck transfer at once; at each cycle it would hide that it is stuck.
    repair_every_s: float

    def write(self, path: Path) -> None:
        """Write the document, readable by the owner only."""
        write_private(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> RucioSetting:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text()))
