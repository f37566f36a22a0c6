"""What Qserv's ingest API does, hazards and all: of the stand-in, or with `--qserv-url` of a real one.

A real one is opened by `DBB_QSERV_AUTH_KEY` and `DBB_QSERV_ADMIN_AUTH_KEY`, and asked by SQL where
`DBB_QSERV_SQL` is ``user:password@host:port``.
"""

from __future__ import annotations

import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from support.qserv import CHUNKS, Site, objects
from support.qserv_place import running_contract


@pytest.fixture(scope="session")
def contract(tmp_path_factory, request):
    """Give the stand-in, or nothing where a real Qserv is named."""
    if request.config.getoption("--qserv-url"):
        yield None
        return
    state = tmp_path_factory.mktemp("qserv")
    with running_contract(request.config.rootpath, state) as server:
        yield server


@pytest.fixture
def site(contract, request):
    if contract is not None:
        site = Site(contract.url(), contract.auth_key, contract.admin_auth_key, contract.czar())
    else:
        told = re.fullmatch(r"(.*):(.*)@(.*):(\d+)", os.environ.get("DBB_QSERV_SQL", ""))
        names = ("user", "password", "host", "port")
        czar = dict(zip(names, told.groups(), strict=True)) if told else {}
        site = Site(
            request.config.getoption("--qserv-url").rstrip("/"),
            os.environ["DBB_QSERV_AUTH_KEY"],
            os.environ["DBB_QSERV_ADMIN_AUTH_KEY"],
            {**czar, "port": int(czar["port"])} if czar else {},
        )
    yield site
    site.clean()


@pytest.fixture
def only_here(contract):
    """Give the stand-in to tests that a real Qserv cannot serve, and skip them there."""
    if contract is None:
        pytest.skip("a real Qserv has no switch for this")
    return contract


@pytest.fixture
def plant(only_here):
    def plant(kind, match, **more):
        body = {"kind": kind, "match": match, **more}
        requests.post(f"{only_here.url()}/_faults", json=body, timeout=10).raise_for_status()

    yield plant
    requests.delete(f"{only_here.url()}/_faults", timeout=10).raise_for_status()


@pytest.fixture
def database(site):
    return site.new_database("Object", "Source", "Filter")


@pytest.fixture
def source(only_here):  # noqa: ARG001 - a real Qserv cannot reach this machine
    """Serve rows; the first `.failures` requests are answered with 503."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked += 1
            if self.server.failures > 0:
                self.server.failures -= 1
                self.send_error(503)
                return
            body = objects(CHUNKS[0])
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + self.server.missing))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.failures = server.asked = server.missing = 0
        server.url = f"http://127.0.0.1:{server.server_port}/rows.csv"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
