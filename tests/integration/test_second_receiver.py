"""A second receiver of files, telemetry and published values, by configuration alone: real Rucio, stores and PostgreSQL."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace

import pytest

from dbb.flows.copies import look_for_copies
from dbb.flows.efd_archiving import expect_hours
from dbb.flows.efd_replicating import compare_values, load_publications, write_publications
from dbb.flows.efd_sealing import seal_files
from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import INFRASTRUCTURE, plan_policies
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.model.kind import Kind
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone, open_policies
from dbb.wiring.base import SystemClock, open_ledger
from dbb.wiring.efd import open_efd_files, open_efd_values, open_hashes
from sandbox import rest
from sandbox.prepare import prepare
from support.efd_world import BEGIN, HOUR
from support.fake_clock import FixedClock
from support.own_database import own_database
from support.receivers import (
    FILES_UKDF,
    add_policies,
    copy_configuration,
    count_from,
    publish_hour,
)
from support.values_world import ValuesWorld

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

BOTH = ("frdf", "ukdf")


class Site:
    """Hold the archive's ledger, two endpoints' databases, and the configuration that an operator changes."""

    def __init__(self, sandbox, include, urls):
        self.include = copy_configuration(include)
        self.env = {
            **sandbox.env,
            "DBB_LEDGER_URL": urls[0],
            "DBB_EFD_VALUES_FRDF": urls[1],
            "DBB_EFD_VALUES_UKDF": urls[2],
        }
        self.ledger = open_ledger(self.settings, "test")
        self.ledger.migrate()
        self.rucio = open_policies(self.settings)
        world = SimpleNamespace(
            ledger=self.ledger,
            stores={"usdf": self.backbone().archive},
            clock=FixedClock(),
            backbone=self.backbone,
        )
        self.values = ValuesWorld(world)
        self.there = {name: open_efd_values(self.settings, name, "test") for name in BOTH}
        expect_hours(self.values.efd(), BEGIN, BEGIN + 3 * HOUR)
        self.before = random.randrange(10**6, 9 * 10**8)  # noqa: S311 - no secret
        ledgers = [SqlLedger(open_engine(url), SystemClock(), "test") for url in urls]
        count_from(ledgers, self.before)

    @property
    def settings(self):
        return Settings.load(self.include, self.env)

    def backbone(self, _schedule=None):
        return open_backbone(self.settings, "test")

    def units(self):
        days = self.ledger.days_of_kind(Kind.FILE)
        return [row.unit for day in days for row in self.ledger.units_of_kind(Kind.FILE, day)]

    def publish(self, hour):
        """Archive and publish an hour; have it at the archive, and registered."""
        publish_hour(self.values, self.ledger, hour)
        backbone, files = self.backbone(), open_efd_files(self.settings, "test")
        write_publications(files, backbone.archive)
        seal_files(backbone, files)
        register_units(backbone, self.units())
        publish_units(backbone, self.units(), "usdf")

    def await_copies(self, endpoint):
        """Let Rucio's daemons work until everything that is wanted there has come; publish it, and load."""
        backbone, end_s = self.backbone(), time.monotonic() + 120
        while (look := look_for_copies(backbone, endpoint)).waiting:
            assert time.monotonic() < end_s, look.waiting
            rest.call("POST", self.env["DBB_RUCIO_CYCLE_URL"], timeout_s=120)
            time.sleep(0.2)  # the copy service works in its own time
        publish_units(backbone, look.work, endpoint)
        files, (target, _) = open_efd_files(self.settings, "test"), self.there[endpoint]
        return load_publications(files, endpoint, backbone.store(endpoint), target)

    def compare(self, endpoint):
        archive = open_hashes(self.settings, "test")
        found = compare_values(archive, endpoint, self.there[endpoint][1], SystemClock())
        return found.publication_id - self.before, found.behind, found.differ

    def plan(self):
        return plan_policies(self.backbone(), self.settings.endpoints, self.rucio)

    def apply(self, plan, **options):
        backbone, endpoints = self.backbone(), self.settings.endpoints
        apply_policies(backbone, endpoints, self.rucio, plan.sha256, **options)


@pytest.fixture
def site(sandbox, tmp_path):
    shipped = Settings.load(environment=sandbox.env)
    prepare(shipped)
    with own_database(sandbox) as usdf, own_database(sandbox) as frdf, own_database(sandbox) as ukdf:  # fmt: skip
        urls = [each.render_as_string(hide_password=False) for each in (usdf, frdf, ukdf)]
        made = Site(sandbox, tmp_path / "include", urls)
        try:
            yield made
        finally:  # other tests have the shipped policies
            made.rucio.end_subscription("dbb-files-ukdf")
            backbone = open_backbone(shipped, "test")
            left = plan_policies(backbone, shipped.endpoints, made.rucio).of(*INFRASTRUCTURE)
            assert not left


def test_a_receiver_that_is_added_later_has_the_same_as_the_first(site):
    site.publish(0)
    site.publish(1)
    last = open_hashes(site.settings, "test").last() - site.before
    assert site.await_copies("frdf")["loaded"] == last == 3
    assert {place for _, place in site.ledger.deliveries(site.units())} == {"usdf", "frdf"}

    add_policies(site.include, FILES_UKDF)
    plan = site.plan()
    assert {line.action for line in plan.lines} == {"add subscription", "send"}
    (send,) = plan.of("send")
    assert (send.subject, set(send.names)) == ("ukdf", set(site.units()))
    site.apply(plan)
    assert not site.plan()
    assert site.await_copies("ukdf")["loaded"] == last

    # what comes from now on comes to both, by Rucio's subscriptions
    history = site.units()
    site.publish(2)
    loaded = [site.await_copies(name)["loaded"] for name in BOTH]
    assert loaded[0] == loaded[1] > 0
    new = [unit for unit in site.units() if unit not in history]
    client = site.backbone().catalog._port._client
    deliveries = site.ledger.deliveries(new)
    for unit in new:
        rule = client.get_replication_rule(deliveries[unit, "ukdf"].rule_id)
        assert rule["subscription_id"]
    copies = {str(each.state) for each in site.ledger.deliveries(site.units()).values()}
    assert copies == {"published"}

    archive = open_hashes(site.settings, "test")
    here = archive.days(archive.last())
    assert {key.table for key in here} == {"telemetry", "exposure", "ccdexposure"}
    for name in BOTH:
        there = site.there[name][1]
        assert site.compare(name) == (archive.last() - site.before, 0, ())
        assert there.days(archive.last()) == here
        for key in here:
            assert there.hashes(key, archive.last()) == archive.hashes(key, archive.last())
    names = {
        name: {each.name for each in site.backbone().store(name).list_files("files/20261121/efd/")}
        for name in ("usdf", *BOTH)
    }
    ours = {file for file in names["usdf"] if f".v{site.before + 1}." in file}
    assert ours
    assert ours <= names["frdf"] & names["ukdf"]
