"""The suite of the contract turns red when a server breaks the contract."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

from sandbox.allotted import Allotted
from sandbox.layout import Layout
from sandbox.qserv.bugs import BUGS
from sandbox.qserv_services import MariaDb, QservContract

pytestmark = pytest.mark.qserv

FOUND_BY = {
    "careful commits": "test_a_commit_does_not_look_at_the_contributions",
    "wandering chunks": "test_a_chunk_stays_where_it_was_placed_and_is_there_in_sister_databases",
    "no warnings": "test_a_bad_row_is_finished_with_a_warning",
    "kept rows": "test_an_abort_takes_away_its_rows_and_no_others",
    "hasty publishing": "test_a_database_with_an_open_transaction_is_not_published",
    "loads after the end": "test_nothing_is_loaded_after_a_commit",
}


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory, request):
    if request.config.getoption("--qserv-url"):
        pytest.skip("a real Qserv is not broken on purpose")
    layout = Layout(request.config.rootpath, tmp_path_factory.mktemp("qserv"))
    layout.make()
    made = MariaDb(layout, Allotted.load(layout.allotted_file))
    if made.missing():
        pytest.skip(made.missing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it outlives the call that starts it
        made.start()
    yield made
    made.stop()


@pytest.fixture
def suite(mariadb, request):
    """Run checks of the suite against a server with a bug, as against a real Qserv."""

    def run(bug, *names):
        server = QservContract(mariadb.layout, mariadb.allotted, bug=bug)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            server.start()
        login = server.czar()
        keys = {
            "DBB_QSERV_AUTH_KEY": server.auth_key,
            "DBB_QSERV_ADMIN_AUTH_KEY": server.admin_auth_key,
            "DBB_QSERV_SQL": "{user}:{password}@{host}:{port}".format(**login),
        }
        words = ["tests/integration/qserv_contract", "-k", " or ".join(names)]
        try:
            return subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words,
                 "--qserv-url", server.url()],
                check=False, cwd=request.config.rootpath, env={**os.environ, **keys},
                capture_output=True, text=True,
            )  # fmt: skip
        finally:
            server.stop()

    return run


def test_every_bug_is_looked_for():
    assert FOUND_BY.keys() == BUGS.keys()


def test_without_a_bug_they_are_green(suite):
    done = suite("", *FOUND_BY.values())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("bug", FOUND_BY)
def test_a_bug_turns_its_check_red(suite, bug):
    done = suite(bug, FOUND_BY[bug])
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "AssertionError" in done.stdout or "assert " in done.stdout
    assert " error" not in done.stdout.splitlines()[-1]
