"""What the command line loads: a question to the ledger never waits for Butler or Rucio."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("lsst", "rucio", "airflow", "astropy", "boto3", "great_expectations", "pandas")


def loaded(tmp_path, *arguments):
    program = (
        "import sys\n"
        "from dbb.cli.main import main\n"
        f"code = main({list(arguments)!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "plugins"),
        "DBB_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    "arguments",
    [("night", "20261121"), ("quarantine", "list"), ("exposure", "MC_O_20261121_000001")],
)
def test_reading_the_ledger_loads_no_client(tmp_path, arguments):
    assert loaded(tmp_path, "ledger", "migrate") == (0, ["[]"])
    code, lines = loaded(tmp_path, *arguments)
    assert code in (0, 2)
    assert lines[-1] == "[]"


def test_a_ledger_without_its_schema_says_how_to_make_it(tmp_path):
    code, lines = loaded(tmp_path, "night")
    assert code == 5
    assert "schema-out-of-date" in lines[0]
    assert "`dbb ledger migrate`" in lines[1]
