"""Receive the events that Rucio's hermes posts, as it would to Elasticsearch.

hermes deletes a batch when the answer is 200 and keeps it for the next time otherwise. So nothing is
answered before the events are kept, and nothing that can never be kept is answered with an error: it
would hold up the stream for ever.
"""

from __future__ import annotations

import hmac
import json
import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dbb.errors import Transient
from dbb.flows.inbox import keep_events
from dbb.ports.inbox import Inbox

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024 * 1024
SOURCE = "hermes"


class HermesReceiver(ThreadingHTTPServer):
    """Serve ``POST /_bulk`` for hermes, and ``GET /`` for whoever asks whether it is there.

    Parameters
    ----------
    address
        Host and port to listen at.
    inbox
        Where events are kept.
    token
        What a caller must give as ``Authorization: Bearer …`` or as password; empty for nobody.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], inbox: Inbox, token: str = "") -> None:
        super().__init__(address, _Handler)
        self.inbox = inbox
        self.token = token


class _Handler(BaseHTTPRequestHandler):
    server: HermesReceiver
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._answer(200, {"service": "events"})

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(413, {"error": f"a body has up to {MAX_BODY_BYTES} bytes"})
            return
        body = self.rfile.read(int(size))
        if self.path != "/_bulk":
            self._answer(404, {"error": f"nothing at {self.path}"})
        elif not self._is_allowed():
            self._answer(401, {"error": "a token is needed"})
        else:
            self._keep(body)

    def _is_allowed(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return not self.server.token or hmac.compare_digest(given, self.server.token)

    def _keep(self, body: bytes) -> None:
        lines = [line for line in body.split(b"\n") if line.strip()]
        messages = [line for line in lines if not _is_index(line)]
        try:
            counts = keep_events(self.server.inbox, messages, SOURCE)
        except Transient as error:
            log.warning("action=keep-events source=%s reason=%s", SOURCE, error)
            self._answer(503, {"error": error.code})
        else:
            self._answer(200, counts)

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Leave it to the flow: one line a request would hide what matters."""


def _is_index(line: bytes) -> bool:
    """Say whether a line is Elasticsearch's command that goes before each document."""
    try:
        command = json.loads(line)
    except ValueError:
        return False
    return isinstance(command, dict) and list(command) == ["index"]
