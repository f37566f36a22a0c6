"""Where the tests of the handoff find a Qserv: the stand-in, started for them, or a real one that is named."""

import os
import re
import warnings
from contextlib import contextmanager

import pytest
import requests

from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.qserv_services import MariaDb, QservContract


@contextmanager
def running_contract(root, state, **more):
    """Run a stand-in of the tests' own."""
    layout = Layout(root, state)
    layout.make()
    allotted = Allotted.load(layout.allotted_file)
    mariadb, server = MariaDb(layout, allotted), QservContract(layout, allotted, **more)
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


def plant(contract, kind, times=1, match=None, **more):
    if isinstance(contract, RealQserv):
        pytest.skip("a real Qserv has no switch for this")
    requests.post(
        f"{contract.url()}/_faults",
        json={"kind": kind, "times": times, "match": match or {}, **more},
        timeout=5,
    ).raise_for_status()


def mend(contract):
    if not isinstance(contract, RealQserv):
        requests.delete(f"{contract.url()}/_faults", timeout=5)
