"""The sandbox is not a mock: real rules move real bytes."""

from __future__ import annotations

import itertools
import os
import time
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dbb.settings import Settings
from dbb.wiring.backbone import open_inbox
from dbb.wiring.base import open_ledger
from sandbox import rest

pytestmark = pytest.mark.sandbox

DATA = os.urandom(300_000)
COUNTER = itertools.count()


@pytest.fixture
def env(sandbox):
    return sandbox.env


@pytest.fixture
def paused(env):
    """Let Rucio's daemons run only when the test says so."""
    pause = env["DBB_RUCIO_CYCLE_URL"].replace("/cycle", "/pause")
    rest.call("POST", pause, body={"seconds": 600}, timeout_s=60)
    yield
    rest.call("POST", pause, body={"seconds": 1}, timeout_s=60)


@pytest.fixture
def client(env):
    from rucio.client import Client

    return Client(
        rucio_host=env["DBB_RUCIO_HOST"],
        auth_host=env["DBB_RUCIO_HOST"],
        account=env["DBB_RUCIO_ACCOUNT"],
        auth_type="userpass",
        creds={"username": env["DBB_RUCIO_USER"], "password": env["DBB_RUCIO_PASSWORD"]},
    )


@pytest.fixture
def name():
    """A name like the Butler's, with folders; new in every test and run."""
    return f"LSSTCam/20261120/{time.time_ns()}-{next(COUNTER)}.zip"


def path_at(env, site, name):
    return Path(urlsplit(env[f"DBB_STORE_{site}"]).path) / "raw" / name


def put(env, site, name, data=DATA):
    path = path_at(env, site, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def register(client, name, data=DATA, rse="USDF"):
    replica = {"scope": "raw", "name": name, "bytes": len(data)}
    client.add_replicas(rse, [{**replica, "adler32": f"{zlib.adler32(data):08x}"}])


def ask_for(client, name, rse="FRDF"):
    did = {"scope": "raw", "name": name}
    [rule] = client.add_replication_rule([did], 1, rse, activity="Nightly")
    return rule


def cycle(env, *only):
    body = {"only": list(only)} if only else {}
    answer = rest.call("POST", env["DBB_RUCIO_CYCLE_URL"], body=body, timeout_s=120)
    assert answer["errors"] == {}
    return answer


def until(env, client, rule, state, cycles=40):
    """Run daemons until a rule is in a state; each cycle gives the copies a moment."""
    for _ in range(cycles):
        cycle(env)
        if (seen := client.get_replication_rule(rule)["state"]) == state:
            return
        time.sleep(0.1)
    pytest.fail(f"the rule is {seen}, not {state}: {client.examine_replication_rule(rule)}")


def test_a_rule_brings_the_same_bytes_to_the_other_site(env, client, name):
    put(env, "USDF", name)
    register(client, name)
    rule = ask_for(client, name)
    until(env, client, rule, "OK")
    assert path_at(env, "FRDF", name).read_bytes() == DATA
    [replica] = client.list_replicas([{"scope": "raw", "name": name}])
    assert replica["rses"].keys() == {"USDF", "FRDF"}
    assert replica["rses"]["FRDF"] == [f"file://localhost{path_at(env, 'FRDF', name)}"]


def test_the_end_of_a_transfer_is_an_event(env, client, name):
    put(env, "USDF", name)
    register(client, name)
    until(env, client, ask_for(client, name), "OK")
    cycle(env)
    settings = Settings.load(environment=env)
    open_ledger(settings, "test").migrate()  # what came before waits at hermes until then
    cycle(env)
    # In any state: where Airflow runs too, somebody may have looked because of it already.
    assert name in {event.name for event in open_inbox(settings).find("", "FRDF", 10_000)}


@pytest.mark.usefixtures("paused")  # the repairer would try again, and forget the reason
def test_a_missing_source_sticks_with_its_reason(env, client, name):
    register(client, name)
    rule = ask_for(client, name)
    until(env, client, rule, "STUCK")
    assert "SOURCE MISSING" in str(client.examine_replication_rule(rule))


@pytest.mark.usefixtures("paused")
def test_a_corrupt_source_sticks_and_reaches_nobody(env, client, name):
    put(env, "USDF", name, bytes([DATA[0] ^ 1]) + DATA[1:])
    register(client, name)
    rule = ask_for(client, name)
    until(env, client, rule, "STUCK")
    assert "SOURCE CHECKSUM MISMATCH" in str(client.examine_replication_rule(rule))
    assert not path_at(env, "FRDF", name).exists()


@pytest.mark.usefixtures("paused")
def test_a_copy_service_that_was_down_is_used_when_it_is_back(sandbox, env, client, name):
    put(env, "USDF", name)
    register(client, name)
    sandbox.stop("copy")
    try:
        rule = ask_for(client, name)
        until(env, client, rule, "STUCK")
        assert "SUBMISSION_FAILED" in str(client.examine_replication_rule(rule))
    finally:
        sandbox.command("up", "--only", "copy")
    # The repairer comes round every half minute; here it comes now.
    cycle(env, "judge-repairer")
    until(env, client, rule, "OK")
    assert path_at(env, "FRDF", name).read_bytes() == DATA


@pytest.mark.usefixtures("paused")
def test_a_copy_declared_bad_is_fetched_again_from_the_other_site(env, client, name):
    put(env, "USDF", name)
    register(client, name)
    rule = ask_for(client, name)
    until(env, client, rule, "OK")
    damaged = path_at(env, "FRDF", name)
    damaged.write_bytes(b"damaged")
    # By its address: needs the policy package, because the name has slashes.
    client.declare_bad_file_replicas([f"file://localhost{damaged}"], reason="digest-mismatch")
    cycle(env, "necromancer")
    assert client.get_replication_rule(rule)["state"] == "REPLICATING"
    until(env, client, rule, "OK")
    assert damaged.read_bytes() == DATA


def test_a_replica_that_no_rule_wants_is_deleted(env, client, name):
    put(env, "USDF", name)
    register(client, name)
    rule = ask_for(client, name)
    until(env, client, rule, "OK")
    client.update_replication_rule(rule, {"lifetime": 0})
    for _ in range(200):
        cycle(env)
        if not path_at(env, "FRDF", name).exists():
            break
        time.sleep(0.2)
    assert not path_at(env, "FRDF", name).exists()
    assert path_at(env, "USDF", name).exists()


def test_the_service_account_cannot_change_the_infrastructure(client):
    from rucio.common.exception import AccessDenied

    with pytest.raises(AccessDenied):
        client.add_rse("ELSEWHERE")


def test_every_butler_database_can_exclude_overlapping_validity(env):
    import psycopg

    for site in ("USDF", "FRDF"):
        url = env[f"DBB_BUTLER_DB_{site}"].replace("+psycopg", "")
        with psycopg.connect(url) as connection:
            [(found,)] = connection.execute(
                "SELECT count(*) FROM pg_extension WHERE extname = 'btree_gist'"
            ).fetchall()
        assert found == 1


def test_up_leaves_alone_what_runs(sandbox):
    before = {file.name: file.read_text() for file in (sandbox.state / "run").iterdir()}
    assert "already up" in sandbox.command("up", "--only", "storage")
    assert {f.name: f.read_text() for f in (sandbox.state / "run").iterdir()} == before


@pytest.mark.airflow
def test_airflow_has_the_pools_and_four_healthy_processes(sandbox_airflow):
    env = sandbox_airflow.env
    url = env["DBB_AIRFLOW_URL"]
    login = {"username": env["DBB_AIRFLOW_USER"], "password": env["DBB_AIRFLOW_PASSWORD"]}
    token = rest.call("POST", f"{url}/auth/token", body=login)["access_token"]
    pools = rest.call("GET", f"{url}/api/v2/pools?limit=50", token=token)["pools"]
    assert {"alert", "raw", "calibration", "audit"} <= {pool["name"] for pool in pools}
    end = time.monotonic() + 120
    while True:  # one whose heartbeat is late on a full machine is well again with the next
        health = rest.call("GET", f"{url}/api/v2/monitor/health")
        if {part["status"] for part in health.values()} == {"healthy"}:
            break
        assert time.monotonic() < end, health
        time.sleep(1)
