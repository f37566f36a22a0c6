"""Let tests say "run one cycle now" and change the pause.

The server binds to loopback only and can start nothing but the daemons' own work.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sandbox.rucio.daemons import Cycle


class ControlServer(ThreadingHTTPServer):
    """Serve ``POST /cycle``, ``POST /pause`` and ``GET /``."""

    daemon_threads = True

    def __init__(self, port: int, cycle: Cycle) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.cycle = cycle


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        cycle = self.server.cycle
        if self.path == "/":
            state = {"cycles": cycle.count, "pause_s": cycle.pause_s, "errors": cycle.errors}
            self._answer(200, state)
        else:
            self._answer(404, {"error": f"nothing at {self.path}"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            wish = json.loads(body) if body else {}
            if self.path == "/cycle":
                self._answer(200, self.server.cycle.run(wish.get("only")))
            elif self.path == "/pause":
                self.server.cycle.set_pause(max(0.1, float(wish["seconds"])))
                self._answer(200, {"pause_s": self.server.cycle.pause_s})
            else:
                self._answer(404, {"error": f"nothing at {self.path}"})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._answer(400, {"error": f"{type(error).__name__}: {error}"})

    def _answer(self, status: int, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: one line a cycle would hide what matters."""
