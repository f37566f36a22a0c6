"""A Qserv to hand a release over to: the contract server, or with `--qserv-url` a real one."""

from __future__ import annotations

import uuid

import pytest

from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.czar import QservCzar
from support.qserv_handoff import make_handoff, write_inputs
from support.qserv_place import RealQserv, mend, running_contract


@pytest.fixture(scope="session")
def contract(tmp_path_factory, request):
    """Give a contract server of the tests' own, or the real one that is named."""
    if url := request.config.getoption("--qserv-url"):
        yield RealQserv(url)
        return
    with running_contract(request.config.rootpath, tmp_path_factory.mktemp("qserv")) as server:
        yield server


@pytest.fixture
def only_here(contract):
    """Skip what a real Qserv has no switch for, or cannot reach."""
    if isinstance(contract, RealQserv):
        pytest.skip("a real Qserv has no switch for this")


@pytest.fixture
def client(contract):
    mend(contract)
    client = QservClient(contract.url(), contract.auth_key, contract.admin_auth_key)
    yield client
    client.close()
    mend(contract)


@pytest.fixture
def handoff(contract, client, records, tmp_path):
    login = contract.czar()
    czar = QservCzar(login["host"], login["port"], login["user"], login["password"])
    served = (
        "push" if isinstance(contract, RealQserv) else ""
    )  # it cannot reach this machine's files
    made = make_handoff(
        f"dbb_{uuid.uuid4().hex[:8]}", client, records, tmp_path / "staging", czar, served=served
    )
    yield made
    if isinstance(contract, RealQserv) and client.catalog(made.plan.database) is not None:
        for each in client.transactions(made.plan.database):
            if each.state == "STARTED":
                client.end(each.id, abort=True)
        client.delete_database(made.plan.database)


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path)
