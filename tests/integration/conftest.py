"""Give tests a sandbox of their own, started at the first need and stopped at the end."""

from __future__ import annotations

import fcntl
import os
import subprocess
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.qserv.records import SqlQserv
from dbb.hooks.sql import migrate
from sandbox.allotted import Allotted
from sandbox.envfile import read_env
from sandbox.layout import Layout
from sandbox.lifecycle import Sandbox
from sandbox.seaweedfs import SeaweedFs
from support.fake_clock import FixedClock
from support.held_dags import paused

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / os.environ.get("DBB_SANDBOX_TEST_DIR", ".sandbox-test")
SANDBOX_WITHIN_S = 1200
"""How long a test of the sandbox may take that says nothing else: its start, and the wait for DAGs to be at rest, are the first one's."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of the sandbox the time that a slow machine needs to start it."""
    for item in items:
        if item.get_closest_marker("sandbox") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SANDBOX_WITHIN_S))


@dataclass(frozen=True)
class RunningSandbox:
    """Hold a sandbox in a state folder of its own, apart from the developer's."""

    state: Path

    def command(self, *words: str) -> str:
        """Run ``./sandbox WORDS`` on this state folder."""
        env = {**os.environ, "DBB_SANDBOX_DIR": str(self.state)}
        done = subprocess.run(
            [str(ROOT / "sandbox"), *words], check=False, env=env, capture_output=True, text=True
        )
        if done.returncode:
            pytest.fail(f"./sandbox {' '.join(words)}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that clients read."""
        return read_env(self.state / "env")

    def stop(self, service: str) -> None:
        """Stop one service, as its failure would."""
        manager = Sandbox(Layout(root=ROOT, state=self.state))
        next(s for s in manager.services if s.name == service).stop()

    def running(self) -> set[str]:
        """Name the services whose process file is there."""
        return {file.stem for file in (self.state / "run").glob("*.json")}


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[Callable[[str], RunningSandbox]]:
    """Start groups of services on demand; the last session to use them stops what tests started.

    Sessions share one state folder, so that a second one need not wait for a start; each holds a
    shared lock on it while it runs. A sandbox that someone started by hand is left running.
    """
    sandbox = RunningSandbox(STATE)
    sandbox.state.mkdir(exist_ok=True, mode=0o700)
    started_by_tests = sandbox.state / "started-by-tests"
    with (sandbox.state / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        if not sandbox.running():
            started_by_tests.touch()

        def need(group: str) -> RunningSandbox:
            sandbox.command("up", "--only", group)
            return sandbox

        yield need
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another session goes on; it stops them
        if started_by_tests.exists():
            sandbox.command("down")
            started_by_tests.unlink()


@pytest.fixture(scope="session")
def sandbox(_sandbox_process: Callable[[str], RunningSandbox]) -> RunningSandbox:
    """Give PostgreSQL, memcached, Rucio and the copy service; `.env` has the addresses."""
    return _sandbox_process("storage")


@pytest.fixture(scope="session")
def sandbox_airflow(_sandbox_process: Callable[[str], RunningSandbox]) -> Iterator[RunningSandbox]:
    """Give the same sandbox with Airflow added.

    The EFD's hours since the DAG's start are not made good: each day that passes has 24 more, and they would take
    half of what the machine can do.
    """
    made = _sandbox_process("storage,airflow")
    with paused(made, "efd_etl"):
        yield made


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFs]:
    """Give a real S3 server."""
    layout = Layout(ROOT, tmp_path_factory.mktemp("seaweedfs"))
    layout.make()
    layout.s3_file.write_text("FRDF\nCHILE\n")  # two buckets, each with a key of its own
    # What the sandbox starts later has its ports already, and they look free.
    of_sandbox = Allotted.load(Layout(ROOT, STATE).allotted_file).ports
    taken = {f"sandbox_{name}": port for name, port in of_sandbox.items()}
    server = SeaweedFs(layout, Allotted(layout.allotted_file, ports=taken))
    with warnings.catch_warnings():
        # The server outlives the call that starts it, and is ended by its process id.
        warnings.simplefilter("ignore", ResourceWarning)
        server.start()
    yield server
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: SeaweedFs, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a bucket of the test's own, and the environment in which clients reach it."""
    for key, value in s3_server.environment_of_clients().items():
        monkeypatch.setenv(key, value)
    name = uuid.uuid4().hex
    boto3.session.Session().client(
        "s3", endpoint_url=s3_server.environment_of_clients()["S3_ENDPOINT_URL"]
    ).create_bucket(Bucket=name)
    return name


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlQserv]:
    """Give what a new ledger knows of handoffs to Qserv: nothing."""
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    yield SqlQserv(SqlLedger(engine, FixedClock(), "test"))
    engine.dispose()
