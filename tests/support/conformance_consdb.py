"""What the Consolidated Database must do, whatever the database: run with a fixture ``ledger``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from dbb.errors import BadDocument
from dbb.flows.consdb import check_night, find_differences, nights_to_check
from dbb.flows.consdb_products import Product, deliver_product
from dbb.flows.exposure_log import Edit, add_message, edit_message
from dbb.hooks.consdb.database import SqlConsdb
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.findings import SqlFindings
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger
from dbb.model.consdb import (
    ConsdbPublication,
    Members,
    Observation,
    ccdexposures,
    exposure_record,
)
from dbb.model.consdb_rules import RULES, RuleSeverity, RuleState
from dbb.model.day_obs import DayObs
from dbb.model.efd_values import EfdRow
from dbb.model.exposure import Unit
from dbb.model.exposure_log import ExposureFlag
from dbb.model.finding import Discrepancy, FindingState
from support.fake_clock import FixedClock
from support.raw_bundles import make_facts
from support.telemetry import NOON, column, config_of
from support.world import World

NIGHT = DayObs(20261121)
CAMERA = load_instruments()["LSSTCam"]
ALL = [each.id for each in CAMERA.detectors]
SCIENCE = [each.id for each in CAMERA.detectors if each.purpose == "SCIENCE"]
IMAGING = [each.id for each in CAMERA.detectors if each.purpose != "GUIDER"]
MEASURED = [*SCIENCE, 191, 195, 199, 203]
HEADER = {"AZEND": 12.5, "ELEND": 57.0, "WINDDIR": 310.0, "VIGNETTE": "NO", "EXPTIME": 29.5}
MINUTES = dt.timedelta(minutes=11)


def facts(seq_num: int, img_type: str = "science", physical_filter: str = "r_57"):
    unit = Unit.parse(f"LSSTCam/{NIGHT}/MC_O_{NIGHT}_{seq_num:06d}")
    return dataclasses.replace(make_facts(unit, physical_filter), observation_type=img_type)


def unit_of(seq_num: int) -> str:
    return f"LSSTCam/{NIGHT}/MC_O_{NIGHT}_{seq_num:06d}"


def observation(seq_num: int, detectors=None, header=HEADER, **more) -> Observation:
    told = facts(seq_num, **more)
    record = exposure_record(told, CAMERA.physical_filters[told.physical_filter], header)
    members = ccdexposures(told, ALL if detectors is None else detectors)
    return Observation(unit_of(seq_num), f"{seq_num:064x}", record, members)


@pytest.fixture
def consdb(ledger: SqlLedger) -> SqlConsdb:
    return SqlConsdb(ledger, FixedClock())


def deliver(consdb, table, seq_num, detectors, **options) -> ConsdbPublication:
    exposure_id = NIGHT.value * 100000 + seq_num
    key = "visit_id" if "visit1" in table else "exposure_id"
    if table.startswith("ccd"):
        rows = [{key: exposure_id, "detector": each} for each in detectors] or [{key: exposure_id}]
    else:
        rows = [{key: exposure_id}]
    lines = [json.dumps(row) for row in rows]
    return deliver_product(consdb, Product("LSSTCam", table, lines, "rows", **options))


def make_whole(ledger, consdb) -> None:
    """A science exposure, a wavefront and a bias with all products that they should have."""
    ledger.observe(
        [observation(1), observation(2, img_type="cwfs"), observation(3, img_type="bias")]
    )
    for seq_num in (1, 2, 3):
        deliver(consdb, "exposure_quicklook", seq_num, ())
        deliver(consdb, "visit1_quicklook", seq_num, ())
    deliver(consdb, "ccdexposure_quicklook", 1, IMAGING)
    deliver(consdb, "ccdexposure_quicklook", 2, SCIENCE)
    deliver(consdb, "ccdexposure_quicklook", 3, IMAGING)
    deliver(consdb, "ccdvisit1_quicklook", 1, MEASURED)


def check(ledger, consdb, at=None):
    world = World()
    world.clock._now = at or world.clock.now()
    backbone = dataclasses.replace(world.backbone(), instruments={"LSSTCam": CAMERA})
    return check_night(backbone, consdb, SqlFindings(ledger), NIGHT)


def broken(ledger, consdb, at=None):
    return {
        (str(each.rule.kind), unit) for each in check(ledger, consdb, at) for unit in each.broken
    }


def scalar(ledger, query):
    with ledger.transaction() as connection:
        return connection.execute(text(query)).scalar_one()


def rows(ledger, query):
    with ledger.transaction() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def name_of(ledger, view, schema="cdb_lsstcam") -> str:
    return f"{schema}{'_' if ledger.engine.dialect.name == 'sqlite' else '.'}{view}"


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
    published = SqlPublished(ledger, FixedClock())
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
    SqlPublished(ledger, FixedClock()).publish(config, NOON, NOON, made)
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
    from dbb.hooks.ledger import open_engine

    make_whole(ledger, consdb)
    other = SqlLedger(open_engine(f"sqlite:///{tmp_path}/other.db"), FixedClock(), "test")
    other.migrate()
    there = SqlConsdb(other, FixedClock())
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


# -- the nine rules --------------------------------------------------------------------------------


def test_a_whole_night_keeps_every_rule(ledger, consdb):
    make_whole(ledger, consdb)
    results = check(ledger, consdb)
    assert [each.rule for each in results] == list(RULES)
    assert {each.state for each in results} == {RuleState.HOLDS}


def lose_a_detector(ledger, consdb):  # noqa: ARG001
    with ledger.transaction() as connection:
        put_members(connection, observation(1, detectors=ALL[:-1]).detectors)


def name_another_day(ledger, consdb):  # noqa: ARG001
    with ledger.transaction() as connection:
        right = observation(1).detectors
        put_members(connection, dataclasses.replace(right, day_obs=right.day_obs - 1))


def put_members(connection, members: Members) -> None:
    """Publish rows as they are, which no flow of ours would make."""
    from dbb.hooks.consdb.records import Additions, Signature, publish

    sign = Signature(FixedClock().now(), "somebody", "by hand")
    publish(connection, Additions(members=[members], replace=True), sign)


def number_wrongly(ledger, consdb):  # noqa: ARG001
    from dbb.hooks.consdb.records import Additions, Signature, publish

    right = observation(4, img_type="test")
    record = dataclasses.replace(right.record, values={**right.record.values, "exposure_id": 77})
    members = dataclasses.replace(right.detectors, exposure_id=77)
    with ledger.transaction() as connection:
        sign = Signature(FixedClock().now(), "somebody", "by hand")
        publish(connection, Additions([record], [members]), sign)


def forget(table, seq_num):
    """Have a product's rows of an exposure gone."""

    def act(ledger, consdb):  # noqa: ARG001
        told = facts(seq_num)
        with ledger.transaction() as connection:
            gone = Members("LSSTCam", table, told.exposure_id, told.day_obs, told.seq_num, [])
            put_members(connection, gone)

    return act


BREAKS = {
    Discrepancy.CCDEXPOSURE_COMPLETENESS: (1, lose_a_detector),
    Discrepancy.EXPOSURE_ID_ENCODING: (4, number_wrongly),
    Discrepancy.CCDEXPOSURE_KEY_AGREEMENT: (1, name_another_day),
    Discrepancy.NO_GUIDER_PRODUCTS: (
        1, lambda _, consdb: deliver(consdb, "ccdexposure_quicklook", 1, [189]),
    ),
    Discrepancy.EXPOSURE_QUICKLOOK_COVERAGE: (1, forget("exposure_quicklook", 1)),
    Discrepancy.VISIT1_QUICKLOOK_COVERAGE: (2, forget("visit1_quicklook", 2)),
    Discrepancy.CCDEXPOSURE_QUICKLOOK_COVERAGE: (
        1,
        lambda _, consdb: deliver(consdb, "ccdexposure_quicklook", 1, SCIENCE, replace=True),
    ),
    Discrepancy.CCDVISIT1_QUICKLOOK_COVERAGE: (
        1,
        lambda _, consdb: deliver(consdb, "ccdvisit1_quicklook", 1, MEASURED[1:], replace=True),
    ),
    Discrepancy.NO_CALIBRATION_SCIENCE_PRODUCTS: (
        3, lambda _, consdb: deliver(consdb, "ccdvisit1_quicklook", 3, [5]),
    ),
}  # fmt: skip
"""By rule, the exposure that shall break it, and how."""


def test_every_rule_has_its_test():
    assert set(BREAKS) == {rule.kind for rule in RULES}


@pytest.mark.parametrize("kind", BREAKS, ids=str)
def test_each_rule_is_broken_by_what_it_is_about_and_by_nothing_else(ledger, consdb, kind):
    make_whole(ledger, consdb)
    seq_num, spoil = BREAKS[kind]
    spoil(ledger, consdb)
    assert broken(ledger, consdb) == {(str(kind), unit_of(seq_num))}


def test_wavefronts_need_the_science_detectors_only(ledger, consdb):
    make_whole(ledger, consdb)
    deliver(consdb, "ccdexposure_quicklook", 2, SCIENCE[1:], replace=True)
    kind = str(Discrepancy.CCDEXPOSURE_QUICKLOOK_COVERAGE)
    assert broken(ledger, consdb) == {(kind, unit_of(2))}
    # the wavefront sensors do not stand in for one that lacks
    deliver(consdb, "ccdexposure_quicklook", 2, IMAGING[1:], replace=True)
    assert broken(ledger, consdb) == {(kind, unit_of(2))}


def test_a_rule_of_what_nobody_delivers_is_not_judged_and_says_so(ledger, consdb):
    ledger.observe([observation(1)])
    states = {str(each.rule.kind): each.state for each in check(ledger, consdb)}
    silent = {kind for kind, state in states.items() if state is RuleState.NOT_DELIVERED}
    assert silent == {str(rule.kind) for rule in RULES if rule.needs}
    assert {rule.severity for rule in RULES if rule.needs} == {RuleSeverity.WARNING}


def test_what_breaks_a_rule_is_one_finding_until_it_is_mended(ledger, consdb):
    make_whole(ledger, consdb)
    lose_a_detector(ledger, consdb)
    findings, now = SqlFindings(ledger), FixedClock().now()
    for times, state in ((0, FindingState.SUSPECTED), (1, FindingState.CONFIRMED)):
        check(ledger, consdb, now + times * MINUTES)
        [finding] = findings.find()
        assert (finding.state, finding.sighting.subject) == (state, unit_of(1))
        assert finding.sighting.evidence["severity"] == "error"
    later = DayObs(20261130)
    assert nights_to_check(findings, later) == [NIGHT, later]
    # it is no comparison of stores: the night's turn for one has not come nearer
    assert scalar(ledger, "select count(*) from audit_scan") == 0
    ledger.observe([observation(1)])
    assert broken(ledger, consdb, now + 2 * MINUTES) == set()
    assert findings.find() == []
    assert nights_to_check(findings, later) == [later]


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
