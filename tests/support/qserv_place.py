"""Where the tests of the handoff find a Qserv: the stand-in, started for them, or a real one that is named."""

import os
import re
import warnings
from contextlib import contextmanager

import pytest

from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.qserv_services import MariaDb, QservContract


@contextmanager
def running_contract(root, state):
    """Run a stand-in of the tests' own."""
    layout = Layout(root, state)
    layout.make()
    allotted = Allotted.load(layout.allotted_file)
    mariadb, server = MariaDb(layout, allotted), QservContract(layout, allotted)
    if server.missing():
        pytest.skip(server.missing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # they outlive the call that starts them
        mariadb.start()
        server.start()
    yield server
    server.stop()
    mariadb.stop()


class RealQserv:
    """Hold what is told of a Qserv: `--qserv-url`, and in the environment its keys and its address for SQL."""

    def __init__(self, url):
        self._url = url.rstrip("/")
        self.auth_key = os.environ["DBB_QSERV_AUTH_KEY"]
        self.admin_auth_key = os.environ["DBB_QSERV_ADMIN_AUTH_KEY"]

    def url(self):
        return self._url

    def czar(self):
        told = re.fullmatch(r"(.*):(.*)@(.*):(\d+)", os.environ.get("DBB_QSERV_SQL", ""))
        if told is None:
            pytest.skip("what is published is compared by SQL, and no DBB_QSERV_SQL is set")
        user, password, host, port = told.groups()
        return {"user": user, "password": password, "host": host, "port": int(port)}

    @property
    def mariadb(self):
        pytest.skip("nobody looks behind a real Qserv's workers")
