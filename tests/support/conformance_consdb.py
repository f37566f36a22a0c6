"""What the Consolidated Database must do, whatever the database: run with a fixture ``ledger``."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dbb.errors import BadDocument
from dbb.flows.consdb import find_differences
from dbb.flows.consdb_products import Product, deliver_product
from dbb.flows.exposure_log import Edit, add_message, edit_message
from dbb.hooks.consdb.database import SqlConsdb
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.ledger import SqlLedger
from dbb.model.consdb import ConsdbPublication
from dbb.model.efd_values import EfdRow
from dbb.model.exposure_log import ExposureFlag
from support.consdb_night import (
    ALL,
    HEADER,
    NIGHT,
    SCIENCE,
    deliver,
    make_whole,
    name_of,
    observation,
    rows,
    scalar,
    unit_of,
)
from support.fake_clock import FixedClock
from support.telemetry import NOON, column, config_of
from support.world import World


@pytest.fixture
def consdb(ledger: SqlLedger) -> SqlConsdb:
    return SqlConsdb(ledger)


# -- versions --------------------------------------------------------------------------------------


def test_an_exposure_is_there_in_the_words_of_the_published_schema(ledger):
    assert ledger.observe([observation(1)]) == ConsdbPublication(1, 2)
    [row] = rows(ledger, f"select * from {name_of(ledger, 'exposure')}")  # noqa: S608
    assert (row["exposure_id"], row["exposure_name"]) == (2026112100001, "MC_O_20261121_000001")
    assert (row["band"], row["exp_time"], row["shut_time"]) == ("r", 29.5, 30.0)
    assert str(row["obs_start"]).replace("T", " ").startswith("2026-11-22 00:01:11")
    assert row["obs_start_mjd"] == pytest.approx(61366 + 71 / 86400, abs=1e-9)
    assert row["zenith_distance_end"] == 33.0
    assert 11.5 < row["azimuth"] < 12.5
    assert bool(row["can_see_sky"]) is True
    assert row["s_region"] is None
    [visit] = rows(ledger, f"select * from {name_of(ledger, 'visit1')}")  # noqa: S608
    assert visit["visit_id"] == row["exposure_id"]
    detectors = rows(ledger, f"select * from {name_of(ledger, 'ccdexposure')} order by 1")  # noqa: S608
    assert [each["detector"] for each in detectors] == ALL
    assert len({each["ccdexposure_id"] for each in detectors}) == len(ALL)


def test_the_same_again_writes_nothing_and_a_correction_is_a_new_version(ledger, consdb):
    ledger.observe([observation(1), observation(2)])
    before = consdb.hashes(NIGHT.value, NIGHT.value)
    assert ledger.observe([observation(1), observation(2)]) == ConsdbPublication()
    assert ledger.observed([unit_of(1)]) == {unit_of(1): f"{1:064x}"}
    corrected = observation(2, header={**HEADER, "WINDDIR": 130.0})
    assert ledger.observe([corrected], "the vane was turned") == ConsdbPublication(2, 1)
    name = name_of(ledger, "exposure")
    assert scalar(ledger, f"select wind_dir from {name} where seq_num = 2") == 130.0  # noqa: S608
    assert scalar(ledger, "select count(*) from consdb_exposure_version") == 3
    # yesterday's question has yesterday's answer
    assert consdb.hashes(NIGHT.value, NIGHT.value, 1) == before
    assert consdb.hashes(NIGHT.value, NIGHT.value, 2) != before


def test_a_detector_that_came_late_joins_those_that_are_there(ledger):
    ledger.observe([observation(1, detectors=[0, 1, 5])])
    late = dataclasses.replace(observation(1, detectors=[2]), unit=f"{unit_of(1)}.2", record=None)
    assert ledger.observe([late]).versions == 1
    name = name_of(ledger, "ccdexposure")
    assert [row["detector"] for row in rows(ledger, f"select detector from {name} order by 1")] == [  # noqa: S608
        0, 1, 2, 5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "table",
    ["consdb_exposure_version", "consdb_member_version", "consdb_publication",
     "exposure_log_version"],
)  # fmt: skip
def test_the_database_refuses_to_change_what_was_published(ledger, consdb, table):
    ledger.observe([observation(1)])
    add_message(World().backbone(), consdb, "MC_O_20261121_000001", "clouds", "ann")
    column_name = "versions" if table == "consdb_publication" else "row_check"
    for words in (f"update {table} set {column_name} = 0", f"delete from {table}"):  # noqa: S608
        with pytest.raises(DBAPIError, match="append-only"), ledger.transaction() as connection:
            connection.execute(text(words))


def test_publishing_is_all_or_nothing(ledger, monkeypatch):
    from dbb.hooks.consdb import records

    def fail(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(records, "_members_row", fail)
        with pytest.raises(KeyboardInterrupt):
            ledger.observe([observation(1)])
    assert scalar(ledger, "select count(*) from consdb_exposure_version") == 0
    assert scalar(ledger, "select count(*) from consdb_source") == 0
    assert ledger.observe([observation(1)]) == ConsdbPublication(1, 2)


def test_many_at_once_publish_each_exposure_once(ledger):
    def work():
        for seq_num in range(1, 6):
            ledger.observe([observation(seq_num, detectors=[0])])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert scalar(ledger, "select count(*) from consdb_exposure_version") == 5
    assert scalar(ledger, "select count(*) from consdb_publication") == 5


def test_one_number_fixes_exposures_and_telemetry_alike(ledger, consdb):
    """Publications of both take their numbers from one row."""
    ledger.observe([observation(1)])
    published = SqlPublished(ledger)
    config = config_of(column("wind_mean"))
    row = EfdRow(2026112100001, NIGHT.value, 1, "", {"wind_mean": 4.0})
    assert published.publish(config, NOON, NOON, [row]).publication_id == 2
    assert ledger.observe([observation(2)]).publication_id == 3
    assert consdb.last() == 3


# -- what users ask --------------------------------------------------------------------------------


def test_a_user_asks_for_r_band_exposures_in_strong_wind(ledger):
    ledger.observe(
        [observation(1), observation(2, physical_filter="g_6"), observation(3), observation(4)]
    )
    config = config_of(column("mt_salindex301_airflow_speed_mean"), instrument="LSSTCam")
    wind = {1: 12.0, 2: 13.0, 3: 4.0}  # nobody measured the fourth
    made = [
        EfdRow(
            NIGHT.value * 100000 + seq, NIGHT.value, seq, "",
            {"mt_salindex301_airflow_speed_mean": value},
        )
        for seq, value in wind.items()
    ]  # fmt: skip
    SqlPublished(ledger).publish(config, NOON, NOON, made)
    found = rows(
        ledger,
        "select e.exposure_name, t.mt_salindex301_airflow_speed_mean as wind "  # noqa: S608
        f"from {name_of(ledger, 'exposure')} e "
        f"join {name_of(ledger, 'exposure_efd', 'efd_lsstcam')} t on t.exposure_id = e.exposure_id "
        "where e.day_obs = 20261121 and e.band = 'r' "
        "and t.mt_salindex301_airflow_speed_mean > 10",
    )
    assert found == [{"exposure_name": "MC_O_20261121_000001", "wind": 12.0}]


def test_two_databases_with_the_same_rows_have_the_same_sums(ledger, consdb, tmp_path):
    from dbb.hooks.engine import open_engine

    make_whole(ledger, consdb)
    other = SqlLedger(open_engine(f"sqlite:///{tmp_path}/other.db"), FixedClock(), "test")
    other.migrate()
    there = SqlConsdb(other)
    # in another order, hence by other numbers
    other.observe([observation(3, img_type="bias")])
    make_whole(other, there)
    span = (NIGHT.value, NIGHT.value)
    assert find_differences(consdb.digests(*span), there.digests(*span)) == []
    assert consdb.hashes(*span) == there.hashes(*span)
    deliver(there, "ccdvisit1_quicklook", 1, SCIENCE, replace=True)
    [(mine, theirs)] = find_differences(consdb.digests(*span), there.digests(*span))
    assert (mine.table, mine.versions) == (theirs.table, theirs.versions)
    assert mine.table == "ccdvisit1_quicklook"
    other.engine.dispose()


# -- products --------------------------------------------------------------------------------------


def test_what_a_pipeline_delivers_is_there_under_the_published_names(ledger, consdb):
    ledger.observe([observation(1)])
    lines = ['{"visit_id": 2026112100001, "detector": 7, "psf_sigma": 1.5, "n_psf_star": 80}', ""]
    product = Product("LSSTCam", "ccdvisit1_quicklook", lines, "rows")
    assert deliver_product(consdb, product).versions == 1
    assert deliver_product(consdb, product) == ConsdbPublication()
    ours, detectors = name_of(ledger, "ccdvisit1_quicklook"), name_of(ledger, "ccdexposure")
    [row] = rows(
        ledger,
        f"select q.*, c.detector as of_ccd from {ours} q "  # noqa: S608
        f"join {detectors} c on c.ccdexposure_id = q.ccdvisit_id",
    )
    assert (row["seq_num"], row["detector"], row["of_ccd"]) == (1, 7, 7)
    assert (row["psf_sigma"], row["n_psf_star"]) == (1.5, 80)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"visit_id": 2026112100001, "detector": 7, "seeing": 1}', "no column 'seeing'"),
        ('{"visit_id": 2026112100001, "detector": 7, "n_psf_star": 1.5}', "n_psf_star is no"),
        ('{"visit_id": 2026112100001}', "not both"),
        ('{"visit_id": "x", "detector": 7}', "names no exposure_id"),
        ('{"visit_id": 2026112100009, "detector": 7}', "2026112100009 is not published"),
        ('{"visit_id": 2026112100001, "detector": 1}', "it is there twice"),
        ('{"visit_id": 2026112100001, "detector": 7, "psf_sigma": NaN}', "rows, line 2"),
        ("[]", "it is no object"),
    ],
)
def test_a_row_that_is_none_refuses_the_whole_delivery(ledger, consdb, line, why):
    ledger.observe([observation(1)])
    lines = ['{"visit_id": 2026112100001, "detector": 1, "psf_sigma": 1.5}', line]
    with pytest.raises(BadDocument, match=why):
        deliver_product(consdb, Product("LSSTCam", "ccdvisit1_quicklook", lines, "rows"))
    assert consdb.delivered("LSSTCam") == {"ccdexposure"}


def test_a_table_that_no_pipeline_delivers_is_refused(ledger, consdb):  # noqa: ARG001
    with pytest.raises(BadDocument, match="no table ccdexposure"):
        deliver_product(consdb, Product("LSSTCam", "ccdexposure", [], "rows"))


# -- the exposure log ------------------------------------------------------------------------------


def test_an_edit_is_a_new_version_and_the_former_one_is_kept(ledger, consdb):
    backbone, name = World().backbone(), "MC_O_20261121_000001"
    said = add_message(backbone, consdb, name, "clouds", "ann", tags=["weather", "weather"])
    assert said.tags == ("weather",)
    junk = edit_message(
        backbone, consdb, said.message_id, "bob", Edit("thick clouds", ExposureFlag.JUNK)
    )
    assert junk.tags == said.tags  # what is not given stays
    assert edit_message(backbone, consdb, said.message_id, "eve", Edit("thick clouds")) == junk
    other = add_message(backbone, consdb, "MC_O_20261122_000001", "clear", "ann")
    assert consdb.messages() == [junk, other]
    assert consdb.messages(obs_id=name) == [junk]
    assert consdb.messages(flag="junk") == [junk]
    assert consdb.messages(20261122, 20261122) == [other]
    edit_message(backbone, consdb, said.message_id, "ann", Edit(is_valid=False))
    assert consdb.messages() == [other]
    told = [(each.user_id, each.is_valid) for each in consdb.messages(obs_id=name, with_all=True)]
    assert told == [("ann", True), ("bob", True), ("ann", False)]
    assert scalar(ledger, "select count(*) from exposure_log where is_valid") == 1
