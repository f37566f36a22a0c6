"""The doctor: a line for every part of the installation, whatever is wrong with the others."""

import importlib.metadata
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dbb.cli.main import main
from dbb.doctor import MAX_SKEW_S, NEEDED, examine, first_remedy
from dbb.errors import InstallationWrong, StoreUnavailable
from dbb.hooks import doctor as probe
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.settings import Settings
from dbb.wiring.base import SystemClock
from support.fake_clock import FixedClock

ROOT = Path(__file__).resolve().parents[2]
AWAY = "http://127.0.0.1:9"
"""Nobody listens there."""


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


# -- the next missing thing ------------------------------------------------------------------------


def rest_of(tmp_path, **given):
    """Give the settings of an installation that has everything but what a test takes away."""
    names = [
        f"DBB_{kind}_{name}"
        for kind in ("STORE", "BUTLER")
        for name in ("CHILE", "FRDF", "OODS", "SCRATCH", "SUMMIT", "UKDF", "USDF")
    ]
    for name in names:
        (tmp_path / name).mkdir(exist_ok=True)
    values = {name: (tmp_path / name).as_uri() for name in names} | dict.fromkeys(NEEDED, "x")
    url = f"sqlite:///{tmp_path}/ledger.db"
    return values | {"DBB_LEDGER_URL": url, "DBB_RUCIO_HOST": AWAY} | given


def next_of(environment):
    return first_remedy(list(examine(Settings.load(environment=environment))))


def migrate(tmp_path):
    SqlLedger(open_engine(f"sqlite:///{tmp_path}/ledger.db"), SystemClock(), "test").migrate()


def test_a_fresh_clone_is_told_to_install(tmp_path):
    shutil.copy(ROOT / "dbb", tmp_path / "dbb")
    bare = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [tmp_path / "dbb", "doctor"], env=bare, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1] == "next: run ./sandbox setup"


def test_with_nothing_set_the_next_is_to_start_the_sandbox_or_to_set_them():
    assert next_of({}).startswith("`./sandbox up`")


def test_without_the_settings_of_an_endpoint_the_next_is_to_set_them(tmp_path):
    migrate(tmp_path)
    values = rest_of(tmp_path)
    del values["DBB_STORE_CHILE"], values["DBB_BUTLER_CHILE"]
    told = "Set DBB_STORE_CHILE, DBB_BUTLER_CHILE: docs/reference/settings.md."
    assert next_of(values) == told


def test_a_ledger_that_does_not_answer_is_next_before_all_that_rests_on_it(tmp_path):
    away = rest_of(tmp_path, DBB_LEDGER_URL="postgresql+psycopg://x:x@127.0.0.1:9/x")
    assert next_of(away) == "Start or restart it: docs/operate/ledger-unavailable.md."
    here = away | {"DBB_SANDBOX_DIR": ".sandbox"}
    assert next_of(here).startswith("`./sandbox up`")


def test_a_ledger_without_a_schema_is_next_to_be_migrated(tmp_path):
    assert "`dbb ledger migrate`" in next_of(rest_of(tmp_path))


def test_a_rucio_that_is_down_is_next(tmp_path):
    migrate(tmp_path)
    away = rest_of(tmp_path)
    assert next_of(away) == "Start or restart it: docs/operate/catalog-unavailable.md."
    here = away | {"DBB_SANDBOX_DIR": ".sandbox"}
    assert next_of(here) == (
        "`./sandbox up` starts what does not run: docs/operate/catalog-unavailable.md."
    )


def test_an_airflow_that_is_down_has_its_own_next():
    found = findings({"DBB_AIRFLOW_URL": AWAY, "DBB_SANDBOX_DIR": ".sandbox"})
    assert found["airflow"].remedy.startswith("`./sandbox up`")


def test_nothing_leads_back_to_the_doctor(tmp_path):
    for values in ({}, rest_of(tmp_path), {"DBB_AIRFLOW_URL": AWAY}):
        for finding in examine(Settings.load(environment=values)):
            assert bool(finding.remedy) == (finding.error is not None), finding.check
            assert "names what is wrong" not in finding.remedy, finding.check


def test_the_command_ends_with_the_one_next_step(tmp_path, capsys):
    migrate(tmp_path)
    values = rest_of(tmp_path)
    del values["DBB_STORE_CHILE"], values["DBB_BUTLER_CHILE"]
    assert main(["doctor"], environment=values) == 5
    assert capsys.readouterr().err.splitlines()[-1] == f"Next: {next_of(values)}"
    assert main(["doctor", "--json"], environment=values) == 5
    assert json.loads(capsys.readouterr().out)["next"] == next_of(values)
