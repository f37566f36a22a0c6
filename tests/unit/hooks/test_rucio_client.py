"""Rucio's client before a server that answers, and is not Rucio."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dbb.errors import CatalogUnavailable
from dbb.hooks.rucio_client import make_client
from dbb.hooks.rucio_errors import rucio_errors


class Welcome(BaseHTTPRequestHandler):
    """Answer whatever is asked with a page, as a proxy does that leads elsewhere."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"welcome")

    def log_message(self, *_):
        pass


def test_a_server_that_is_not_rucio_is_told():
    with ThreadingHTTPServer(("127.0.0.1", 0), Welcome) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(CatalogUnavailable, match="not Rucio"), rucio_errors("whoami"):
            make_client(url, "dbb", "dbb", "password")
        server.shutdown()
        thread.join()
