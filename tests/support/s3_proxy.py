"""A bad link to an S3 server: a proxy that harms requests and answers on their way, as told.

It passes everything on unchanged, the signature and its ``Host`` included, except where a fault says
otherwise. What it damages is damaged behind the client's back, as a broken switch would do it.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive"})
_SLOW_DOWN = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)


class Harm(StrEnum):
    """Name what happens to a request that is hit."""

    FLIP_UP = "a bit of what is sent is flipped"
    FLIP_DOWN = "a bit of what is read is flipped"
    TRUNCATE = "what is read ends half-way"
    RESET_DOWN = "the connection is reset half-way through what is read"
    RESET = "the connection is reset before any answer"
    SLOW_DOWN = "503 SlowDown"


@dataclass
class Fault:
    """Say which requests are hit.

    Parameters
    ----------
    harm
        What happens to them.
    method
        ``GET``, ``PUT`` …
    times
        How many; None is all.
    retry_after
        What a ``SlowDown`` asks for.
    part
        Part of the address that must be there.
    """

    harm: Harm
    method: str
    times: int | None = None
    retry_after: str = ""
    part: str = ""
    hit: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Say whether a request is hit, and count it."""
        is_spent = self.times is not None and self.hit >= self.times
        if method != self.method or self.part not in path or is_spent:
            return False
        self.hit += 1
        return True


class S3Proxy(ThreadingHTTPServer):
    """Listen on loopback and pass requests on to a server."""

    daemon_threads = True

    def __init__(self, server_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_at = urlsplit(server_url).netloc
        self.faults: list[Fault] = []
        self.seen: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Give the address of the bad link."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def plant(self, harm: Harm, method: str, times: int | None = None, **more: str) -> Fault:
        """Harm requests from now on."""
        fault = Fault(harm, method, times, **more)
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """Harm nothing any more."""
        self.faults.clear()

    def fault_of(self, method: str, path: str) -> Fault | None:
        """Count a request, and find what happens to it."""
        with self.lock:
            self.seen[method] += 1
            return next((fault for fault in self.faults if fault.strikes(method, path)), None)


class _Handler(BaseHTTPRequestHandler):
    server: S3Proxy
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        fault = self.server.fault_of(self.command, self.path)
        if self.headers.get("x-amz-content-sha256", "").startswith("UNSIGNED"):
            self.server.seen[f"unsigned {self.command}"] += 1
        harm = fault.harm if fault else None
        if self.headers.get("Expect", "").lower() == "100-continue":
            pass  # the standard library has answered it already
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if harm is Harm.RESET:
            self._reset()
            return
        if harm is Harm.SLOW_DOWN and fault is not None:
            more = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._answer(503, {"Content-Type": "application/xml", **more}, _SLOW_DOWN)
            return
        if harm is Harm.FLIP_UP:
            body = _flipped(body)
        status, headers, data = self._ask(body)
        if harm is Harm.FLIP_DOWN:
            data = _flipped(data)
        if harm in (Harm.TRUNCATE, Harm.RESET_DOWN) and data:
            self._answer(status, headers, data, sent=data[: len(data) // 2])
            if harm is Harm.RESET_DOWN:
                self._reset()
            self.close_connection = True
            return
        self._answer(status, headers, data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815 - the library's names

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(http.client.HTTPConnection(self.server.server_at)) as upstream:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in self.headers.items():
                if key.lower() not in _HOP | {"expect"}:
                    upstream.putheader(key, value)
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP}
            return answer.status, headers, answer.read()

    def _answer(
        self, status: int, headers: dict[str, str], data: bytes, *, sent: bytes | None = None
    ) -> None:
        self.send_response_only(status)
        for key, value in headers.items():
            if key.lower() != "content-length":
                self.send_header(key, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data if sent is None else sent)

    def _reset(self) -> None:
        # Closing with a linger time of zero sends RST instead of FIN.
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _flipped(data: bytes) -> bytes:
    damaged = bytearray(data)
    if damaged:
        damaged[len(damaged) // 2] ^= 1
    return bytes(damaged)


@contextmanager
def bad_link(server_url: str) -> Iterator[S3Proxy]:
    """Run a proxy in front of a server."""
    proxy = S3Proxy(server_url)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
