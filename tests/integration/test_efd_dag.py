"""The EFD's DAG as Airflow runs it, over a real InfluxDB, PostgreSQL and Rucio, from an hour's end to two endpoints."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from dbb.cli.main import main as dbb_command
from dbb.flows.copies import look_for_copies
from dbb.flows.efd_archiving import expect_hours, extract_open_cells
from dbb.flows.efd_replicating import load_publications
from dbb.flows.exposure_log import add_message
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.engine import open_engine
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger
from dbb.model.consdb import Observation, ccdexposures, exposure_record
from dbb.model.day_obs import TAI_MINUS_UTC, DayObs
from dbb.model.efd import HOUR, CellState, to_ns
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone
from dbb.wiring.base import SystemClock, open_ledger
from dbb.wiring.efd import (
    open_consdb,
    open_efd_extraction,
    open_efd_files,
    open_efd_intervals,
    open_efd_values,
    open_hashes,
)
from sandbox import rest
from sandbox.prepare import prepare
from sandbox.synthetic_efd import EfdNight, make_database, write_lines, write_night
from support.conformance_published import facts, lay_exposures
from support.influx_server import running_influx
from support.own_database import own_database
from support.receivers import count_from

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(1800)]

ROOT = Path(__file__).resolve().parents[2]
DAG = "efd_etl"
MOUNT, WIND = "lsst.sal.MTMount.encoder", "lsst.sal.ESS.airFlow"
SENT = (MOUNT, WIND, "lsst.sal.MTPtg.mountPosition", "lsst.sal.MTAOS.logevent_m1m3Correction")
"""The topics that the source has; of the others it knows nothing."""
ANEMOMETER = 301
"""Whose wind has a column of its own; the synthetic night has others."""
QUERY = """
select e.exposure_name, e.azimuth_start, t.mt_salindex301_airflow_speed_mean as wind_m_s,
       l.message_text, d.detectors
from cdb_lsstcam.exposure e
join efd_lsstcam.exposure_efd t on t.exposure_id = e.exposure_id
join (select exposure_id, count(*) as detectors from cdb_lsstcam.ccdexposure group by exposure_id) d
  on d.exposure_id = e.exposure_id
left join dbb.exposure_log l on l.obs_id = e.exposure_name and l.is_valid
where e.day_obs = :day_obs and e.band = 'r' and t.mt_salindex301_airflow_speed_mean > 10
order by e.exposure_id
"""


@pytest.fixture
def databases(sandbox):
    """Give the addresses of two databases of this test's own: the archive's ledger, and the other endpoint's."""
    with own_database(sandbox) as here, own_database(sandbox) as there:
        yield [each.render_as_string(hide_password=False) for each in (here, there)]


@pytest.fixture
def night(sandbox, tmp_path, databases):
    """Give a night that is in a server, and the environment that Airflow needs to work on it."""
    prepare(Settings.load(environment=sandbox.env))  # Rucio's rules, and Butlers
    with running_influx(ROOT, tmp_path / "state") as server:
        make_database(server.url(), "efd")
        night = EfdNight(DayObs(20261121), scale=0.2, hours=2, topics=SENT)
        write_night(night, server.url(), "efd")
        yield (
            night,
            {
                **os.environ,
                **sandbox.env,
                "AIRFLOW_HOME": str(tmp_path),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
                "DBB_EFD_URL": server.url(),
                "DBB_FIRST_NIGHT": str(night.day_obs),
                "DBB_LEDGER_URL": databases[0],
                "DBB_EFD_VALUES_FRDF": databases[1],
                "PYTHONPATH": str(ROOT / "plugins"),
            },
        )


def airflow(env, *words):
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words],
        env=env, capture_output=True, text=True, check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def lay(ledger, night):
    """Have the exposures of a night in the ledger, and published, as the raw flow leaves them."""
    many = []
    for each in night.exposures():
        made = facts(each.exposure_id % 100_000, 0.0)
        begin = (each.begin + TAI_MINUS_UTC).replace(tzinfo=None)
        values = {name: getattr(made, name) for name in made.__slots__}
        changes = {
            "instrument": "LSSTCam",
            "begin_tai": begin,
            "exposure_id": each.exposure_id,
            "day_obs": night.day_obs.value,
            "obs_id": f"MC_O_{night.day_obs}_{each.exposure_id % 100_000:06d}",
            "physical_filter": ("r_57", "g_6")[each.exposure_id % 2],
            "azimuth_deg": each.exposure_id % 360 / 7,
        }
        many.append(
            type(made)(**{**values, **changes, "end_tai": begin + dt.timedelta(seconds=30)})
        )
    lay_exposures(ledger, *many)
    bands = load_instruments()["LSSTCam"].physical_filters
    for first in range(0, len(many), 50):  # one publication each
        ledger.observe(
            [
                Observation(
                    f"LSSTCam/{told.day_obs}/{told.obs_id}", f"{told.exposure_id:064}",
                    exposure_record(told, bands[told.physical_filter], {"WINDDIR": 310.5}),
                    ccdexposures(told, range(205)),
                )
                for told in many[first : first + 50]
            ]
        )  # fmt: skip


def blow(url, exposures):
    """Let the wind be 12 m/s in two exposures of four, one of which is in the r band, else 4 m/s."""
    lines = []
    for each in exposures:
        speed = 12.0 if each.exposure_id % 4 < 2 else 4.0
        for second in range(0, 30, 5):
            time_ns = to_ns(each.begin) + second * 10**9 + 1_000
            seq = (each.exposure_id % 100_000) * 100 + second + 5_000_000
            lines.append(
                f"{WIND} salIndex={ANEMOMETER}i,speed={speed},private_seqNum={seq}i,"
                f"private_origin=7i {time_ns}"
            )
    write_lines(url, "efd", "\n".join(lines))


def mean_of(series, field, exposure):
    """Work out a mean with both ends of the exposure included, one value after the other."""
    lower, upper = to_ns(exposure.begin), to_ns(exposure.end)
    rows = zip(series.time_ns.tolist(), series.columns[field].tolist(), strict=True)
    inside = [value for time, value in rows if lower <= time <= upper]
    return math.fsum(inside) / len(inside)


def ask(url, day_obs, publication):
    """Ask a user's question of a database, as of a publication."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("set local search_path to dbb, public"))
        connection.execute(
            text("select set_config('dbb.efd_publication', :number, true)"),
            {"number": str(publication)},
        )
        found = [tuple(row) for row in connection.execute(text(QUERY), {"day_obs": day_obs})]
    engine.dispose()
    return found


def await_copies(backbone, env, endpoint):
    """Let Rucio's daemons work until everything has come to an endpoint."""
    end_s = time.monotonic() + 240
    while look_for_copies(backbone, endpoint).waiting:
        assert time.monotonic() < end_s, "the copies do not come"
        rest.call("POST", env["DBB_RUCIO_CYCLE_URL"], timeout_s=120)
        time.sleep(0.2)  # the copy service works in its own time


def units_of_publications(ledger):
    with ledger.transaction() as connection:
        rows = connection.execute(
            text("select unit from publication_file order by first_publication")
        )
        return [row.unit for row in rows]


@contextlib.contextmanager
def timed(took, what):
    begun = time.monotonic()
    yield
    took[what] = time.monotonic() - begun


def check_archived(efd, ledger, middle, end):
    """The hour's topics are archived, and on their way."""
    found = {cell.topic: cell for cell in efd.cells.cells(efd.names, middle, end)}
    assert set(found) == set(efd.topics)
    assert found[MOUNT].state is CellState.EXTRACTED
    (file,) = efd.cells.current(MOUNT, middle, end)
    assert (Path(efd.store.url.removeprefix("file://")) / "files" / file.name).is_file()
    assert str(ledger.deliveries([file.unit])[file.unit, "usdf"].state) == "verified"


def check_values(published, night, exposures):
    """Every exposure of the hour has the values that are true; give them."""
    values = published.values("LSSTCam", night.day_obs.value)
    assert sorted(values) == [each.exposure_id for each in exposures]
    mount = night.of_topic(MOUNT)
    for each in exposures:
        found = values[each.exposure_id][""]["mt_azimuth_encoder_absolute_position_0_mean"]
        right = mean_of(mount, "azimuthEncoderAbsolutePosition0", each)
        assert found == pytest.approx(right, abs=1e-9)
    return values


def check_compare(env, capsys, differ):
    """``dbb efd compare`` names what differs."""
    code = dbb_command(["efd", "compare", "--endpoint", "frdf", "--json"], env)
    (endpoint,) = json.loads(capsys.readouterr().out)["endpoints"]
    assert (code, endpoint["differ"]) == (1 if differ else 0, differ)


def change_a_row(url, exposure_id):
    """Change a row of a database as somebody could who may do everything."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))  # no triggers
        connection.execute(
            text(
                "update dbb.consdb_exposure_version set row_sha256 = 'x', row_check = 1 "
                "where exposure_id = :id"
            ),
            {"id": exposure_id},
        )
    engine.dispose()


def test_an_hours_values_and_exposures_are_the_same_at_both_endpoints(night, databases, capsys):  # noqa: PLR0915 - one night
    night, env = night
    settings = Settings.load(environment=env)
    ledger, day_obs = open_ledger(settings, "test"), night.day_obs.value
    ledger.migrate()
    middle, end = night.begin + HOUR, night.begin + 2 * HOUR
    backbone = open_backbone(settings, "test")
    efd = open_efd_extraction(settings, backbone, "test")
    expect_hours(efd, night.begin, end)
    target, there = open_efd_values(settings, "frdf", "test")
    before = random.randrange(10**6, 9 * 10**8)  # noqa: S311 - no secret
    count_from([ledger, SqlLedger(open_engine(databases[1]), SystemClock(), "test")], before)
    lay(ledger, night)
    exposures = [each for each in night.exposures() if middle <= each.end < end]
    windy = [each.exposure_id for each in exposures if each.exposure_id % 4 == 0]
    names = [f"MC_O_{day_obs}_{each % 100_000:06d}" for each in windy]
    blow(env["DBB_EFD_URL"], exposures)
    airflow(env, "db", "migrate")
    airflow(env, "pools", "set", "raw", "4", "as the project's")
    # the hour before was archived by an earlier run
    extract_open_cells(efd, night.begin, middle, limit=HOUR)
    ended = (end + dt.timedelta(minutes=10)).isoformat()
    took = {}
    with timed(took, "`efd_etl`"):  # of the interval that ended six minutes after the hour
        airflow(env, "dags", "test", DAG, ended)

    check_archived(efd, ledger, middle, end)
    known = open_efd_intervals(settings, "test").intervals("LSSTCam", night.begin, end)
    # the first hour's look-back reaches before the first hour that anybody archived
    assert [(str(each.state), each.code) for each in known] == [
        ("waiting", "efd-not-extracted"),
        ("published", ""),
    ]
    published = SqlPublished(ledger)
    values, first = check_values(published, night, exposures), published.last()

    # Rucio carries what was published to the other endpoint
    with timed(took, "`parcel_transfer`"):
        airflow(env, "dags", "test", "parcel_transfer", ended)
    with timed(took, "Rucio"):
        await_copies(backbone, env, "frdf")
    with timed(took, "`deliver_frdf`"):
        airflow(env, "dags", "test", "deliver_frdf", ended)
    units = units_of_publications(ledger)
    copies = {key: str(each.state) for key, each in ledger.deliveries(units).items()}
    assert copies == {(unit, name): "published" for unit in units for name in ("usdf", "frdf")}

    # a message, a late point, and a run once more: it makes one exposure anew; the endpoint loads what came
    add_message(backbone, open_consdb(settings, "ann"), names[0], "clouds", "ann")
    late = to_ns(exposures[3].begin) + 1_234_567_000
    write_lines(
        env["DBB_EFD_URL"],
        "efd",
        f"{MOUNT} azimuthEncoderAbsolutePosition0=3.5,private_seqNum=999999i {late}",
    )
    with timed(took, "`efd_etl`, once more"):
        airflow(env, "dags", "test", DAG, ended)
    with timed(took, "`efd_load_frdf`"):
        airflow(env, "dags", "test", "efd_load_frdf", ended)
    here = open_hashes(settings, "test")
    assert (published.last(), there.last()) == (first + 2, first)
    assert len(published.values("LSSTCam", day_obs)) == len(values)
    assert published.values("LSSTCam", day_obs, first) == values

    # a user's question has the archive's answer as of then
    answer = ask(databases[1], day_obs, "")
    assert answer == ask(databases[0], day_obs, first)
    assert [row[0] for row in answer] == names
    check_compare(env, capsys, [])

    # the next round, by the same flows
    units = [unit for unit in units_of_publications(ledger) if unit not in units]
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")
    await_copies(backbone, env, "frdf")
    publish_units(backbone, look_for_copies(backbone, "frdf").work, "frdf")
    files = open_efd_files(settings, "test")
    assert load_publications(files, "frdf", backbone.store("frdf"), target)["loaded"] == 2
    for number in range(before, first + 3):
        assert here.days(number) == there.days(number)
        answers = [ask(url, day_obs, number) for url in databases]
        assert answers[0] == answers[1]
    assert [row[3] for row in answers[0]] == ["clouds", *[None] * (len(windy) - 1)]
    assert {row[4] for row in answers[0]} == {205}
    check_compare(env, capsys, [])

    # and a row that somebody changes there is named
    change_a_row(databases[1], windy[0])
    check_compare(env, capsys, [f"LSSTCam {day_obs} exposure {windy[0]}"])
    with capsys.disabled():
        print("", *(f"{seconds:6.1f} s {what}" for what, seconds in took.items()), sep="\n")  # noqa: T201
