"""What publishing values of telemetry must do, whatever the database: run with a fixture ``ledger``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dbb.errors import EfdValuesRefused
from dbb.flows.efd_transforming import TransformPorts, transform_interval
from dbb.hooks.efd.engine import Engine
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.ledger_rows import facts_row
from dbb.hooks.sql import statement
from dbb.model.consdb import Observation, ccdexposures, exposure_record
from dbb.model.efd_values import WIDE, EfdRow, Publication, Severity, Violation
from dbb.model.exposure import ExposureFacts
from support.telemetry import NOON, MemorySamples, column, config_of, table_of

NIGHT = 20261121
WIND, FORCES = "lsst.sal.ESS.airFlow", "lsst.sal.MTM1M3.appliedForces"
HOUR = dt.timedelta(hours=1)


def facts(seq_num: int, begin_s: float, physical_filter: str = "SDSSr_65mm~empty") -> ExposureFacts:
    """Make an exposure of 30 s that begins so many seconds after NOON, in UTC."""
    begin = (NOON + dt.timedelta(seconds=begin_s + 37)).replace(tzinfo=None)
    return ExposureFacts(
        instrument="LATISS",
        exposure_id=NIGHT * 100000 + seq_num,
        obs_id=f"AT_O_{NIGHT}_{seq_num:06d}",
        day_obs=NIGHT,
        seq_num=seq_num,
        seq_start=seq_num,
        seq_end=seq_num,
        group_name="g",
        controller="O",
        physical_filter=physical_filter,
        observation_type="science",
        observation_reason="r",
        science_program="p",
        target_name="t",
        exposure_time_s=30.0,
        dark_time_s=30.0,
        begin_tai=begin,
        end_tai=begin + dt.timedelta(seconds=30),
        tracking_ra_deg=None,
        tracking_dec_deg=None,
        sky_angle_deg=None,
        azimuth_deg=None,
        zenith_angle_deg=None,
        airmass=None,
        air_temperature_c=None,
        pressure_pa=None,
        humidity_percent=None,
        wind_speed_m_s=None,
        has_simulated=False,
        can_see_sky=True,
    )


def lay_exposures(ledger: SqlLedger, *many: ExposureFacts) -> None:
    with ledger.transaction() as connection:
        for each in many:
            connection.execute(statement("ledger/note_exposure"), facts_row(each))


CONFIG = config_of(
    column("wind_mean", topic=WIND, fields=("speed",), ivoa={"unit": "m/s", "ucd": "stat.mean"}),
    column(
        "wind_n", "count", topic=WIND, fields=("speed",), datatype="int", tables=["exposure_efd"]
    ),
    column("is_windy", "logical_or", topic=WIND, fields=("speed",), datatype="boolean"),
    column(
        "forces",
        topic=FORCES,
        fields=("zForces0", "zForces1"),
        store_unpivoted=True,
        tables=["exposure_efd_unpivoted", "visit1_efd_unpivoted"],
    ),
)


def telemetry(late: float | None = None) -> MemorySamples:
    """Wind of 4 m/s, and 12 m/s from 100 s on; forces of 0 and 1 N."""
    times = [float(each) for each in range(0, 3600, 2)]
    speeds = [4.0 if each < 100 else 12.0 for each in times]
    if late is not None:
        times, speeds = [*times, late], [*speeds, 30.0]
    order = sorted(range(len(times)), key=times.__getitem__)
    seconds = [times[each] for each in order]
    zeros = [0.0] * len(seconds)
    return MemorySamples(
        {
            WIND: table_of(seconds, speed=[speeds[each] for each in order]),
            FORCES: table_of(seconds, zForces0=zeros, zForces1=[1.0] * len(seconds)),
        }
    )


@pytest.fixture
def published(ledger: SqlLedger) -> SqlPublished:
    lay_exposures(
        ledger,
        facts(1, 0),
        facts(2, 40, "SDSSg_65mm~empty"),
        facts(3, 120),
        facts(4, 160, "SDSSg_65mm~empty"),
        facts(5, 3585),  # ends in the next hour
    )
    return SqlPublished(ledger)


def ports(published, samples=None, violations=(), config=CONFIG) -> TransformPorts:
    engine = Engine(config, samples or telemetry())
    return TransformPorts(
        "LATISS", config, published, engine.transform, lambda _made, _changed: list(violations)
    )


def run(published, samples=None, hour=0, **more) -> Publication:
    begin = NOON + hour * HOUR
    accept = more.pop("accept", "")
    return transform_interval(ports(published, samples, **more), begin, begin + HOUR, accept)


def count(ledger, table) -> int:
    return ledger_scalar(ledger, f"select count(*) from {table}")  # noqa: S608 - a test's own


def ledger_scalar(ledger, query):
    with ledger.transaction() as connection:
        return connection.execute(text(query)).scalar_one()


def name_of(ledger, view) -> str:
    return f"efd_latiss{'_' if ledger.engine.dialect.name == 'sqlite' else '.'}{view}"


def test_each_exposure_is_published_in_the_interval_in_which_it_ended(published):
    assert run(published) == Publication(1, 8, 4)
    assert run(published, hour=1) == Publication(2, 2, 1)
    assert run(published, hour=2) == Publication(0, 0, 0)
    found = published.values("LATISS", NIGHT)
    assert sorted(found) == [NIGHT * 100000 + seq for seq in (1, 2, 3, 4, 5)]
    assert found[NIGHT * 100000 + 1] == {
        WIDE: {"wind_mean": 4.0, "wind_n": 16.0, "is_windy": 1.0},
        "forces": {"zForces0": 0.0, "zForces1": 1.0},
    }
    # the fifth straddles the edge: complete, of both hours' samples
    assert found[NIGHT * 100000 + 5][WIDE]["wind_n"] == 7.0  # 3586, …, 3598


def test_the_same_again_writes_nothing_at_all(published, ledger):
    run(published)
    tables = ("efd_version", "efd_publication", "efd_column", "efd_verdict")
    before = [count(ledger, table) for table in tables]
    assert run(published) == Publication(0, 0, 0)
    assert [count(ledger, table) for table in tables] == before
    assert published.last() == 1
    # nor does publishing without looking first, which two tasks at once may do
    made = Engine(CONFIG, telemetry()).transform(published.exposures("LATISS", NOON, NOON + HOUR))
    assert published.publish(CONFIG, NOON, NOON + HOUR, made.rows) == Publication(0, 0, 0)
    assert published.last() == 1


def test_a_late_sample_makes_new_versions_of_the_exposure_that_it_touches_only(published, ledger):
    run(published)
    yesterday = published.values("LATISS", NIGHT)
    assert run(published, telemetry(late=45.0)) == Publication(2, 1, 1)
    now = published.values("LATISS", NIGHT)
    touched = NIGHT * 100000 + 2
    assert now[touched][WIDE]["wind_mean"] == pytest.approx((16 * 4.0 + 30.0) / 17)
    assert {key for key in now if now[key] != yesterday[key]} == {touched}
    # yesterday's question has yesterday's answer, for ever
    assert published.values("LATISS", NIGHT, 1) == yesterday
    assert published.values("LATISS", NIGHT, 2) == now
    assert count(ledger, "efd_version") == 9
    assert count(ledger, "efd_current") == 8


@pytest.mark.parametrize("table", ["efd_version", "efd_publication"])
def test_the_database_refuses_to_change_what_was_published(published, ledger, table):
    run(published)
    change = "day_obs = 1" if table == "efd_version" else "versions = 0"
    for words in (f"update {table} set {change}", f"delete from {table}"):  # noqa: S608
        with pytest.raises(DBAPIError, match="append-only"), ledger.transaction() as connection:
            connection.execute(text(words))


def test_publishing_is_all_or_nothing(published, ledger, monkeypatch):
    from dbb.hooks.efd import published as module

    def fail(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_version", fail)
        with pytest.raises(KeyboardInterrupt):
            run(published)
    assert [count(ledger, each) for each in ("efd_version", "efd_publication")] == [0, 0]
    assert run(published) == Publication(1, 8, 4)


def test_what_an_expectation_forbids_is_recorded_and_not_published(published, ledger):
    faults = [
        Violation(Severity.BLOCK, "it is not above its limit", ("wind_mean",)),
        Violation(Severity.WARN, "it is not flat", ("wind_mean",)),
    ]
    for _ in range(2):
        with pytest.raises(EfdValuesRefused, match="not above its limit: wind_mean"):
            run(published, violations=faults)
    assert count(ledger, "efd_version") == 0
    [verdict] = published.verdicts("LATISS", NOON, NOON + HOUR)  # said twice, recorded once
    assert verdict.blocked
    assert [each["severity"] for each in verdict.detail["violations"]] == ["block", "warn"]
    assert run(published, violations=faults[1:]).rows == 8


def test_a_person_accepts_what_an_expectation_forbids(published, ledger):
    faults = [Violation(Severity.BLOCK, "it is not above its limit", ("wind_mean",))]
    assert run(published, violations=faults, accept="a storm").rows == 8
    assert ledger_scalar(ledger, "select reason from efd_publication") == "a storm"


def test_the_view_of_exposures_is_of_what_is_published_of_them(published, ledger):
    """What the ledger alone knows is at no other endpoint, and has no versions."""
    run(published)
    observed = exposure_record(facts(3, 120), "r", {})
    detectors = ccdexposures(facts(3, 120), [0])
    ledger.observe([Observation("LATISS/3", "0" * 64, observed, detectors)])
    exposure, values = name_of(ledger, "exposure"), name_of(ledger, "exposure_efd")
    with ledger.transaction() as connection:
        found = connection.execute(
            text(
                f"select e.obs_id, t.wind_mean, t.wind_n, t.is_windy from {exposure} e "  # noqa: S608
                f"join {values} t on t.exposure_id = e.exposure_id "
                "where e.day_obs = 20261121 and e.band = 'r' and t.wind_mean > 10 order by e.obs_id"
            )
        ).all()
    assert [tuple(row) for row in found] == [("AT_O_20261121_000003", 12.0, 16, True)]


def test_views_have_the_shape_of_the_published_schema(published, ledger):
    run(published)
    with ledger.transaction() as connection:
        keys = {
            view: list(
                connection.execute(text(f"select * from {name_of(ledger, view)}")).keys()  # noqa: S608
            )
            for view in ("exposure_efd", "visit1_efd", "visit1_efd_unpivoted")
        }
        arrays = connection.execute(
            text(
                "select property, field, value from "  # noqa: S608
                f"{name_of(ledger, 'exposure_efd_unpivoted')} where seq_num = 1 order by field"
            )
        ).all()
    shared = ["created_at", "wind_mean"]
    assert keys["exposure_efd"] == [
        "day_obs", "seq_num", "exposure_id", *shared, "wind_n", "is_windy",
    ]  # fmt: skip
    assert keys["visit1_efd"] == ["day_obs", "seq_num", "visit_id", *shared, "is_windy"]
    assert keys["visit1_efd_unpivoted"] == [
        "day_obs", "seq_num", "visit_id", "property", "field", "value",
    ]  # fmt: skip
    # a value of zero is one
    assert [tuple(row) for row in arrays] == [
        ("forces", "zForces0", 0.0),
        ("forces", "zForces1", 1.0),
    ]


def test_another_configuration_leaves_old_columns_where_they_are(published, ledger):
    run(published)
    wind, *_ = CONFIG.columns
    gust = column("gust_max", "max", topic=WIND, fields=("speed",))
    again = run(published, config=config_of(gust, wind, sha256="d" * 64))
    assert again == Publication(2, 4, 4)
    found = published.values("LATISS", NIGHT)[NIGHT * 100000 + 1]
    assert found[WIDE] == {"wind_mean": 4.0, "gust_max": 4.0}
    assert published.values("LATISS", NIGHT, 1)[NIGHT * 100000 + 1][WIDE]["wind_n"] == 16.0
    query = f"select wind_mean, wind_n, gust_max from {name_of(ledger, 'exposure_efd')}"  # noqa: S608
    with ledger.transaction() as connection:
        assert tuple(connection.execute(text(query)).first()) == (4.0, None, 4.0)


def test_more_columns_than_a_table_can_have(published, ledger):
    # PostgreSQL refuses 1,601 columns of a table or view, and about 1,017 numbers in one line
    many = [column(f"wind_{number}", topic=WIND, fields=("speed",)) for number in range(1700)]
    assert run(published, config=config_of(*many)).rows == 4
    found = published.values("LATISS", NIGHT)[NIGHT * 100000 + 3]
    assert found[WIDE]["wind_1699"] == 12.0
    first, more = name_of(ledger, "exposure_efd"), name_of(ledger, "exposure_efd_2")
    query = (
        f"select wind_0, wind_1699 from {first} join {more} using (exposure_id) "  # noqa: S608
        f"where exposure_id = {NIGHT * 100000 + 3}"
    )
    with ledger.transaction() as connection:
        assert tuple(connection.execute(text(query)).one()) == (12.0, 12.0)


def test_endpoints_are_compared_by_day_and_by_row(published):
    run(published)
    first = published.digests("LATISS", NIGHT, NIGHT)
    assert first[NIGHT].versions == 8
    run(published, telemetry(late=45.0))
    assert published.digests("LATISS", NIGHT, NIGHT, 1) == first
    assert published.digests("LATISS", NIGHT, NIGHT) != first
    before, after = (published.hashes("LATISS", NIGHT, number) for number in (1, 2))
    differ = {key for key in before if before[key] != after[key]}
    # the forces had one sample more, and are what they were
    assert differ == {f"{NIGHT * 100000 + 2}"}


def test_two_at_once_publish_once(published, ledger):
    made = Engine(CONFIG, telemetry()).transform(published.exposures("LATISS", NOON, NOON + HOUR))
    others = [EfdRow(**{**_fields(row), "values": {**row.values}}) for row in made.rows]
    done: list[Publication] = []

    def publish(rows):
        done.append(published.publish(CONFIG, NOON, NOON + HOUR, rows))

    threads = [threading.Thread(target=publish, args=(each,)) for each in (made.rows, others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.rows for each in done) == [0, 8]
    assert count(ledger, "efd_version") == 8


def _fields(row: EfdRow) -> dict[str, object]:
    return {each.name: getattr(row, each.name) for each in dataclasses.fields(row)}


def test_it_is_known_how_many_samples_published_values_were_made_of(published):
    first = NIGHT * 100000 + 1
    assert published.samples("LATISS", [first]) == {}
    run(published)
    assert published.samples("LATISS", [first]) == {first: {WIND: 16, FORCES: 16}}
