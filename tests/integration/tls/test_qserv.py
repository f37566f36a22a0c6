"""A Qserv that speaks https, and chunk files that are fetched by it."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
import time
import uuid

import pytest

from dbb.errors import QservStuck, QservUnavailable
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.czar import QservCzar
from dbb.hooks.qserv.opening import open_handoff
from dbb.settings import Settings
from support.certificates import NO_AUTHORITY, tls_before
from support.qserv_handoff import hand_over, load_all, make_handoff, prepare, write_inputs
from support.qserv_place import running_contract


@pytest.fixture(scope="module")
def qserv(tmp_path_factory, request, ours):
    """Run a stand-in of Qserv that speaks https, as its workers do."""
    contract = running_contract(
        request.config.rootpath, tmp_path_factory.mktemp("qserv"), tls=ours.certify("127.0.0.1")
    )
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # it is asked whether it is ready
            patch.setenv("SSL_CERT_FILE", str(ours.file))
            server = stack.enter_context(contract)
        yield server


@pytest.fixture
def served(tmp_path, ours):
    """Serve the staging folder by https; give its address."""
    (tmp_path / "staging").mkdir()
    handler = functools.partial(Quiet, directory=str(tmp_path / "staging"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with tls_before(server.server_port, ours.certify("localhost")) as port:
            yield f"https://localhost:{port}"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_release_is_handed_over_by_verified_tls_or_not_at_all(
    qserv, served, records, ours, theirs, believe, tmp_path
):
    login = qserv.czar()
    czar = QservCzar(login["host"], login["port"], login["user"], login["password"])
    inputs = write_inputs(tmp_path)

    def handoff(ca, served_ca):
        client = QservClient(
            qserv.url(), qserv.auth_key, qserv.admin_auth_key, ca=str(ca.file), served_ca=served_ca
        )
        name = f"t{uuid.uuid4().hex[:8]}"
        return make_handoff(name, client, records, tmp_path / "staging", czar, served=served)

    believe(theirs)  # of all web servers; a Qserv's own authority goes before it
    good = handoff(ours, str(ours.file))
    hand_over(good, *inputs, lambda: time.sleep(0.05))
    urls = [
        one.url
        for attempt in records.attempts(good.name)
        for one in good.server.transaction(attempt.transaction).contributions
    ]
    assert urls
    assert all(url.startswith(served) for url in urls)

    unbelieved = handoff(ours, "")
    prepare(unbelieved, *inputs)
    with pytest.raises(QservStuck, match="certificate verify failed"):
        load_all(unbelieved, lambda: time.sleep(0.05))

    end = {
        "DBB_QSERV_URL_USDF": qserv.url(), "DBB_QSERV_KEY_USDF": qserv.auth_key,
        "DBB_QSERV_STAGING_USDF": str(tmp_path), "DBB_QSERV_CA_USDF": str(ours.file),
        "DBB_QSERV_SERVED_CA_USDF": str(ours.file),
    }  # fmt: skip
    server = open_handoff(Settings.load(environment=end), "usdf", "dp1", records, 60).server
    server.register_authority(unbelieved.plan.database)
    told = server._get("/ingest/config", {"database": unbelieved.plan.database})["config"]
    assert (told["CAINFO_VAL"], told["SSL_VERIFYPEER"]) == (ours.file.read_text(), 1)

    with pytest.raises(QservUnavailable, match=f"no safe connection: {NO_AUTHORITY}") as failed:
        handoff(theirs, "").server.version()
    assert "DBB_QSERV_CA_" in failed.value.next_action
