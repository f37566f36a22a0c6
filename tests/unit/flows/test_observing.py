"""What headers say of exposures is there when the archive publishes them, once and whole."""

import dataclasses
import json

import pytest
from sqlalchemy import text

from dbb.flows import publishing
from dbb.flows.observing import fill_nights
from dbb.model.delivery import State
from support import world as world_module
from support.faults import Killed, every_crash
from support.tiny_camera import DETECTORS, header_name, put_detector, take_exposure, unit_name
from support.world import NIGHT, World, run_night


@pytest.fixture
def world():
    return World()


def rows(world, query):
    with world.ledger.transaction() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def versions(world):
    return rows(world, "select count(*) from consdb_exposure_version")[0][0]


def say_in_header(world, unit, **values):
    for detector in DETECTORS:
        document = {"OBSID": unit.rpartition("/")[2], **values}
        world.summit.put(header_name(unit, detector), json.dumps(document).encode())


def test_a_published_exposure_is_in_the_consolidated_database(world):
    unit = take_exposure(world.summit, 1)
    say_in_header(world, unit, WINDDIR=310.0, VIGNETTE="NO", EXPTIME=29.5)
    world.settle()
    run_night(world)
    query = "select exposure_name, band, wind_dir, vignette, exp_time from cdb_lsstcam_exposure"
    assert rows(world, query) == [(unit.rpartition("/")[2], "r", 310.0, "NO", 29.5)]
    assert rows(world, "select visit_id from cdb_lsstcam_visit1") == [(2026112100001,)]
    assert rows(world, "select detector from cdb_lsstcam_ccdexposure") == [(0,), (1,), (2,)]


def test_what_is_refused_is_not_there(world):
    unit = take_exposure(world.summit, 1)
    world.settle()
    run_night(world, broken={unit: "a wrong record"})
    assert world.state(unit, "usdf") is not State.PUBLISHED
    assert versions(world) == 0


def test_a_late_detector_joins_the_others_and_the_exposure_stays_as_it_is(world):
    unit = take_exposure(world.summit, 1, detectors=DETECTORS[:2])
    world.settle(3601)
    run_night(world)
    assert rows(world, "select detector from cdb_lsstcam_ccdexposure") == [(0,), (1,)]
    put_detector(world.summit, unit, DETECTORS[2])
    world.settle()
    run_night(world)
    assert rows(world, "select detector from cdb_lsstcam_ccdexposure") == [(0,), (1,), (2,)]
    assert versions(world) == 1


def new_world():
    world = World()
    for number in (1, 2):
        take_exposure(world.summit, number)
    world.settle()
    return world


def unobserved(world):
    """Name the exposures that the archive publishes without observing metadata."""
    units = [unit_name(1), unit_name(2)]
    known = world.ledger.observed(units)
    return [
        unit for unit in units if world.state(unit, "usdf") is State.PUBLISHED and unit not in known
    ]


def sweep(only):
    """Kill at every operation of a kind, before and after, and run again; give what went wrong."""
    for schedule in every_crash(lambda counting: run_night(new_world(), counting), only):
        world = new_world()
        with pytest.raises(Killed):
            run_night(world, schedule)
        for store in world.stores.values():
            store.crash()
        wrong = [f"{schedule}: {unit}" for unit in unobserved(world)]
        run_night(world)
        if (versions(world), unobserved(world)) != (2, []):
            wrong.append(f"{schedule}, then again: {versions(world)} versions")
        world.ledger.engine.dispose()
        yield wrong


@pytest.mark.parametrize(("only", "kills"), [("Ledger.observe", 4), ("Ledger.advance", 10)])
def test_killed_anywhere_and_run_again_what_is_published_is_there_once(only, kills):
    outcomes = list(sweep(only))
    assert [fault for wrong in outcomes for fault in wrong] == []
    assert len(outcomes) >= kills


def test_the_sweep_sees_metadata_that_come_after_published_is_said(monkeypatch):
    """A planted bug: a kill between the two loses the rows."""
    monkeypatch.setattr(publishing, "observe_cargoes", lambda *_: None)
    publish = world_module.publish_units

    def publish_and_observe_late(backbone, units, endpoint):
        counts = publish(backbone, units, endpoint)
        if endpoint == "usdf" and counts["published"]:
            fill_nights(backbone, [NIGHT])
        return counts

    monkeypatch.setattr(world_module, "publish_units", publish_and_observe_late)
    assert any(sweep("Ledger.advance"))


# -- filling ---------------------------------------------------------------------------------------


def forget(world):
    """Have the database as it was before it kept observing metadata."""
    with world.ledger.transaction() as connection:
        for table in ("consdb_exposure_version", "consdb_member_version"):
            connection.execute(text(f"drop trigger {table}_no_delete"))
            connection.execute(text(f"delete from {table}"))  # noqa: S608
        connection.execute(text("delete from consdb_source"))


def test_older_exposures_are_filled_in_once(world):
    for number in (1, 2):
        take_exposure(world.summit, number)
    world.settle()
    run_night(world)
    before = rows(world, "select row_sha256 from consdb_exposure_version order by 1")
    forget(world)
    assert fill_nights(world.backbone(), [NIGHT]) == {"read": 2, "versions": 4, "wait": 0}
    assert rows(world, "select row_sha256 from consdb_exposure_version order by 1") == before
    assert fill_nights(world.backbone(), [NIGHT]) == {"read": 0, "versions": 0, "wait": 0}


def test_an_unreadable_bundle_waits_and_costs_only_itself(world):
    units = [take_exposure(world.summit, number) for number in (1, 2)]
    world.settle()
    run_night(world)
    forget(world)
    stem = f"raw/{units[0]}/{units[0].rpartition('/')[2]}"
    manifest = world.stores["usdf"].data(f"{stem}.manifest.json")
    world.stores["usdf"].delete([f"{stem}.manifest.json"])
    assert fill_nights(world.backbone(), [NIGHT]) == {"read": 1, "versions": 2, "wait": 1}
    world.stores["usdf"].put(f"{stem}.manifest.json", manifest)
    assert fill_nights(world.backbone(), [NIGHT]) == {"read": 1, "versions": 2, "wait": 0}


def test_a_bundle_that_is_away_leaves_out_what_only_its_header_says_until_it_is_back(world):
    unit = take_exposure(world.summit, 1)
    say_in_header(world, unit, WINDDIR=310.0)
    world.settle()
    run_night(world)
    forget(world)
    name = f"raw/{unit}/{unit.rpartition('/')[2]}.zip"
    data = world.stores["usdf"].data(name)
    world.stores["usdf"].delete([name])
    fill_nights(world.backbone(), [NIGHT])
    assert rows(world, "select band, wind_dir from cdb_lsstcam_exposure") == [("r", None)]
    world.stores["usdf"].put(name, data)
    assert fill_nights(world.backbone(), [NIGHT]) == {"read": 1, "versions": 1, "wait": 0}
    assert rows(world, "select band, wind_dir from cdb_lsstcam_exposure") == [("r", 310.0)]


def test_a_corrected_translation_makes_new_versions_that_publishing_again_does_not_undo(
    world, monkeypatch
):
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    backbone = world.backbone()
    assert fill_nights(backbone, [NIGHT], again=True)["versions"] == 0
    right = type(backbone.inspector).translate

    def corrected(*arguments):
        return dataclasses.replace(right(*arguments), target_name="COSMOS")

    monkeypatch.setattr(type(backbone.inspector), "translate", corrected)
    done = fill_nights(backbone, [NIGHT], again=True, reason="the target was read wrongly")
    assert done == {"read": 1, "versions": 1, "wait": 0}
    monkeypatch.undo()
    assert fill_nights(backbone, [NIGHT]) == {"read": 0, "versions": 0, "wait": 0}
    query = "select target_name from cdb_lsstcam_exposure"
    assert rows(world, query) == [("COSMOS",)]
    assert rows(world, "select reason from consdb_publication order by publication_id")[-1] == (
        "the target was read wrongly",
    )
