"""A command finds connections where Airflow's tasks do: each time in a process of its own, by Airflow itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.canary_secrets import found_in_text

ROOT = Path(__file__).resolve().parents[3]
BACKEND = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
SECRET = "canary-vault/5+ecret"  # noqa: S105 - that is what it is for


@pytest.fixture
def look(tmp_path):
    """Have the doctor look at a store whose key is in a backend; give what it found, and all that was written."""
    vault = tmp_path / "connections.json"

    def run(connections, backend=BACKEND):
        vault.write_text(json.dumps(connections))
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AIRFLOW_", "DBB_", "LSST_"))
        }
        env |= {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "AIRFLOW__SECRETS__BACKEND": backend,
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(vault)}),
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "DBB_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
            "DBB_STORE_FRDF": "s3://frdf_store@frdf/x",
            "PYTHONPATH": str(ROOT / "plugins"),
        }  # fmt: skip
        command = [sys.executable, "-m", "dbb", "doctor", "--json"]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
        checks = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
        return checks["store frdf"]["detail"], done.stdout + done.stderr

    return run


def test_the_key_is_found_in_the_backend_and_told_to_nobody(look):
    extra = {
        "endpoint_url": "http://127.0.0.1:1",
        "region_name": "us-east-1",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    found, told = look(
        {"frdf_store": {"conn_type": "aws", "login": "dbb", "password": SECRET, "extra": extra}}
    )
    assert "store-unavailable" in found
    assert "http://127.0.0.1:1/frdf/x/" in found  # the address is the connection's
    assert "botocore" in told  # at DEBUG
    assert found_in_text(told, {"vault": SECRET}) == []
    assert "so that any server is believed" not in told
    unsafe = {"conn_type": "aws", "login": "dbb", "password": SECRET}
    _, told = look({"frdf_store": unsafe | {"extra": extra | {"verify": False}}})
    assert "connection frdf_store: it says" in told


def test_a_connection_that_is_nowhere_is_said_with_the_places_that_were_looked_at(look):
    found, _ = look({"ukdf_store": {"conn_type": "aws"}})
    assert "setting-missing" in found
    for place in ("AIRFLOW_CONN_", "[secrets] backend", "never into Airflow's database"):
        assert place in found


def test_a_backend_that_cannot_be_loaded_is_no_fault_of_the_program(look):
    found, _ = look({}, backend="airflow.secrets.local_filesystem.Misspelt")
    assert "setting-missing: Airflow and its secrets backend cannot be loaded" in found
    assert "Misspelt" in found
