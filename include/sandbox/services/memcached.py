"""Run memcached for Rucio, where the machine has it."""

from __future__ import annotations

import os
import shutil
import socket

from sandbox.service import Service


class Memcached(Service):
    """Cache Rucio's look-ups: without it each rule and listing costs three to ten times more."""

    name = "memcached"
    ports = ("memcached",)
    ready_within_s = 60

    def missing(self) -> str | None:
        """Go on without: Rucio then asks its database every time."""
        if shutil.which("memcached"):
            return None
        return "not installed (Debian package memcached); Rucio works, three to ten times slower"

    def command(self) -> list[str]:
        """Listen on loopback only, without UDP; 64 MB hold far more than the sandbox's catalogue."""
        port = str(self.port())
        command = ["memcached", "-l", "127.0.0.1", "-p", port, "-U", "0", "-m", "64"]
        # memcached refuses to run as root unless told which user to become.
        return [*command, "-u", "nobody"] if os.geteuid() == 0 else command

    def is_ready(self) -> bool:
        """Ask for the version, as a client would."""
        try:
            with socket.create_connection(("127.0.0.1", self.port()), timeout=1) as connection:
                connection.sendall(b"version\r\n")
                return connection.recv(64).startswith(b"VERSION")
        except OSError:
            return False

    def address(self) -> str:
        """Give host and port."""
        return f"127.0.0.1:{self.port()}"
