"""Run Redis, through which a CeleryExecutor hands its tasks to workers."""

from __future__ import annotations

import socket

from sandbox.environments import find_program
from sandbox.private_file import write_private
from sandbox.service import Service


class Redis(Service):
    """Keep the queues of tasks; only a sandbox whose executor is Celery has one."""

    name = "redis"
    ports = ("redis",)
    ready_within_s = 60

    @property
    def password(self) -> str:
        """Give what a client must say first."""
        return self.allotted.secret("redis")

    def url(self) -> str:
        """Give the broker's address, with the password."""
        return f"redis://:{self.password}@127.0.0.1:{self.port()}/0"

    def missing(self) -> str | None:
        """Say that the machine has no Redis."""
        if find_program("redis-server"):
            return None
        return "not installed (Debian package redis-server)"

    def prepare(self) -> None:
        """Write the configuration: the password is not for the command line."""
        folder = self.layout.data("redis")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = (
            "bind 127.0.0.1",
            f"port {self.port()}",
            f"requirepass {self.password}",
            f'dir "{folder}"',
            # What was queued is still queued after a restart.
            "appendonly yes",
            'save ""',
            # Never throw a queued task away for lack of memory.
            "maxmemory-policy noeviction",
        )
        write_private(folder / "redis.conf", "\n".join([*lines, ""]))

    def command(self) -> list[str]:
        """Give the server and its configuration."""
        program = find_program("redis-server") or "redis-server"
        return [program, str(self.layout.data("redis") / "redis.conf")]

    def is_ready(self) -> bool:
        """Ask for a sign of life, as a client would; it answers an error while it still loads."""
        try:
            with socket.create_connection(("127.0.0.1", self.port()), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (more := connection.recv(256)):
                    answer += more
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def address(self) -> str:
        """Give host and port."""
        return f"127.0.0.1:{self.port()}"
