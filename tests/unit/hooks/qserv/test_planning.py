"""The plan of a release, from its real schema; and what does not fit it."""

import dataclasses

import pyarrow as pa
import pytest

from dbb.errors import CatalogUnfit, UnknownItem
from dbb.hooks.qserv.judging import judge_input
from dbb.hooks.qserv.opening import make_plan
from dbb.hooks.qserv.planning import (
    check_footer,
    load_overlay,
    load_schema,
    plan_release,
    plan_sha256,
    read_footer,
    table_request,
    to_json,
)
from dbb.model.qserv import Column, TableKind, TablePlan, TableRule
from dbb.settings import INCLUDE
from support.qserv_tables import OBJECT, PLAN, objects

FOLDER = INCLUDE / "qserv"


@pytest.fixture(scope="module")
def dp1():
    return make_plan(FOLDER, "dp1")[1]


@pytest.fixture(scope="module")
def dp2():
    return make_plan(FOLDER, "dp2")[1]


def test_every_overlay_makes_a_plan(dp1, dp2):
    assert (len(dp1.tables), len(dp2.tables)) == (12, 16)
    assert len(dp1.table("Object").columns) == 1296


def test_a_plan_has_an_identity(dp1, dp2):
    assert plan_sha256(dp1) == plan_sha256(make_plan(FOLDER, "dp1")[1]) != plan_sha256(dp2)


def test_the_drift_between_releases_is_told(dp2):
    drift = {each.table: each for each in dp2.drift}
    assert (len(drift["Object"].added), len(drift["Object"].removed)) == (231, 279)
    for table in ("Source", "ForcedSource", "ForcedSourceOnDiaObject"):
        assert set(drift[table].removed) == {"coord_ra", "coord_dec"}


def test_the_overlay_of_one_release_does_not_fit_the_next():
    overlay = dataclasses.replace(load_overlay(FOLDER, "dp1"), release="dp2")
    with pytest.raises(CatalogUnfit, match="Source: the schema has no column coord_dec"):
        plan_release(overlay, load_schema("resource://lsst.sdm.schemas/dp2.yaml"))


@pytest.mark.parametrize("release", ["nothing", "../endpoints/usdf"])
def test_an_unknown_release_is_refused(release):
    with pytest.raises(UnknownItem):
        load_overlay(FOLDER, release)


def test_a_request_says_what_qserv_must_know(dp1):
    told = table_request(dp1, dp1.table("Object"))
    assert told["director_table"] == ""
    assert (told["director_key"], told["longitude_key"]) == ("objectId", "coord_ra")
    assert {"name": "objectId", "type": "BIGINT NOT NULL"} in told["schema"]
    assert [each["name"] for each in told["schema"][-2:]] == ["chunkId", "subChunkId"]
    child = table_request(dp1, dp1.table("ForcedSource"))
    assert (child["director_table"], child["director_key"]) == ("Object", "objectId")
    assert "chunkId" not in {
        each["name"] for each in table_request(dp1, dp1.table("Visit"))["schema"]
    }


def test_no_type_is_unknown(dp1, dp2):
    kinds = {
        each["type"].split("(")[0].removesuffix(" NOT NULL")
        for plan in (dp1, dp2)
        for table in to_json(plan)["tables"]
        for each in table["schema"]
    }
    assert kinds <= {
        "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DATETIME", "CHAR", "VARCHAR", "TEXT",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "kind", "fits"),
    [
        (pa.int32(), "INT", True), (pa.int64(), "INT", False), (pa.uint32(), "INT", False),
        (pa.int32(), "BIGINT", True), (pa.bool_(), "TINYINT", True), (pa.bool_(), "DOUBLE", False),
        (pa.float32(), "DOUBLE", True), (pa.float64(), "FLOAT", False), (pa.int64(), "DOUBLE", False),
        (pa.int32(), "DOUBLE", True), (pa.string(), "BIGINT", False), (pa.float64(), "BIGINT", False),
        (pa.timestamp("ns"), "DATETIME(6)", True), (pa.int64(), "DATETIME(6)", False),
        (pa.null(), "DOUBLE", True), (pa.list_(pa.int8()), "BIGINT", False), (pa.binary(), "TINYINT", False),
    ],
)  # fmt: skip
def test_a_column_fits_or_is_told(found, kind, fits):
    table = TablePlan("T", TableRule(TableKind.REGULAR), (Column("x", kind),))
    assert bool(check_footer(table, "f", pa.schema([("x", found)]))) is not fits


def test_text_fits_text_and_dictionaries_are_text():
    table = TablePlan("T", TableRule(TableKind.REGULAR), (Column("x", "CHAR(4)", 4),))
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        assert check_footer(table, "f", pa.schema([("x", kind)])) == []
    assert check_footer(table, "f", pa.schema([("x", pa.int64())]))


def test_narrowing_is_fine_where_it_is_declared():
    rule = TableRule(TableKind.REGULAR, narrowed=("x",))
    table = TablePlan("T", rule, (Column("x", "FLOAT"),))
    assert check_footer(table, "f", pa.schema([("x", pa.float64())])) == []


def test_missing_and_extra_columns_are_told():
    rule = TableRule(TableKind.REGULAR, optional=("b",))
    table = TablePlan("T", rule, (Column("a", "INT"), Column("b", "INT"), Column("c", "INT")))
    told = check_footer(table, "f", pa.schema([("a", pa.int32()), ("z", pa.int32())]))
    assert told == ["f: column c is missing", "f: column z is not in the schema"]


def test_what_is_no_parquet_is_told(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(CatalogUnfit, match="no Parquet"):
        read_footer(str(tmp_path / "x.parquet"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": "no"}, "no column no"),
        ({"ra": ""}, "needs ra"),
        ({"key": "refBand"}, "refBand is a key and no whole number"),
        ({"transactions": 101}, "not 1 to 100"),
    ],
)
def test_a_wrong_rule_is_told(change, told):
    overlay = load_overlay(FOLDER, "dp1")
    rule = dataclasses.replace(overlay.tables["Object"], **change)
    overlay = dataclasses.replace(overlay, tables={"Object": rule})
    with pytest.raises(CatalogUnfit, match=told):
        plan_release(overlay, load_schema(overlay.schema))


def judged(table, file, tmp_path):
    return judge_input(table, file[0], tmp_path / "staging")


def with_ranges(**ranges):
    return dataclasses.replace(OBJECT, rule=dataclasses.replace(OBJECT.rule, ranges=ranges))


def test_good_numbers_pass(tmp_path, write):
    assert judged(with_ranges(flux=("-100", "100")), write(objects(50)), tmp_path) == 5


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("objectId", None, "rows without it"),
        ("objectId", 3, "rows that come again"),
        ("dec", float("nan"), "not on the sky"),
        ("ra", 360.0, "not on the sky"),
        ("flux", 101.0, "flux: most"),
    ],
)
def test_a_bad_number_is_told_before_anything_is_cut(tmp_path, write, column, value, told):
    table = objects(20)
    values = table[column].to_pylist()
    values[9] = value
    place = table.column_names.index(column)
    table = table.set_column(place, column, pa.array(values, table.schema.field(column).type))
    with pytest.raises(CatalogUnfit, match=told):
        judged(with_ranges(flux=("-100", "100")), write(table), tmp_path)


@pytest.mark.parametrize(("kind", "fits"), [("CHAR(4)", False), ("VARCHAR(4)", True)])
def test_a_blank_at_the_end_is_told_where_it_would_be_dropped(tmp_path, write, kind, fits):
    table = TablePlan("T", TableRule(TableKind.REGULAR), (Column("x", kind, 4),))
    file = write(pa.table({"x": pa.array(["a", " b", "c ", None]).dictionary_encode()}))
    if fits:
        assert judged(table, file, tmp_path) == 0
    else:
        with pytest.raises(CatalogUnfit, match=r"end with a blank is 1"):
            judged(table, file, tmp_path)


def test_a_match_may_lack_one_partner_and_its_flag_is_qservs(tmp_path, write):
    rule = TableRule(
        TableKind.REF_MATCH, director="Object", director_key="a", director2="Object",
        director_key2="b", ang_sep_arcsec="10",
    )  # fmt: skip
    columns = (Column("a", "BIGINT"), Column("b", "BIGINT"))
    told = table_request(PLAN, TablePlan("Match", rule, columns))
    assert (told["flag"], told["ang_sep"]) == ("flag", 10 / 3600)
    assert told["schema"][-1] == {"name": "flag", "type": "TINYINT NOT NULL"}
    rows = {"a": pa.array([1, None], pa.int64()), "b": pa.array([None, 2], pa.int64())}
    assert judged(TablePlan("Match", rule, columns), write(pa.table(rows)), tmp_path) == 1
    rows = {"a": pa.array([1, None], pa.int64()), "b": pa.array([None, None], pa.int64())}
    with pytest.raises(CatalogUnfit, match="without any partner"):
        judged(TablePlan("Match", rule, columns), write(pa.table(rows)), tmp_path)
