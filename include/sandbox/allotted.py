"""Draw ports and secrets once, and keep them for as long as the sandbox's state lives."""

from __future__ import annotations

import json
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.private_file import write_private

# Below Linux's ephemeral range, so that no outgoing connection can take a port of a stopped service.
PORT_RANGE = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass
class Allotted:
    """Give each name one port or one secret, the same at every call and after every restart."""

    path: Path
    ports: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Allotted:
        """Read what was drawn before; a missing file means nothing was."""
        if not path.exists():
            return cls(path)
        try:
            kept = json.loads(path.read_text())
            return cls(path, ports=kept["ports"], secrets=kept["secrets"])
        except (ValueError, KeyError) as error:
            raise SandboxError(
                "The list of ports and secrets cannot be read",
                where=str(path),
                next_action="Run `./sandbox reset` and start again.",
            ) from error

    def port(self, name: str) -> int:
        """Give the port of a name, drawing a free one at the first call."""
        if name not in self.ports:
            taken = set(self.ports.values())
            candidates = (secrets.choice(PORT_RANGE) for _ in range(1000))
            self.ports[name] = next(p for p in candidates if p not in taken and is_free(p))
            self._save()
        return self.ports[name]

    def secret(self, name: str) -> str:
        """Give the secret of a name: letters and digits, so that it is safe in URLs and shells."""
        if name not in self.secrets:
            self.secrets[name] = secrets.token_hex(16)
            self._save()
        return self.secrets[name]

    def redraw_busy_ports(self) -> list[str]:
        """Forget ports that someone else took; only sound while no service of ours runs."""
        busy = [name for name, port in self.ports.items() if not is_free(port)]
        for name in busy:
            del self.ports[name]
        if busy:
            self._save()
        return busy

    def _save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = {"ports": self.ports, "secrets": self.secrets}
        write_private(self.path, json.dumps(kept, indent=1))
