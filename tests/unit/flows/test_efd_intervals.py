"""Intervals of telemetry by exposure: what is made, made again, and what waits for what."""

import dataclasses

import pytest

from dbb.errors import EfdLatePoints, EfdSchemaChanged, EfdValuesRefused, MissingCopy
from dbb.flows.efd_intervals import look_at
from dbb.model.efd import to_ns
from dbb.model.efd_interval import IntervalState
from support.efd_world import BEGIN, EVENT, HOUR, MOUNT
from support.telemetry import column, config_of
from support.values_world import CONFIG, LIMITS, ValuesWorld, exposure


@pytest.fixture
def efd():
    """Give three hours of telemetry, exposures in the second and third, and all of it archived."""
    made = ValuesWorld()
    made.telemetry(3)
    made.expose(exposure(1, 1), exposure(2, 1, 200), exposure(3, 2))
    made.at(3)
    made.extract(0, 3)
    return made


def test_every_interval_with_exposures_is_made(efd):
    assert efd.transform() == {"published": 2, "exposures": 3, "versions": 6}
    assert efd.intervals() == {1: ("published", ""), 2: ("published", "")}
    assert {seq: values["dof"] for seq, values in efd.values().items()} == {1: 1.0, 2: 1.0, 3: 2.0}


def test_the_same_again_reads_nothing_and_writes_nothing(efd):
    efd.transform()
    before, store = efd.everything(), efd.world.stores["usdf"]
    opened = []
    real, store.open = store.open, lambda *a, **k: opened.append(a) or real(*a, **k)
    efd.world.clock.advance(60)
    assert efd.transform() == {}
    assert efd.everything() == before
    assert opened == []


def test_an_interval_waits_for_the_hours_that_its_windows_reach_into():
    fresh = ValuesWorld()
    fresh.telemetry(3)
    fresh.expose(exposure(1, 1), exposure(3, 2))
    fresh.at(3)
    fresh.extract(1, 3)  # nobody asked for the hour into which the first one's look-back reaches
    assert fresh.transform() == {"published": 1, "exposures": 1, "versions": 2}
    assert fresh.intervals() == {1: ("waiting", "efd-not-extracted"), 2: ("published", "")}
    assert fresh.interval(1).reason == f"not archived: {EVENT} 2026-11-22T00"
    fresh.extract(0, 1)
    assert fresh.transform() == {"published": 1, "exposures": 1, "versions": 2}
    assert fresh.intervals()[1] == ("published", "")


def test_an_hour_that_is_not_over_is_not_looked_at(efd):
    efd.expose(exposure(9, 3))
    efd.telemetry(1, 3)
    assert efd.transform(0, 4)["published"] == 2
    efd.at(4)
    assert efd.transform(0, 4) == {}  # it is over, and not archived
    assert efd.intervals()[3] == ("waiting", "efd-not-extracted")


def test_late_points_make_exactly_the_intervals_again_that_reach_into_their_hour(efd):
    efd.transform()
    efd.source.write(MOUNT, to_ns(BEGIN + HOUR) + 110_500_000_000, azimuth0=0.5, private_seqNum=9)
    efd.extract(0, 3)
    assert efd.transform() == {"published": 1, "exposures": 1, "versions": 2}
    # an event of hour 0 is within the look-back of hour 1, and not of hour 2
    efd.source.write(EVENT, to_ns(BEGIN) + 5, dof0=9.0, private_seqNum=99)
    efd.extract(0, 3)
    states = {each.begin: each.state for each in look_at(efd.ports(), BEGIN, BEGIN + 3 * HOUR)}
    assert states == {
        BEGIN + HOUR: IntervalState.OPEN,
        BEGIN + 2 * HOUR: IntervalState.PUBLISHED,
    }
    assert efd.transform() == {"same": 1}  # a later event is the most recent one
    assert efd.transform() == {}


def test_while_late_points_are_on_their_way_the_interval_waits_and_keeps_its_values(efd):
    efd.transform()
    before = efd.values()
    (cell,) = efd.efd().cells.cells([MOUNT], BEGIN + HOUR, BEGIN + 2 * HOUR)
    efd.efd().cells.reopen(cell, EfdLatePoints.for_hour(cell, 1, 2))
    assert efd.transform() == {}
    assert efd.intervals()[1] == ("waiting", "efd-late-points")
    assert efd.values() == before
    efd.extract(0, 3)  # the hour is what it was
    assert efd.transform() == {}
    assert efd.intervals()[1] == ("published", "")


def test_an_exposure_that_comes_late_opens_its_interval_however_old(efd):
    efd.transform()
    efd.at(24 * 40)
    efd.expose(exposure(7, 2, 500))
    assert efd.transform(24 * 40 - 1, 24 * 40) == {"published": 1, "exposures": 1, "versions": 2}
    assert sorted(efd.values()) == [1, 2, 3, 7]


def test_a_hole_in_an_old_night_is_not_passed_over(efd):
    efd.source.is_down = True
    efd.expose(exposure(8, 5))
    efd.at(24 * 40)
    efd.transform(24 * 40 - 1, 24 * 40)
    assert efd.intervals()[5] == ("waiting", "efd-not-extracted")


def test_what_is_refused_stays_so_until_something_changes_and_costs_only_itself(efd):
    efd.source.write(MOUNT, to_ns(BEGIN + HOUR) + 110_500_000_000, azimuth0=1e6, private_seqNum=9)
    efd.extract(0, 3)
    refused = efd.transform()
    assert isinstance(refused, EfdValuesRefused)
    assert efd.intervals() == {1: ("refused", "efd-values-refused"), 2: ("published", "")}
    assert "azimuth_mean" in efd.interval(1).reason
    assert efd.transform() == {}  # it is not judged again for nothing
    efd.limits = dataclasses.replace(LIMITS, units={"deg": (-1e9, 1e9)}, sha256="another")
    assert efd.transform()["published"] == 1
    assert efd.intervals()[1] == ("published", "")


def test_a_person_accepts_a_refused_interval_by_name_with_a_reason(efd):
    efd.source.write(MOUNT, to_ns(BEGIN + HOUR) + 110_500_000_000, azimuth0=1e6, private_seqNum=9)
    efd.extract(0, 3)
    efd.transform()
    done = efd.transform(accept={BEGIN + HOUR: "the encoder was being tested"})
    assert (done["published"], done["exposures"]) == (1, 2)
    assert efd.intervals()[1] == ("published", "")
    [row] = [each for each in efd.everything()[1] if "the encoder was being tested" in each]
    assert row
    # an acceptance is good for what was refused, and not for what came afterwards
    efd.source.write(MOUNT, to_ns(BEGIN + HOUR) + 111_500_000_000, azimuth0=2e6, private_seqNum=10)
    efd.extract(0, 3)
    refused = efd.transform(accept={BEGIN + HOUR: "again"})
    assert isinstance(refused, EfdValuesRefused)


def test_another_configuration_makes_everything_again(efd):
    efd.transform()
    efd.config = type(CONFIG)("LATISS", "2", CONFIG.columns[:2], sha256="d" * 64, file="test.yaml")
    assert efd.transform()["exposures"] == 3


def test_a_file_that_is_gone_fails_its_interval_alone_and_it_is_tried_again(efd):
    (file,) = efd.efd().cells.current(EVENT, BEGIN, BEGIN + HOUR)
    kept = efd.world.stores["usdf"].data(f"files/{file.name}")
    efd.world.stores["usdf"].delete([f"files/{file.name}"])
    failed = efd.transform()
    assert isinstance(failed, MissingCopy)
    assert efd.intervals() == {1: ("open", "missing-copy"), 2: ("published", "")}
    assert efd.interval(1).attempts == 1
    efd.world.stores["usdf"].put(f"files/{file.name}", kept)
    assert efd.transform()["published"] == 1
    assert efd.interval(1).attempts == 0


def test_samples_of_another_unit_than_their_columns_are_refused_unless_it_is_a_misprint(efd):
    wrong = column("azimuth_mean", topic=MOUNT, fields=("azimuth0",), ivoa={"unit": "rad"})
    efd.config = config_of(wrong)
    refused = efd.transform()
    assert isinstance(refused, EfdValuesRefused)
    assert "azimuth_mean of azimuth0" in refused.message
    efd.limits = dataclasses.replace(LIMITS, misprints={"azimuth_mean": "deg"}, sha256="another")
    assert efd.transform()["published"] == 2


def test_a_field_that_is_text_refuses_its_interval_until_the_configuration_follows(efd):
    efd.source.write(MOUNT, to_ns(BEGIN + HOUR) + 110_500_000_000, angle="high", private_seqNum=9)
    efd.extract(0, 3)
    angle = column("angle", topic=MOUNT, fields=("angle",), ivoa={"unit": "deg"})
    efd.config = config_of(angle, *CONFIG.columns[1:], sha256="d" * 64)
    refused = efd.transform()
    assert isinstance(refused, EfdSchemaChanged)
    assert efd.intervals()[1] == ("refused", "efd-schema-changed")
    assert 1 not in efd.values()
    assert efd.transform() == {}  # it is not tried again as it is
    assert isinstance(efd.transform(accept={BEGIN + HOUR: "no matter"}), EfdSchemaChanged)
    efd.config = CONFIG
    assert efd.transform()["published"] >= 1
    assert efd.intervals()[1] == ("published", "")


def test_a_window_with_numbers_and_texts_of_a_field_is_refused_with_the_same_code(efd):
    efd.expose(exposure(9, 3, -10.0))
    start = to_ns(BEGIN + 3 * HOUR)
    for number in range(720):
        efd.source.write(
            MOUNT, start + number * 5 * 10**9, azimuth0="12 deg", azimuth1=1.0,
            private_seqNum=3 * 3600 + number,
        )  # fmt: skip
    efd.at(4)
    efd.extract(3, 4)
    assert isinstance(efd.transform(), EfdSchemaChanged)
    assert efd.intervals()[3] == ("refused", "efd-schema-changed")
    assert efd.intervals()[2] == ("published", "")
