"""SQL to Qserv over TLS, asked of a real MariaDB whose certificate an authority of the test's own has signed."""

from __future__ import annotations

import warnings

import pymysql
import pytest

from dbb.errors import QservUnavailable, QservUnfit
from dbb.hooks.qserv.opening import open_handoff
from dbb.settings import Settings
from integration.conftest import ROOT
from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.qserv_services import CZAR, MariaDb

TABLE = ("information_schema", "CHARACTER_SETS", ["MAXLEN"])
"""One that every server has, and a column of numbers."""


class MariaDbOverTls(MariaDb):
    """Answer by TLS too, once it has a certificate."""

    certificate = None

    def command(self):
        if self.certificate is None:
            return super().command()
        certificate, key = self.certificate
        return [*super().command(), f"--ssl-cert={certificate}", f"--ssl-key={key}"]


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory, ours):
    """Give a server with a certificate of `localhost`, which lets the czar's user in by TLS only."""
    layout = Layout(ROOT, tmp_path_factory.mktemp("mariadb"))
    layout.make()
    server = MariaDbOverTls(layout, Allotted.load(layout.allotted_file))
    if server.missing():
        pytest.skip(server.missing())
    server.certificate = ours.certify("localhost")
    start(server)
    yield server
    server.stop()


def start(server):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it outlives the call that starts it
        server.start()
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"alter user `{CZAR}`@`%` require {'ssl' if server.certificate else 'none'}")


@pytest.fixture
def czar(mariadb, records):
    """Give the czar as the settings say."""

    def czar(ca, scheme="mysqls", host="localhost"):
        login = mariadb.arguments(CZAR)
        environment = {
            "DBB_QSERV_URL_USDF": "http://127.0.0.1:9", "DBB_QSERV_KEY_USDF": "key",
            "DBB_QSERV_STAGING_USDF": str(mariadb.layout.state),
            "DBB_QSERV_SQL_USDF": f"{scheme}://{CZAR}:{login['password']}@{host}:{login['port']}",
            "DBB_QSERV_SQL_CA_USDF": str(ca),
        }  # fmt: skip
        return open_handoff(Settings.load(environment=environment), "usdf", "dp1", records, 60).czar

    return czar


def test_a_catalogue_is_asked_by_verified_tls_or_not_at_all(
    mariadb, czar, ours, theirs, tmp_path, monkeypatch
):
    rows, found = czar(ours.file).statistics(*TABLE)
    assert rows > 0
    assert found["MAXLEN"].least == 1
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(**mariadb.arguments(CZAR), ssl_disabled=True)  # so it was encrypted
    monkeypatch.setenv("SSL_CERT_FILE", str(ours.file))
    assert czar("").statistics(*TABLE)[0] == rows
    monkeypatch.setenv("SSL_CERT_FILE", str(theirs.file))

    empty = tmp_path / "empty"
    empty.touch()

    def refused(why, ca, **where):
        with pytest.raises(QservUnavailable) as failed:
            czar(ca, **where).statistics(*TABLE)
        assert failed.value.message == f"There is no safe connection: {why}."
        assert "DBB_QSERV_SQL_CA_" in failed.value.next_action
        assert "docs/reference/certificates.md" in failed.value.next_action

    refused("unable to get local issuer certificate", theirs.file)
    refused("unable to get local issuer certificate", "")
    address = "IP address mismatch, certificate is not valid for '127.0.0.1'"
    refused(address, ours.file, host="127.0.0.1")
    refused("the file of authorities is not there", tmp_path / "none")
    refused("the file of authorities has no certificate", empty)
    with pytest.raises(QservUnfit, match="it is mysqls://"):
        czar(ours.file, scheme="mysql")

    mariadb.certificate = None
    mariadb.stop()
    start(mariadb)
    assert czar("", scheme="mysql").statistics(*TABLE)[0] == rows
    refused("the server speaks without TLS", ours.file)
