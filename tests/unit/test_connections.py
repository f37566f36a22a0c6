"""Connections that leave the machine and ask for no certificate: the doctor warns, and goes on."""

import json

import pytest

from dbb.cli.main import main
from dbb.connections import find_unsafe
from dbb.doctor import examine, first_remedy
from dbb.settings import Settings
from sandbox.allotted import Allotted
from sandbox.client_env import client_env
from sandbox.layout import Layout

CLAIM = {
    "verify": 'it says "verify": false',
    "database": "PostgreSQL at db.example.org is asked without sslmode=",
    "http": "http:// leads to away.example.org",
}


def connection(**given):
    return json.dumps({"conn_type": "aws", "login": "dbb", "password": "hidden/5ecret", **given})


UNSAFE = [
    ("verify", "AIRFLOW_CONN_UKDF_STORE", connection(extra={"verify": False})),
    ("verify", "AIRFLOW_CONN_UKDF_STORE", connection(extra='{"verify": "False"}')),
    ("verify", "AIRFLOW_CONN_UKDF_STORE", "aws://dbb:hidden@/?verify=false"),
    ("verify", "AIRFLOW_CONN_UKDF_STORE", "aws://dbb:hidden@/?__extra__=%7B%22verify%22%3A+false%7D"),
    ("verify", "AIRFLOW__SECRETS__BACKEND_KWARGS", '{"url": "https://vault", "verify": false}'),
    ("database", "DBB_LEDGER_URL", "postgresql+psycopg://dbb:hidden@db.example.org/dbb"),
    ("database", "DBB_LEDGER_URL", "postgresql+psycopg://dbb:hidden@db.example.org:5432/dbb?sslmode=prefer"),
    ("database", "DBB_LEDGER_URL", "postgresql://dbb:hidden@/dbb?host=db.example.org:5432"),
    ("database", "DBB_LEDGER_URL", "postgresql://dbb:hidden@localhost,db.example.org:5433/dbb"),
    ("database", "DBB_EFD_VALUES_USDF", "postgresql+psycopg://dbb:hidden@db.example.org/dbb?sslmode=disable"),
    ("database", "AIRFLOW__CELERY__RESULT_BACKEND", "db+postgresql://dbb:hidden@db.example.org/celery"),
    ("database", "AIRFLOW_CONN_LEDGER", connection(conn_type="postgres", host="db.example.org")),
    ("http", "DBB_RUCIO_HOST", "http://away.example.org:8443"),
    ("http", "DBB_ALARM_WEBHOOK", "http://ops:hidden@away.example.org/hooks/5ecret"),
    ("http", "S3_ENDPOINT_URL", "http://away.example.org"),
    ("http", "LSST_RESOURCES_S3_PROFILE_frdf_store", "http://dbb:hidden%2F5ecret@away.example.org"),
    ("http", "AIRFLOW_CONN_UKDF_STORE", connection(extra={"endpoint_url": "http://away.example.org"})),
    ("http", "AIRFLOW_CONN_UKDF_STORE", "aws://dbb:hidden@/?endpoint_url=http%3A%2F%2Faway.example.org"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "name", "value"), UNSAFE)
def test_what_is_not_safe_is_named_with_what_to_do_and_without_its_secret(claim, name, value):
    (found,) = find_unsafe({name: value})
    assert found.setting == name
    assert CLAIM[claim] in found.why
    assert "docs/reference/certificates.md" in found.remedy
    assert "hidden" not in f"{found}"
    assert "5ecret" not in f"{found}"


@pytest.mark.parametrize(
    ("scheme", "safe"), [("mysql", "mysqls://"), ("smtp", "smtps://"), ("redis", "rediss://")]
)
def test_other_schemes_that_ask_for_no_certificate_are_named_too(scheme, safe):
    (found,) = find_unsafe({"DBB_QSERV_SQL_USDF": f"{scheme}://u:hidden@away.example.org:4040"})
    assert safe in found.remedy


SAFE = [
    ("AIRFLOW_CONN_UKDF_STORE", connection(extra={"verify": "/etc/ssl/ca.pem"})),
    ("AIRFLOW_CONN_UKDF_STORE", connection(extra={"verify": True, "endpoint_url": "https://a.b"})),
    ("AIRFLOW_CONN_LEDGER", connection(conn_type="postgres", host="a.b", extra={"sslmode": "require"})),
    ("DBB_LEDGER_URL", "postgresql+psycopg://dbb:hidden@localhost:5432/dbb"),
    ("DBB_LEDGER_URL", "postgresql+psycopg://dbb:hidden@127.0.0.1/dbb"),
    ("DBB_LEDGER_URL", "postgresql+psycopg://dbb:hidden@[::1]:5432/dbb"),
    ("DBB_BACKUP_URL", "postgresql+psycopg://postgres@/cdb?host=/var/run/postgresql&port=5432"),
    ("DBB_LEDGER_URL", "sqlite:////tmp/ledger.db"),
    *(("DBB_LEDGER_URL", f"postgresql+psycopg://dbb@db.example.org/dbb?sslmode={mode}")
      for mode in ("require", "verify-ca", "verify-full")),
    ("DBB_RUCIO_HOST", "https://away.example.org"),
    ("DBB_RUCIO_HOST", "http://127.0.0.1:8443"),
    ("DBB_STORE_FRDF", "s3://frdf_store@bucket/x"),
    ("DBB_RUCIO_HOST", "http://[bad"),
    ("http_proxy", "http://proxy.example.org:3128"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SAFE)
def test_what_is_safe_or_stays_here_is_not_named(name, value):
    assert list(find_unsafe({name: value})) == []


def test_the_mode_may_be_that_of_all_databases():
    address = {"DBB_LEDGER_URL": "postgresql+psycopg://dbb@db.example.org/dbb"}
    assert list(find_unsafe(address | {"PGSSLMODE": "verify-full"})) == []
    assert len(list(find_unsafe(address | {"PGSSLMODE": "allow"}))) == 1


def test_the_embedded_sandbox_has_nothing_to_warn_of(tmp_path):
    layout = Layout(tmp_path, tmp_path / "state")
    layout.make()
    environment = client_env(layout, Allotted.load(layout.allotted_file))
    assert environment["DBB_RUCIO_HOST"].startswith("http://")
    assert list(find_unsafe(environment)) == []


# -- the doctor ------------------------------------------------------------------------------------


def warnings_of(environment):
    found = list(examine(Settings.load(environment=environment)))
    return found, [each for each in found if each.to_json()["result"] == "warning"]


def test_the_doctor_warns_and_does_not_fail(capsys):
    environment = {"DBB_EFD_URL": "http://away.example.org:8086"}
    found, (warning,) = warnings_of(environment)
    assert warning.error is None
    assert warning.detail.startswith("DBB_EFD_URL: http:// leads to away.example.org")
    well = [each for each in found if each.error is None]
    assert first_remedy(well) == warning.remedy
    assert first_remedy(found) != warning.remedy  # what is wrong goes before
    bare = main(["doctor", "--json"], environment={})
    capsys.readouterr()
    assert main(["doctor", "--json"], environment=environment) == bare
    told = json.loads(capsys.readouterr().out)["checks"]
    assert [each["check"] for each in told if each["result"] == "warning"] == ["connections"]
    main(["doctor"], environment=environment)
    assert "; 1 warnings." in capsys.readouterr().err


def test_a_doctor_who_sees_nothing_unsafe_says_so():
    found, warnings = warnings_of({})
    assert warnings == []
    assert found[-1].to_json()["detail"] == "none leaves this machine without TLS"


def test_the_registry_of_a_repository_is_looked_at_too(tmp_path):
    (tmp_path / "butler.yaml").write_text(
        "registry:\n  db: postgresql+psycopg://dbb@db.example.org/butler\n"
    )
    _, (warning,) = warnings_of({"DBB_BUTLER_FRDF": str(tmp_path)})
    assert warning.detail.startswith("registry of frdf: PostgreSQL at db.example.org")
