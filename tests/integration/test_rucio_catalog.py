"""The Rucio catalogue against a real server, daemons and copies: the common promises, then Rucio's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from dbb.errors import CatalogUnavailable, ConflictingDuplicate, SettingMissing
from dbb.hooks.rucio_catalog import RucioCatalog
from dbb.hooks.rucio_client import PrivateTokenClient
from dbb.hooks.stores import open_store
from dbb.model.exposure import Unit
from dbb.model.names import Did, SafeName
from dbb.ports.catalog import CatalogEntry, RuleWish
from dbb.ports.store import Store
from dbb.settings import Settings
from dbb.wiring.backbone import open_policies
from sandbox import rest
from support.conformance_catalog import (
    ACTIVITY,
    CatalogConformance,
    entry_of,
    files_of,
    lay_down,
)
from support.faults import Killed

pytestmark = pytest.mark.sandbox


@pytest.fixture
def env(sandbox: Any) -> Mapping[str, str]:
    values: Mapping[str, str] = sandbox.env
    return values


def login(env: Mapping[str, str], **changes: str) -> RucioCatalog:
    settings = {
        "host": env["DBB_RUCIO_HOST"],
        "account": env["DBB_RUCIO_ACCOUNT"],
        "username": env["DBB_RUCIO_USER"],
        "password": env["DBB_RUCIO_PASSWORD"],
    }
    return RucioCatalog(**{**settings, **changes})


class Bench:
    archive = "USDF"
    receiver = "FRDF"
    third = "UKDF"

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.catalog = login(env)

    @property
    def client(self) -> PrivateTokenClient:
        return self.catalog._client

    def store(self, rse: str) -> Store:
        return open_store(self.env[f"DBB_STORE_{rse}"])

    def cycle(self) -> None:
        rest.call("POST", self.env["DBB_RUCIO_CYCLE_URL"], body={}, timeout_s=120)

    def repair(self) -> None:
        body = {"only": ["judge-repairer"]}
        rest.call("POST", self.env["DBB_RUCIO_CYCLE_URL"], body=body, timeout_s=120)

    def is_open(self, dataset: Did) -> bool:
        return bool(self.client.get_metadata(dataset.scope, dataset.name)["is_open"])

    def content(self, dataset: Did) -> set[Did]:
        rows = self.client.list_content(dataset.scope, dataset.name)
        return {Did(row["scope"], SafeName.parse(row["name"])) for row in rows}

    def metadata(self, did: Did) -> dict[str, Any]:
        return dict(self.client.get_metadata(did.scope, did.name, plugin="JSON"))

    def remove_rule(self, rule_id: str) -> None:
        self.client.update_replication_rule(rule_id, {"lifetime": 0})


@pytest.fixture(scope="module", autouse=True)
def _no_subscriptions(sandbox: Any) -> None:
    """End what another module applied: here, only the tests' own calls make rules."""
    policies = open_policies(Settings.load(environment=sandbox.env))
    for name in policies.subscriptions():
        policies.end_subscription(name)


@pytest.fixture
def bench(env: Mapping[str, str]) -> Iterator[Bench]:
    bench = Bench(env)
    yield bench
    bench.catalog.close()


class TestRucioCatalog(CatalogConformance):
    """The promises of every catalogue."""

    def test_the_dataset_carries_what_subscriptions_look_at(
        self, bench: Bench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        metadata = bench.client.get_metadata(entry.dataset.scope, entry.dataset.name)
        columns = ("datatype", "project", "campaign", "stream_name")
        found = tuple(metadata[column] for column in columns)
        assert found == ("raw", "LSSTCam", "BLOCK-365", ".raw-ukdf.")

    def test_files_carry_size_and_adler32_of_the_manifest(
        self, bench: Bench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        bundle, _ = files_of(entry)
        metadata = bench.client.get_metadata(bundle.scope, bundle.name)
        expected = entry.files[0].digest
        assert (metadata["bytes"], metadata["adler32"]) == (expected.size_bytes, expected.adler32)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize(
        "call", ["get_metadata_bulk", "add_dids", "add_files_to_datasets", "set_status"]
    )
    def test_a_worker_killed_at_any_call_is_made_up_for_by_the_next(
        self,
        bench: Bench,
        units: Iterator[Unit],
        monkeypatch: pytest.MonkeyPatch,
        call: str,
        when: str,
    ) -> None:
        entries = [entry_of(next(units)) for _ in range(2)]
        with monkeypatch.context() as patched:
            patched.setattr(bench.client, call, _killing(getattr(bench.client, call), when))
            with pytest.raises(Killed):
                bench.catalog.register(entries, bench.archive)
        bench.catalog.register(entries, bench.archive)
        for entry in entries:
            assert bench.content(entry.dataset) == set(files_of(entry))
            assert not bench.is_open(entry.dataset)
            for places in bench.catalog.replicas(files_of(entry)).values():
                assert list(places) == [bench.archive]

    def test_workers_that_register_the_same_at_once_do_not_disturb_each_other(
        self, bench: Bench, units: Iterator[Unit]
    ) -> None:
        entries = [entry_of(next(units)) for _ in range(3)]
        datasets = [entry.dataset for entry in entries]
        failures: list[BaseException] = []
        rules: list[dict[Did, str]] = []
        begin = threading.Barrier(3, timeout=60)

        def work() -> None:
            catalog = login(bench.env)
            try:
                begin.wait()
                for _ in range(5):  # who comes second to closing a dataset tries again, as tasks do
                    with contextlib.suppress(CatalogUnavailable):
                        catalog.register(entries, bench.archive)
                        break
                rules.append(catalog.ensure_rules(datasets, RuleWish(bench.receiver, ACTIVITY)))
            except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
                failures.append(error)
            finally:
                catalog.close()

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert rules[0] == rules[1] == rules[2]
        for entry in entries:
            assert bench.content(entry.dataset) == set(files_of(entry))
            assert not bench.is_open(entry.dataset)

    def test_a_replica_that_was_lost_can_be_registered_again(
        self, bench: Bench, entry: CatalogEntry
    ) -> None:
        lay_down(entry, bench.store(bench.archive))
        bench.catalog.register([entry], bench.archive)
        bench.catalog.register([entry], bench.receiver)
        assert not bench.is_open(entry.dataset)
        for places in bench.catalog.replicas(files_of(entry)).values():
            assert set(places) == {bench.archive, bench.receiver}

    def test_a_closed_dataset_of_other_files_is_a_conflict(
        self, bench: Bench, entry: CatalogEntry
    ) -> None:
        name = {"scope": entry.dataset.scope, "name": str(entry.dataset.name)}
        bench.client.add_dids([{**name, "type": "DATASET"}])
        bench.client.set_status(**name, open=False)
        with pytest.raises(ConflictingDuplicate, match="Dataset/LSSTCam"):
            bench.catalog.register([entry], bench.archive)

    def test_an_activity_that_rucio_does_not_know_is_misconfigured(
        self, bench: Bench, entry: CatalogEntry
    ) -> None:
        bench.catalog.register([entry], bench.archive)
        with pytest.raises(SettingMissing, match="Nonsense"):
            bench.catalog.ensure_rules([entry.dataset], RuleWish(bench.receiver, "Nonsense"))


def _killing(call: Callable[..., Any], when: str) -> Callable[..., Any]:
    def killed(*args: Any, **kwargs: Any) -> Any:
        if when == "after":
            call(*args, **kwargs)
        raise Killed

    return killed


@pytest.mark.parametrize(
    "wrong", [{"password": "wrong"}, {"account": "nobody"}, {"account": "root"}]
)
def test_a_wrong_login_is_misconfigured(env: Mapping[str, str], wrong: dict[str, str]) -> None:
    right = login(env)
    right.rules(["0" * 32])
    catalog = login(env, **wrong)
    with pytest.raises(SettingMissing, match="account or its password"):
        catalog.rules(["0" * 32])
    right.close()


def test_no_password_shows_in_an_error(env: Mapping[str, str]) -> None:
    canary = "a-secret-that-is-wrong"
    catalog = login(env, password=canary)
    with pytest.raises(SettingMissing) as caught:
        catalog.rules(["0" * 32])
    assert canary not in str(caught.value)


def test_a_server_that_is_down_is_unavailable(env: Mapping[str, str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        catalog = login(env, host=f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(CatalogUnavailable):
            catalog.replicas([Did("raw", SafeName("a"))])
