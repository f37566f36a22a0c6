"""Which releases are begun by themselves: whole ones, once, and no part of one."""

import hashlib

import pytest

from dbb.errors import BadDocument
from dbb.flows.qserv_inputs import find_inputs
from dbb.flows.qserv_releases import list_release, look_for_releases
from dbb.flows.qserv_views import HandoffRow, Stage
from dbb.hooks.qserv.planning import load_overlay
from dbb.hooks.qserv.records import SqlQserv
from dbb.model.release_list import ReleaseList, release_of
from dbb.settings import INCLUDE
from support.sent_parcels import publish, send
from support.world import World

OBJECTS, VISITS, LIST = (f"files/20261121/{name}" for name in ("dp1-a", "dp1-b", "release-dp1"))
FILES = {
    OBJECTS: {"dp1/DiaObject/a.parquet": b"objects", "dp1/DiaObject/b.parquet": b"more objects"},
    VISITS: {"dp1/Visit/a.parquet": b"visits", "dp1/README": b"about"},
}


def overlay_of(release):
    return load_overlay(INCLUDE / "qserv", release)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def records(world):
    return SqlQserv(world.ledger)


def the_list(world, release="dp1", units=tuple(FILES)):
    rows = world.ledger.units(list(units))
    parcels = {unit: rows[unit].manifest_sha256 for unit in units}
    return {f"{release}/RELEASE.json": ReleaseList(release, parcels).data}


def look(world, records, endpoint="frdf"):
    (found,) = look_for_releases(world.backbone(), records, [endpoint], overlay_of)
    return found


def test_without_a_list_nothing_is_looked_at(world, records):
    for unit, files in FILES.items():
        send(world, unit, files)
    assert look_for_releases(world.backbone(), records, ["usdf", "frdf"], overlay_of) == []


@pytest.mark.parametrize("last", [*FILES, LIST])
def test_only_the_last_parcel_that_comes_makes_it_due_whichever_it_is(world, records, last):
    for unit, files in FILES.items():
        send(world, unit, files, places=("usdf",))
    send(world, LIST, the_list(world), places=("usdf",))
    assert look(world, records, "usdf").is_due
    for unit in sorted({*FILES, LIST} - {last}):
        publish(world, unit, ["frdf"])
        found = look_for_releases(world.backbone(), records, ["frdf"], overlay_of)
        assert not any(each.is_due for each in found)
    publish(world, last, ["frdf"])
    found = look(world, records)
    assert (found.endpoint, found.release, found.reason) == ("frdf", "dp1", "")
    sha256 = hashlib.sha256(the_list(world)["dp1/RELEASE.json"]).hexdigest()
    assert found.run_id == f"delivered__dp1.frdf.{sha256[:12]}"
    assert look(world, records) == found  # the same run for every look


@pytest.mark.parametrize("stage", list(Stage))
def test_what_was_begun_is_never_begun_again_not_even_after_a_rollback(world, records, stage):
    for unit, files in FILES.items():
        send(world, unit, files)
    send(world, LIST, the_list(world))
    records.begin(HandoffRow("dp1", "frdf", "dp1", "0" * 64, Stage.PLANNED))
    records.advance("dp1@frdf", stage)
    assert look(world, records).reason == f"its handoff was begun and is {stage}"


def test_a_parcel_that_is_not_on_the_list_keeps_it_back(world, records):
    for unit, files in FILES.items():
        send(world, unit, files)
    send(world, LIST, the_list(world, units=(OBJECTS,)))
    assert VISITS in look(world, records).reason


def test_a_parcel_of_no_known_table_keeps_it_back(world, records):
    send(world, OBJECTS, FILES[OBJECTS])
    send(world, VISITS, {"dp1/Vist/a.parquet": b"visits"})
    send(world, LIST, the_list(world))
    assert "no file of a known table" in look(world, records).reason


def test_a_parcel_with_another_manifest_than_listed_keeps_it_back(world, records):
    for unit, files in FILES.items():
        send(world, unit, files)
    told = ReleaseList("dp1", dict.fromkeys(FILES, "0" * 64))
    send(world, LIST, {"dp1/RELEASE.json": told.data})
    assert "another manifest" in look(world, records).reason


def test_two_lists_are_one_too_many(world, records):
    send(world, OBJECTS, FILES[OBJECTS])
    for day in (20261121, 20261122):
        send(world, f"files/{day}/release-dp1", the_list(world, units=(OBJECTS,)))
    assert "2 lists" in look(world, records).reason


@pytest.mark.parametrize(
    "files",
    [
        {"dp1/RELEASE.json": b"{"},
        {"dp1/release.json": b"{}"},
        {"dp1/RELEASE.json": ReleaseList("dp2", {OBJECTS: "0" * 64}).data},
    ],
)
def test_a_bad_list_is_refused_and_costs_only_itself(world, records, files):
    send(world, OBJECTS, FILES[OBJECTS])
    send(world, LIST, files)
    send(world, "files/20261121/release-dp2", the_list(world, "dp2", (OBJECTS,)))
    bad, other = look_for_releases(world.backbone(), records, ["frdf"], overlay_of)
    assert bad.reason.startswith("bad-document")
    assert world.codes(LIST) == ["bad-document"]
    assert not other.reason.startswith("bad-document")


def test_a_list_that_changed_on_the_disk_starts_nothing(world, records):
    send(world, OBJECTS, FILES[OBJECTS])
    told = the_list(world, units=(OBJECTS,))["dp1/RELEASE.json"]
    send(world, LIST, {"dp1/RELEASE.json": told})
    with world.stores["frdf"].create(f"{LIST}/dp1/RELEASE.json") as writer:
        writer.write(told.replace(b"dp1-a", b"dp1-b"))
    assert look(world, records).reason.startswith("digest-mismatch")


def test_a_release_that_is_not_known_here_waits(world, records):
    send(world, OBJECTS, FILES[OBJECTS])
    send(world, "files/20261121/release-dr9", the_list(world, "dr9", (OBJECTS,)))
    assert look(world, records).reason
    assert world.codes("files/20261121/release-dr9") == []


def test_a_list_is_made_of_what_is_served(world):
    for unit, files in FILES.items():
        send(world, unit, files)
    told = list_release(world.backbone(), "usdf", overlay_of("dp1"))
    assert told == ReleaseList.parse(the_list(world)["dp1/RELEASE.json"], "")
    assert len(list(find_inputs(world.backbone(), "usdf", overlay_of("dp1")))) == 3


@pytest.mark.parametrize(
    "document",
    [
        b"[]",
        b'{"schema": "dbb-release/1", "release": "dp1"}',
        b'{"schema": "dbb-release/2", "release": "dp1", "parcels": {"files/20261121/a": "%s"}}',
        b'{"schema": "dbb-release/1", "release": "../dp1", "parcels": {"files/20261121/a": "%s"}}',
        b'{"schema": "dbb-release/1", "release": "dp1", "parcels": {}}',
        b'{"schema": "dbb-release/1", "release": "dp1", "parcels": {"files/a": "%s"}}',
        b'{"schema": "dbb-release/1", "release": "dp1", "parcels": {"files/20261121/a": "0"}}',
    ],
)
def test_what_is_no_list_is_refused(document):
    with pytest.raises(BadDocument):
        ReleaseList.parse(document.replace(b"%s", b"0" * 64), "it")


def test_a_list_is_known_by_its_parcels_name():
    assert release_of("files/20261121/release-dp1") == "dp1"
    assert release_of("files/20261121/dp1") == release_of("files/20261121/release-DP1/x") == ""
