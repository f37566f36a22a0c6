"""Connections that are not safe: every client refuses them, and says why and what to do."""

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy.exc import OperationalError

from dbb.doctor import Finding, _remedy
from dbb.errors import DbbError, LedgerUnavailable, QservUnfit, Transient
from dbb.hooks import doctor
from dbb.hooks.airflow_rest import AirflowRest
from dbb.hooks.alarm_channels import Mail, Webhook
from dbb.hooks.certificates import DATABASE_CA, made_clear, why_unsafe
from dbb.hooks.influx import Influx
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.rucio_client import make_client
from dbb.hooks.rucio_errors import rucio_errors
from dbb.hooks.s3_client import client_of_environment
from dbb.hooks.s3_errors import s3_errors
from dbb.hooks.schema_registry import ask_registry
from dbb.settings import Settings
from support.certificates import Authority, tls_before
from support.receiver import serving
from unit.hooks.test_alarm_channels import ALARM, mail_server


class Answer(BaseHTTPRequestHandler):
    """Answer whatever is asked with a failure, and count: what counts is who may ask at all."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(self.path)
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Give two authorities: the first has signed the server's certificate."""
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "ours"), Authority(folder, "theirs")


@pytest.fixture(scope="module")
def server(authorities):
    """Give a server that goes by `localhost` only; `.port` with TLS, `.server_port` without."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        with tls_before(server.server_port, authorities[0].certify("localhost")) as server.port:
            yield server
        server.shutdown()
        thread.join()


def ask_rucio(url):
    with rucio_errors("whoami"):
        make_client(url, "dbb", "dbb", "password")


def ask_s3(url):
    with pytest.MonkeyPatch.context() as patch, s3_errors("s3://bucket"):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "key")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("S3_ENDPOINT_URL", url)
        patch.setattr("dbb.hooks.s3_client.ATTEMPTS", 1)
        client_of_environment().list_buckets()


def ask_qserv(url):
    client = QservClient(url, "key")
    try:
        client.version()
    finally:
        client.close()


def ask_influx(url):
    influx = Influx(url, "efd")
    try:
        list(influx.query("show databases"))
    finally:
        influx.close()


def ask_airflow(url):
    airflow = AirflowRest(url, "dbb", "password")
    try:
        airflow.dags()
    finally:
        airflow._session.close()


CLIENTS = {
    "airflow": ask_airflow,
    "airflow's health": doctor.probe_airflow,
    "efd": ask_influx,
    "qserv": ask_qserv,
    "registry": lambda url: ask_registry(url, 7),
    "rucio": ask_rucio,
    "s3": ask_s3,
    "webhook": lambda url: Webhook(url).send(ALARM),
}
UNSAFE = {
    "another authority": ("theirs", "localhost", "unable to get local issuer certificate"),
    "another name": ("ours", "127.0.0.1", "certificate is not valid for '127.0.0.1'"),
    "no file": ("none", "localhost", "the file of authorities is not there"),
    "no certificate": ("empty", "localhost", "the file of authorities has no certificate"),
    "no TLS": ("ours", "localhost", "the server speaks without TLS"),
}


@pytest.fixture
def believe(authorities, monkeypatch, tmp_path):
    """Have all clients of web servers believe one authority."""
    (tmp_path / "empty").write_text("nothing")
    files = {authority.file.stem: authority.file for authority in authorities}

    def believe(name):
        for variable in ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(variable, str(files.get(name) or tmp_path / name))

    return believe


@pytest.mark.parametrize("client", CLIENTS)
def test_a_certificate_of_an_authority_that_is_believed_is_good(client, server, believe):
    believe("ours")
    server.asked.clear()
    with pytest.raises(DbbError) as failed:
        CLIENTS[client](f"https://localhost:{server.port}")
    assert server.asked, "it was reached"
    assert "safe" not in failed.value.message


@pytest.mark.parametrize("unsafe", UNSAFE)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_refuses_what_is_not_safe_and_says_why(client, unsafe, server, believe):
    name, host, why = UNSAFE[unsafe]
    believe(name)
    server.asked.clear()
    port = server.server_port if unsafe == "no TLS" else server.port
    with pytest.raises(Transient) as refused:
        CLIENTS[client](f"https://{host}:{port}/SECRET")
    assert server.asked == []
    assert refused.value.message.startswith("There is no safe connection: ")
    assert why in refused.value.message
    assert "SECRET" not in refused.value.message
    assert "docs/reference/certificates.md" in refused.value.next_action
    setting = {"s3": "AWS_CA_BUNDLE", "qserv": "DBB_QSERV_CA_"}.get(client, "REQUESTS_CA_BUNDLE")
    assert setting in refused.value.next_action


def test_a_qservs_own_authority_goes_before_that_of_all_web_servers(server, authorities, believe):
    ours, theirs = authorities
    believe("theirs")
    client = QservClient(f"https://localhost:{server.port}", "key", ca=str(ours.file))
    with pytest.raises(Transient, match="status 503"):
        client.version()
    client.close()
    believe("ours")
    client = QservClient(f"https://localhost:{server.port}", "key", ca=str(theirs.file))
    with pytest.raises(Transient, match="no safe connection"):
        client.version()
    client.close()


def test_a_file_of_authorities_that_qserv_is_to_be_told_must_be_there(tmp_path):
    client = QservClient("https://127.0.0.1:9", "key", served_ca=str(tmp_path / "none"))
    with pytest.raises(QservUnfit, match="authorities cannot be read"):
        client.register_authority("dp1")
    client.close()


def test_no_empty_variable_makes_rucios_client_ask_for_no_certificate(server, believe, monkeypatch):
    believe("theirs")
    monkeypatch.setenv("X509_CERT_DIR", "")
    server.asked.clear()
    with pytest.raises(Transient, match="no safe connection"):
        ask_rucio(f"https://localhost:{server.port}")
    assert server.asked == []


def test_mail_over_tls_goes_to_a_server_with_a_good_certificate_only(authorities, believe):
    got = []
    with (
        serving(mail_server(got)) as port,
        tls_before(port, authorities[0].certify("localhost")) as tls_port,
    ):
        mail = Mail(f"smtps://localhost:{tls_port}?from=a@b&to=c@d")
        believe("theirs")
        with pytest.raises(Transient, match="no safe connection: unable to get") as refused:
            mail.send(ALARM)
        assert "SSL_CERT_FILE" in refused.value.next_action
        assert got == []
        believe("ours")
        mail.send(ALARM)
    assert len(got) == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            'connection to server at "db", port 5432 failed: SSL error: certificate verify failed',
            "SSL error: certificate verify failed",
        ),
        (
            'connection to server at "127.0.0.1" failed: server certificate for "localhost" does not match host name "127.0.0.1"\nMore.',
            'server certificate for "localhost" does not match host name "127.0.0.1"',
        ),
        ("connection failed: Connection refused", None),
        ("server closed the connection unexpectedly", None),
    ],
)
def test_what_postgresql_says_of_certificates_is_told_from_what_it_says_else(said, why):
    assert why_unsafe(OperationalError("select 1", {}, Exception(said))) == why


def test_a_connection_that_broke_is_not_called_unsafe():
    broken = ConnectionError("read")
    broken.__cause__ = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")
    assert why_unsafe(broken) is None
    failure = LedgerUnavailable.for_cause(broken)
    assert made_clear(failure, broken, DATABASE_CA) is failure


def test_the_doctor_hands_on_what_to_do_about_a_certificate():
    unsafe = OperationalError("select 1", {}, Exception("failed: certificate verify failed"))
    failure = made_clear(LedgerUnavailable.for_cause(unsafe), unsafe, DATABASE_CA)
    remedy = _remedy(Settings.load(environment={}), "ledger schema", failure)
    assert "sslrootcert" in Finding("ledger schema", "", failure, remedy).to_json()["next"]
