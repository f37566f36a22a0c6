"""A second receiver of files, of the EFD's archive and of published values is a policy and a setting: no code knows it."""

import contextlib
import sqlite3

import pytest

from dbb.doctor import examine
from dbb.errors import LedgerUnavailable
from dbb.flows import alarm_checks as find
from dbb.flows.copies import SOURCE_PATIENCE, look_for_copies
from dbb.flows.efd_replicating import compare_values, load_publications, write_publications
from dbb.flows.efd_sealing import seal_files
from dbb.flows.lfa import announce
from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import plan_policies
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.flows.whereabouts import find_copies
from dbb.hooks.alarms import SqlAlarms
from dbb.hooks.publications.files import SqlPublicationFiles
from dbb.hooks.publications.hashes import SqlHashes
from dbb.model.delivery import State
from dbb.model.kind import Kind
from dbb.settings import Settings
from dbb.wiring import backbone as backbone_wiring
from dbb.wiring.efd import open_efd_values
from dbb.wiring.watching import open_watch
from support import annex
from support.fake_infrastructure import MemoryInfrastructure
from support.receivers import FILES_UKDF, add_policies, copy_configuration, publish_hour
from support.values_world import ValuesWorld
from support.world import World

BOTH = ("frdf", "ukdf")
LFA = {**FILES_UKDF, "name": "lfa-ukdf", "what": {"kind": "lfa"}}
CHAINED = {**FILES_UKDF, "sources": ["frdf", "usdf"]}


class Site:
    """An archive with files of two hours, and what an operator may change: policies, and settings.

    Parameters
    ----------
    folder
        Where the configuration and the databases of endpoints lie.
    policies
        Added to those that are shipped.
    """

    def __init__(self, folder, *policies):
        self.folder, self.include = folder, folder / "include"
        add_policies(copy_configuration(self.include), *policies)
        self.environment = {
            f"DBB_EFD_VALUES_{name.upper()}": f"sqlite:///{folder}/{name}.db" for name in BOTH
        }
        self.environment["DBB_LEDGER_URL"] = f"sqlite:///{folder}/ledger.db"
        self.world = World(self.environment["DBB_LEDGER_URL"], policies=self.settings.policies)
        self.rucio = MemoryInfrastructure(self.world.catalog)
        self.values = ValuesWorld(self.world)
        self.away = set()

    @property
    def settings(self):
        return Settings.load(self.include, self.environment)

    def publish(self, hour):
        """Archive an hour with an exposure, publish its values, and what its header says; deliver, and load."""
        publish_hour(self.values, self.world.ledger, hour)
        self.run()

    def run(self):
        """Do what `efd_etl`, `parcel_transfer`, and at each endpoint that is there `deliver_…` and `efd_load_…` do."""
        there = [name for name in BOTH if name not in self.away]
        files = SqlPublicationFiles(self.world.ledger)
        write_publications(files, self.world.stores["usdf"])
        seal_files(self.world.backbone(), files)
        self.deliver(there)
        return {name: self.load(name) for name in there}

    def deliver(self, names):
        """Bring all files to endpoints."""
        backbone, units = self.world.backbone(), [row.unit for row in self.units()]
        register_units(backbone, units)
        publish_units(backbone, units, "usdf")
        for name in names:
            self.world.catalog.run_daemons()
            publish_units(backbone, look_for_copies(backbone, name).work, name)

    def load(self, name, **options):
        target, _ = open_efd_values(self.settings, name, "test")
        files = SqlPublicationFiles(self.world.ledger)
        return load_publications(files, name, self.world.stores[name], target, **options)

    def hashes(self, name):
        return open_efd_values(self.settings, name, "test")[1]

    def compared(self, name):
        found = compare_values(
            SqlHashes(self.world.ledger), name, self.hashes(name), self.world.clock
        )
        return found.publication_id, found.behind, found.differ

    def every_hash(self, *names):
        """Give, by place, the hash of every row of every day and table."""
        places = {name: self.hashes(name) for name in names}
        places["usdf"] = SqlHashes(self.world.ledger)
        last = places["usdf"].last()
        return {
            name: {key: there.hashes(key, last) for key in there.days(last)}
            for name, there in places.items()
        }

    def change_a_row(self, name):
        """Change a row of an endpoint's database as somebody could who may do everything."""
        with contextlib.closing(sqlite3.connect(self.folder / f"{name}.db")) as connection:
            connection.execute("drop trigger consdb_exposure_version_no_update")
            connection.execute(
                "update consdb_exposure_version set row_sha256 = 'x', row_check = 1 where seq_num = 1"
            )
            connection.commit()

    def units(self):
        days = self.world.ledger.days_of_kind(Kind.FILE)
        return [row for day in days for row in self.world.ledger.units_of_kind(Kind.FILE, day)]

    def states(self, name):
        return {str(self.world.state(row.unit, name)) for row in self.units()}

    def apply(self):
        """Do `dbb policy plan` and `apply` after a change of the document."""
        self.world.policies = self.settings.policies
        self.world.catalog.subscriptions = (self.world.policies, self.world.backbone().rses)
        backbone, endpoints = self.world.backbone(), self.settings.endpoints
        plan = plan_policies(backbone, endpoints, self.rucio)
        apply_policies(backbone, endpoints, self.rucio, plan.sha256)
        return plan


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path, FILES_UKDF, LFA)
    made.publish(0)
    return made


def test_two_receivers_load_the_same_from_the_same_files(site):
    assert site.settings.values_at == BOTH
    site.publish(1)
    assert site.states("frdf") == site.states("ukdf") == {"published"}
    telemetry = [row.unit for row in site.units() if "T0" in row.unit]
    assert len(telemetry) >= 2
    places = site.every_hash(*BOTH)
    assert {key.table for key in places["usdf"]} == {"telemetry", "exposure", "ccdexposure"}
    assert places["frdf"] == places["ukdf"] == places["usdf"]
    last = SqlHashes(site.world.ledger).last()
    assert last >= 3
    for name in BOTH:
        assert site.compared(name) == (last, 0, ())
    names = {
        place: {name for name in site.world.stores[place].names if name.startswith("files/")}
        for place in ("usdf", *BOTH)
    }
    assert names["frdf"] == names["ukdf"] == names["usdf"]
    site.change_a_row("ukdf")
    assert site.compared("frdf") == (last, 0, ())
    (row,) = site.compared("ukdf")[2]
    assert "exposure" in row


@pytest.mark.parametrize("away", BOTH)
def test_one_that_is_away_holds_the_other_not_back_and_catches_up(site, away):
    (other,) = set(BOTH) - {away}
    site.away = {away}
    first = site.compared(away)[0]
    site.publish(1)
    site.publish(2)
    last = SqlHashes(site.world.ledger).last()
    assert site.compared(other) == (last, 0, ())
    assert site.compared(away) == (first, last - first, ())
    site.away = set()
    assert site.run()[away]["loaded"] == last - first
    places = site.every_hash(*BOTH)
    assert places["frdf"] == places["ukdf"] == places["usdf"]
    assert site.run() == {name: dict.fromkeys(("loaded", "versions", "wait", "left"), 0) for name in BOTH}  # fmt: skip


def test_what_a_receiver_lacks_is_seen(site, monkeypatch):
    site.away = {"ukdf"}
    site.publish(1)
    (unit, *_) = [
        row for row in site.units() if site.world.state(row.unit, "ukdf") is State.EXPECTED
    ]
    backbone, rows = site.world.backbone(), SqlAlarms(site.world.ledger)
    shown = {each.endpoint: each.state for each in find_copies(backbone, None, [unit]).copies}
    assert shown == {"usdf": "published", "frdf": "published", "ukdf": "expected"}
    opened = {name: lambda name=name: site.hashes(name) for name in BOTH}
    archive = SqlHashes(site.world.ledger)
    assert find.find_late_files(backbone, rows) == []
    assert find.find_late_values(backbone, archive, opened) == []
    site.world.clock.advance(21 * 3600)
    (files,) = find.find_late_files(backbone, rows)
    (values,) = find.find_late_values(backbone, archive, opened)
    assert (files.code, files.where) == ("files-late", "ukdf")
    assert (values.code, values.where) == ("efd-values-late", "ukdf")

    def nobody():
        raise LedgerUnavailable.for_cause("no route", "frdf")

    silent, values = find.find_late_values(backbone, archive, {**opened, "frdf": nobody})
    assert (silent.code, silent.where, values.where) == ("ledger-unavailable", "frdf", "ukdf")
    monkeypatch.setattr(backbone_wiring, "SystemClock", lambda: site.world.clock)
    (same,) = open_watch(site.settings, "test").checks["values"]()  # the same, as it is wired
    assert (same.where, same.since_at) == (values.where, values.since_at)
    site.away = set()
    site.run()
    assert find.find_late_files(backbone, rows) == []
    assert find.find_late_values(backbone, archive, opened) == []


def test_one_that_takes_its_copies_from_another_is_held_back_by_an_hour_at_most(tmp_path):
    site = Site(tmp_path, CHAINED)
    site.publish(0)
    site.away = {"frdf"}
    rules = site.world.catalog
    real = rules._transfer  # nothing comes to frdf
    rules._transfer = lambda did, wish: "no route" if wish.rse == "FRDF" else real(did, wish)
    site.publish(1)
    assert site.compared("ukdf")[1] > 0
    for _ in range(4):
        site.world.clock.advance(SOURCE_PATIENCE.total_seconds() / 3)
        site.run()
    assert site.compared("ukdf")[1:] == (0, ())
    assert site.compared("frdf")[1] > 0


def test_a_receiver_that_is_added_later_gets_the_history(tmp_path):
    site = Site(tmp_path)
    site.publish(0)
    site.publish(1)
    assert site.states("ukdf") == {"None"}
    add_policies(site.include, FILES_UKDF)
    plan = site.apply()
    (send,) = plan.of("send")
    assert (send.subject, set(send.names)) == ("ukdf", {row.unit for row in site.units()})
    site.run()
    assert site.states("ukdf") == {"published"}
    places = site.every_hash(*BOTH)
    assert places["frdf"] == places["ukdf"] == places["usdf"]
    site.publish(2)  # and what comes from now on, by the subscription
    assert site.compared("ukdf")[1:] == (0, ())
    assert not plan_policies(site.world.backbone(), site.settings.endpoints, site.rucio)


def test_files_of_years_are_loaded_over_several_runs(tmp_path):
    site = Site(tmp_path, FILES_UKDF)
    site.away = {"ukdf"}
    site.publish(0)
    site.publish(1)
    site.away = set()
    site.deliver(["ukdf"])
    whole = SqlHashes(site.world.ledger).last()
    first = site.load("ukdf", is_time_up=lambda: True)
    assert (first["loaded"], first["left"] > 0) == (1, True)
    assert site.load("ukdf")["loaded"] == whole - 1
    assert site.compared("ukdf") == (whole, 0, ())


def test_the_annex_comes_to_both(site):
    objects = annex.make_annex(site.world)
    annex.lay(objects)
    site.world.settle()
    announce(objects, [annex.event()])
    annex.run(site.world, objects)
    site.deliver(BOTH)
    assert annex.available(site.world, "frdf") == annex.available(site.world, "ukdf") == [annex.KEY]


@pytest.mark.parametrize(
    ("policy", "is_well"),
    [
        (FILES_UKDF, True),
        (CHAINED, True),
        ({**FILES_UKDF, "what": {"kind": "file", "first_day": 20261122}}, False),
        ({**FILES_UKDF, "what": {"kind": "file", "instruments": ["LATISS"]}}, False),
        (LFA, False),
    ],
)
def test_the_doctor_names_a_database_to_which_not_every_publication_can_come(
    tmp_path, policy, is_well
):
    site = Site(tmp_path, policy)
    found = {each.check: each for each in examine(site.settings)}
    assert found["values frdf"].detail == "up to publication 0"
    assert (found["values ukdf"].error is None) is is_well
    if not is_well:
        assert "policies.yaml" in found["values ukdf"].remedy
