"""The doctor: a line for every part of the installation, whatever is wrong with the others."""

import importlib.metadata

import pytest

from dbb.doctor import MAX_SKEW_S, examine
from dbb.errors import InstallationWrong, StoreUnavailable
from dbb.hooks import doctor as probe
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.settings import Settings
from dbb.wiring import SystemClock
from support.fake_clock import FixedClock


def findings(environment):
    return {item.check: item for item in examine(Settings.load(environment=environment))}


def test_with_nothing_set_every_part_is_named_with_what_to_do():
    found = findings({})
    assert found["python"].error is None
    assert found["settings files"].error is None
    for check in ("environment", "ledger schema", "store usdf", "rucio", "butler frdf"):
        assert found[check].error.code == "setting-missing"
        assert found[check].to_json()["next"]
    assert "DBB_STORE_SUMMIT" in found["environment"].to_json()["detail"]
    assert "airflow" not in found


def test_a_good_ledger_and_store_are_said_to_be_good(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    (tmp_path / "usdf").mkdir()
    SqlLedger(open_engine(url), SystemClock(), "test").migrate()
    found = findings({"DBB_LEDGER_URL": url, "DBB_STORE_USDF": (tmp_path / "usdf").as_uri()})
    for check in ("ledger schema", "clock", "store usdf"):
        assert found[check].error is None, check
    assert list((tmp_path / "usdf").iterdir()) == []


def test_a_ledger_without_a_schema_is_found(tmp_path):
    found = findings({"DBB_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db"})
    assert found["ledger schema"].error.code == "schema-out-of-date"


def test_a_store_that_is_not_there_is_found(tmp_path):
    with pytest.raises(StoreUnavailable):
        probe.probe_store((tmp_path / "away").as_uri(), "doctor/1.probe")


def test_a_clock_that_is_wrong_is_measured(tmp_path):
    ledger = SqlLedger(open_engine(f"sqlite:///{tmp_path}/l.db"), SystemClock(), "test")
    assert abs(probe.measure_skew_s(ledger, SystemClock())) < MAX_SKEW_S
    assert abs(probe.measure_skew_s(ledger, FixedClock())) > MAX_SKEW_S


def test_a_package_of_another_version_is_named(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "".join(f"{name}=={importlib.metadata.version(name)}\n" for name in probe.PACKAGES)
    )
    assert "7 packages" in probe.compare_packages(lock)
    lock.write_text(lock.read_text().replace("sqlalchemy==", "sqlalchemy==0."))
    with pytest.raises(InstallationWrong, match="sqlalchemy is"):
        probe.compare_packages(lock)


def test_an_airflow_that_does_not_answer_is_found():
    found = findings({"DBB_AIRFLOW_URL": "http://127.0.0.1:9"})
    assert found["airflow"].error.code == "airflow-unavailable"
    assert (
        findings({"DBB_AIRFLOW_URL": "file:///etc"})["airflow"].error.code == "installation-wrong"
    )
