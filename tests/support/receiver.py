"""Servers that take what a program sends, over a real socket."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from contextlib import contextmanager


@contextmanager
def serving(handler):
    """Serve with a handler; give the port."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def webhook(got, status=200):
    """Take JSON that is posted; give the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}/services/SECRET"
