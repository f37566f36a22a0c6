"""The scheduler and workers import the slow clients once; every other process leaves them alone."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.argv = {argv!r}
import airflow_local_settings
print(sorted({{name.split('.')[0] for name in sys.modules}} & {{'lsst', 'great_expectations', 'rucio'}}))
"""


@pytest.mark.parametrize(
    ("argv", "loaded"),
    [
        (["airflow", "scheduler"], ["great_expectations", "lsst", "rucio"]),
        (["airflow", "celery", "worker"], ["great_expectations", "lsst", "rucio"]),
        (["airflow", "celery", "flower"], []),
        (["airflow", "api-server"], []),
        (["airflow"], []),
    ],
)
def test_only_the_parent_of_tasks_imports_the_clients(argv, loaded):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(argv=argv)],
        cwd="plugins", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(loaded)
