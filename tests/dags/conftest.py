"""The project's DAGs as Airflow reads them, in a process of its own, with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def run_airflow_code(tmp_path_factory):
    """Run Python as Airflow's DAG processor would, and give what it prints."""
    home = tmp_path_factory.mktemp("airflow")

    def run(code: str, **environment: str) -> str:
        kept = {key: os.environ[key] for key in ("PATH", "LANG", "HOME") if key in os.environ}
        finished = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            cwd=home,
            env={
                **kept,
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
                **environment,
            },
        )
        assert finished.returncode == 0, finished.stderr[-3000:]
        return finished.stdout

    return run
