"""The ledger and Butler's registry in a PostgreSQL that speaks TLS."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest
from sqlalchemy import NullPool, create_engine, text

from dbb.cli.exits import Exit
from dbb.errors import RepositoryUnavailable
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository, name_driver
from dbb.hooks.instruments import load_instruments
from sandbox.allotted import Allotted
from sandbox.services import unprivileged
from support.database_cluster import PROGRAMS


@pytest.fixture(scope="module")
def postgres(tmp_path_factory, ours):
    """Run a PostgreSQL with a certificate of `localhost`; give its address without parameters."""
    if not (PROGRAMS / "initdb").exists():
        pytest.skip("Debian's postgresql-15 is not installed")
    folder, words = tmp_path_factory.mktemp("postgres"), unprivileged.prefix()
    certificate, key = ours.certify("localhost")
    for file in (folder, certificate, key):
        unprivileged.hand_over(file, words)
    port = Allotted.load(folder / "allotted.json").port("postgres")
    data = folder / "data"
    initdb = [PROGRAMS / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync"]
    subprocess.run([*words, *initdb], check=True, capture_output=True)
    settings = {
        "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
        "ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key,
    }  # fmt: skip
    with (data / "postgresql.conf").open("a") as config:
        config.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    server = [*words, PROGRAMS / "postgres", "-D", data, "-p", str(port)]
    process = subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ask = [PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    for _ in range(300):
        if subprocess.run(ask, check=False).returncode == 0:
            break
        time.sleep(0.1)
    yield f"postgresql+psycopg://postgres@localhost:{port}/postgres"
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)


def verified(url, authority):
    return f"{url}?sslmode=verify-full&sslrootcert={authority.file}"


def run_sql(url, statement):
    """Run a statement in a connection of its own; give the first value, if there is one."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        answer = connection.execute(text(statement))
        return answer.scalar() if answer.returns_rows else None


def is_encrypted(url):
    return run_sql(url, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")


def test_ledger_and_registry_are_reached_by_verified_tls_or_not_at_all(
    dbb, postgres, ours, theirs, tmp_path
):
    good = verified(postgres, ours)
    assert is_encrypted(good)
    assert is_encrypted(good.replace("+psycopg", "+psycopg2"))  # as Airflow and Celery do
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGSSLROOTCERT", str(ours.file))
        assert is_encrypted(f"{postgres}?sslmode=verify-full")
    assert dbb({"DBB_LEDGER_URL": good}, "ledger", "migrate") == (Exit.WELL, None)
    run_sql(good, "create extension if not exists btree_gist")
    root = tmp_path / "butler"
    create_repository(root, [load_instruments()["LSSTCam"]], registry_url=good)
    assert ButlerRepository(str(root)).chain("LSSTCam/defaults") == ["LSSTCam/raw/all"]

    def refused(url, *why):
        for action in ("check", "migrate"):
            code, error = dbb({"DBB_LEDGER_URL": url}, "ledger", action)
            assert code == Exit.UNREACHABLE
            assert error["code"] == "ledger-unavailable"
            assert error["message"].startswith("There is no safe connection: ")
            assert any(words in error["message"] for words in why), error
            assert "sslrootcert" in error["next_action"]
        config = root / "butler.yaml"
        before = config.read_text()
        config.write_text(before.replace(name_driver(good), name_driver(url)))
        with pytest.raises(RepositoryUnavailable, match="no safe connection") as failed:
            ButlerRepository(str(root)).chain("LSSTCam/defaults")
        assert any(words in failed.value.message for words in why)
        assert "sslrootcert" in failed.value.next_action
        config.write_text(before)

    refused(verified(postgres, theirs), "certificate verify failed")
    refused(good.replace("localhost", "127.0.0.1"), 'does not match host name "127.0.0.1"')
    refused(f"{good}.not", "does not exist")
    for statement in ("alter system set ssl = off", "select pg_reload_conf()"):
        run_sql(good, statement)
    deadline = time.monotonic() + 20
    while is_encrypted(postgres):  # it reads its configuration again in its own time
        assert time.monotonic() < deadline
        time.sleep(0.05)
    refused(good, "server does not support SSL")
