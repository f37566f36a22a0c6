"""From Parquet to one CSV file a chunk: nothing lost, nothing twice, nothing changed."""

import dataclasses
import hashlib

import numpy as np
import pyarrow as pa
import pytest

from dbb.errors import CatalogUnfit
from dbb.hooks.qserv.reducing import check_unique, reduce_bucket
from dbb.hooks.qserv.staging import stage_input
from dbb.model.qserv import OnBadPosition, OnOrphan, ReleasePlan
from support.qserv_tables import FORCED, LAYOUT, MATCH, OBJECT, PLAN, VISIT, objects

BUCKETS = 4


def stage(table, file, tmp_path, plan=PLAN):
    return stage_input(plan, table, *file, tmp_path / "staging", BUCKETS)


def reduce_all(table, tmp_path, **options):
    return [
        file
        for bucket in range(BUCKETS)
        for file in reduce_bucket(table, bucket, tmp_path / "staging", **options)
    ]


def lines(files, tmp_path, *, overlap=False):
    return [
        line.split("\t")
        for file in files
        if file.is_overlap is overlap
        for line in (tmp_path / "staging" / file.path).read_text().splitlines()
    ]


def test_every_row_is_in_its_chunk_once(tmp_path, write):
    table = objects()
    staged = stage(OBJECT, write(table), tmp_path)
    files = reduce_all(OBJECT, tmp_path)
    found = lines(files, tmp_path)
    assert sorted(int(line[0]) for line in found) == list(range(len(table)))
    assert staged.kept == len(found) == sum(file.rows for file in files if not file.is_overlap)
    assert staged.overlap == sum(file.rows for file in files if file.is_overlap) > 0
    for file in files:
        chunks = {line[-2] for line in lines([file], tmp_path, overlap=file.is_overlap)}
        assert chunks == {str(file.chunk)}


def test_values_come_out_as_they_went_in(tmp_path, write):
    table = objects(50)
    stage(OBJECT, write(table), tmp_path)
    for line in lines(reduce_all(OBJECT, tmp_path), tmp_path):
        row = {
            name: table[name][int(line[0])].as_py() for name in ("ra", "flux", "is_star", "name")
        }
        assert float(line[1]) == row["ra"]
        assert np.float32(line[3]) == np.float32(row["flux"])
        assert line[4:6] == [str(int(row["is_star"])), row["name"]]
        assert line[6].startswith("2023-11-14 22:13:20.123456")
        assert len(line) == len(OBJECT.columns) + 2


def test_nan_and_infinity_are_null_and_text_is_escaped(tmp_path, write):
    table = objects(4)
    table = table.set_column(
        3, "flux", pa.array([float("nan"), float("inf"), None, 1.5], pa.float32())
    )
    table = table.set_column(5, "name", pa.array(["a\tb", "a\\N", "a\nb", None]))
    stage(OBJECT, write(table), tmp_path)
    found = {int(line[0]): line for line in lines(reduce_all(OBJECT, tmp_path), tmp_path)}
    assert [found[each][3] for each in range(4)] == ["\\N", "\\N", "\\N", "1.5"]
    assert [found[each][5] for each in range(4)] == ["a\\tb", "a\\\\N", "a\\nb", "\\N"]


def test_two_inputs_share_one_file_a_chunk(tmp_path, write):
    stage(OBJECT, write(objects(500), "a.parquet"), tmp_path)
    stage(OBJECT, write(objects(500, seed=2, first=500), "b.parquet"), tmp_path)
    files = reduce_all(OBJECT, tmp_path)
    assert len({(file.chunk, file.is_overlap) for file in files}) == len(files)
    assert sorted(int(line[0]) for line in lines(files, tmp_path)) == list(range(1000))


def test_a_file_has_the_digest_and_size_that_are_told(tmp_path, write):
    stage(OBJECT, write(objects(300)), tmp_path)
    for file in reduce_all(OBJECT, tmp_path):
        data = (tmp_path / "staging" / file.path).read_bytes()
        assert file.digest == hashlib.blake2b(data, digest_size=20).hexdigest()
        assert file.size_bytes == len(data)


def test_a_file_is_split_at_the_cap(tmp_path, write):
    for each in range(3):
        stage(OBJECT, write(objects(500, seed=each, first=500 * each), f"{each}.parquet"), tmp_path)
    files = reduce_all(OBJECT, tmp_path, max_file_bytes=3000)
    assert max(file.part for file in files) > 0
    assert sorted(int(line[0]) for line in lines(files, tmp_path)) == list(range(1500))


def test_again_gives_the_same_and_does_nothing(tmp_path, write, monkeypatch):
    file = write(objects(300))
    first = stage(OBJECT, file, tmp_path), reduce_all(OBJECT, tmp_path)
    monkeypatch.setattr("dbb.hooks.qserv.staging._Staging.run", None)
    monkeypatch.setattr("dbb.hooks.qserv.reducing.write_csv", None)
    assert (stage(OBJECT, file, tmp_path), reduce_all(OBJECT, tmp_path)) == first


def test_a_new_input_makes_its_buckets_anew(tmp_path, write):
    stage(OBJECT, write(objects(300), "a.parquet"), tmp_path)
    reduce_all(OBJECT, tmp_path)
    stage(OBJECT, write(objects(10, seed=3, first=300), "b.parquet"), tmp_path)
    assert len(lines(reduce_all(OBJECT, tmp_path), tmp_path)) == 310


def test_a_child_lies_with_its_director(tmp_path, write):
    stage(OBJECT, write(objects(400)), tmp_path)
    home = {line[0]: line[-2:] for line in lines(reduce_all(OBJECT, tmp_path), tmp_path)}
    rows = pa.table({"objectId": np.arange(400).repeat(3), "flux": np.ones(1200, np.float32)})
    staged = stage(FORCED, write(rows, "forced.parquet"), tmp_path)
    found = lines(reduce_all(FORCED, tmp_path), tmp_path)
    assert staged.kept == len(found) == 1200
    assert all(line[-2:] == home[line[0]] for line in found)


def test_a_regular_table_is_one_file(tmp_path, write):
    rows = pa.table({"visit": np.arange(7), "band": list("ugrizyu")})
    stage(VISIT, write(rows), tmp_path)
    (file,) = reduce_all(VISIT, tmp_path)
    assert lines([file], tmp_path)[0] == ["0", "u"]


@pytest.fixture
def pairs(tmp_path, write):
    """Stage four objects: 0 and 1 near each other in two chunks, 2 and 3 in one; give their chunks."""
    near = 1e-4
    # 12 sub-stripes of 85 stripes: stripes meet at multiples of 180/85.
    edge = 180 / 85 * 43 - 90
    table = objects(4)
    table = table.set_column(1, "ra", pa.array([10.0, 10.0, 50.0, 50.0 + near]))
    table = table.set_column(2, "dec", pa.array([edge - near, edge + near, 1.5, 1.5]))
    stage(OBJECT, write(table), tmp_path)
    home = {int(line[0]): line[-2] for line in lines(reduce_all(OBJECT, tmp_path), tmp_path)}
    assert home[0] != home[1]
    return home


def matches(*rows):
    return pa.table({"a": pa.array([a for a, _ in rows], pa.int64()),
                     "b": pa.array([b for _, b in rows], pa.int64())})  # fmt: skip


def test_a_match_is_written_once_within_a_chunk_and_twice_across(tmp_path, write, pairs):
    staged = stage(MATCH, write(matches((0, 1), (2, 3)), "match.parquet"), tmp_path)
    files = reduce_all(MATCH, tmp_path)
    found = sorted([line[0], line[2], line[4]] for line in lines(files, tmp_path))
    assert found == sorted([["0", pairs[0], "1"], ["0", pairs[1], "2"], ["2", pairs[2], "3"]])
    assert (staged.rows, staged.kept, staged.twice, staged.overlap) == (2, 3, 1, 0)
    assert not any(file.is_overlap for file in files)


def test_a_match_without_one_partner_lies_with_the_other(tmp_path, write, pairs):
    staged = stage(MATCH, write(matches((0, None), (None, 1)), "match.parquet"), tmp_path)
    found = sorted([*line[:3], line[4]] for line in lines(reduce_all(MATCH, tmp_path), tmp_path))
    assert found == sorted([["0", "\\N", pairs[0], "1"], ["\\N", "1", pairs[1], "2"]])
    assert (staged.kept, staged.twice) == (2, 0)


@pytest.mark.parametrize("row", [(0, 99), (99, 0), (None, None), (99, None)])
def test_a_match_with_a_partner_that_is_nowhere_is_an_orphan(tmp_path, write, pairs, row):
    assert pairs
    file = write(matches((2, 3), row), "match.parquet")
    with pytest.raises(CatalogUnfit, match="1 rows have no Object"):
        stage(MATCH, file, tmp_path)
    rule = dataclasses.replace(MATCH.rule, on_orphan=OnOrphan.QUARANTINE)
    staged = stage(dataclasses.replace(MATCH, rule=rule), file, tmp_path)
    assert (staged.kept, staged.quarantined) == (1, 1)


def test_statistics_of_matches_count_each_once(tmp_path, write, pairs):
    assert pairs
    rows = matches((0, 1), (2, 3), (None, 1))
    staged = stage(MATCH, write(rows, "match.parquet"), tmp_path)
    assert (staged.statistics["b"].total, staged.statistics["a"].nulls) == (1 + 3 + 1, 1)


def test_a_match_in_two_chunks_is_no_duplicate(tmp_path, write, pairs):
    assert pairs
    table = dataclasses.replace(MATCH, rule=dataclasses.replace(MATCH.rule, unique=("a", "b")))
    stage(table, write(matches((0, 1), (2, 3)), "a.parquet"), tmp_path)
    check_unique(table, tmp_path / "staging")
    stage(table, write(matches((0, 1)), "b.parquet"), tmp_path)
    with pytest.raises(CatalogUnfit, match="a, b = 0, 1 comes 2 times"):
        check_unique(table, tmp_path / "staging")


def test_a_match_wider_than_its_separation_is_refused(tmp_path, write, pairs):
    assert pairs
    with pytest.raises(CatalogUnfit, match="further apart than 10 arcsec"):
        stage(MATCH, write(matches((0, 2)), "match.parquet"), tmp_path)


BAD = [
    ("ra", -0.1), ("ra", 360.0), ("ra", 720.5), ("ra", float("nan")), ("ra", float("inf")), ("ra", None),
    ("dec", 91.0), ("dec", -90.5), ("dec", float("nan")), ("dec", None),
]  # fmt: skip


def with_value(column, value, rows=20):
    table = objects(rows)
    values = table[column].to_pylist()
    values[7] = value
    place = table.column_names.index(column)
    return table.set_column(place, column, pa.array(values, table.schema.field(column).type))


def with_policy(**changes):
    return dataclasses.replace(OBJECT, rule=dataclasses.replace(OBJECT.rule, **changes))


@pytest.mark.parametrize(("column", "value"), BAD)
def test_a_row_that_is_not_on_the_sky_is_refused(tmp_path, write, column, value):
    with pytest.raises(CatalogUnfit, match="1 rows have no position"):
        stage(OBJECT, write(with_value(column, value)), tmp_path)
    assert not list((tmp_path / "staging" / "stage" / "Object").glob("*"))


@pytest.mark.parametrize(("column", "value"), BAD)
def test_or_put_aside_and_counted(tmp_path, write, column, value):
    table = with_policy(on_bad_position=OnBadPosition.QUARANTINE)
    staged = stage(table, write(with_value(column, value)), tmp_path)
    assert (staged.kept, staged.quarantined, staged.rows) == (19, 1, 20)
    assert len(list((tmp_path / "staging").rglob("quarantine.parquet"))) == 1


@pytest.mark.parametrize(
    ("value", "turned"), [(-0.1, 359.9), (360.0, 0.0), (720.5, 0.5), (-1e-20, 0.0)]
)
def test_or_turned_and_counted(tmp_path, write, value, turned):
    table = with_policy(on_bad_position=OnBadPosition.WRAP)
    staged = stage(table, write(with_value("ra", value)), tmp_path)
    assert (staged.kept, staged.wrapped) == (20, 1)
    (found,) = [
        float(line[1]) for line in lines(reduce_all(table, tmp_path), tmp_path) if line[0] == "7"
    ]
    assert found == pytest.approx(turned, abs=1e-9)


def test_an_orphan_is_refused_or_put_aside(tmp_path, write):
    stage(OBJECT, write(objects(10)), tmp_path)
    file = write(pa.table({"objectId": [1, 99], "flux": [1.0, 2.0]}), "forced.parquet")
    with pytest.raises(CatalogUnfit, match="1 rows have no Object"):
        stage(FORCED, file, tmp_path)
    lenient = dataclasses.replace(
        FORCED, rule=dataclasses.replace(FORCED.rule, on_orphan=OnOrphan.QUARANTINE)
    )
    staged = stage(lenient, file, tmp_path)
    assert (staged.kept, staged.quarantined) == (1, 1)


def test_a_child_before_its_director_is_refused(tmp_path, write):
    with pytest.raises(CatalogUnfit, match="hand it over first"):
        stage(FORCED, write(pa.table({"objectId": [1], "flux": [1.0]})), tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("name", "longer than twelve", pa.string()),
        ("name", "Łódź", pa.string()),
        ("objectId", None, pa.int64()),
        ("flux", 1e300, pa.float64()),
        ("seen", -70_000_000_000_000_000, pa.timestamp("us")),
    ],
)
def test_a_value_that_the_database_would_change_is_refused(tmp_path, write, column, value, kind):
    table = objects(20)
    values = [None if kind == pa.timestamp("us") else each for each in table[column].to_pylist()]
    values[3] = value
    place = table.column_names.index(column)
    with pytest.raises(CatalogUnfit, match=column):
        stage(OBJECT, write(table.set_column(place, column, pa.array(values, kind))), tmp_path)


def test_a_blank_at_the_end_of_a_char_is_refused(tmp_path, write):
    with pytest.raises(CatalogUnfit, match="band has values that do not fit"):
        stage(VISIT, write(pa.table({"visit": [1], "band": [" "]})), tmp_path)


def test_the_same_key_twice_is_found_over_all_inputs(tmp_path, write):
    stage(OBJECT, write(objects(10), "a.parquet"), tmp_path)
    check_unique(OBJECT, tmp_path / "staging")
    stage(OBJECT, write(objects(10, seed=2, first=9), "b.parquet"), tmp_path)
    with pytest.raises(CatalogUnfit, match="objectId = 9 comes 2 times"):
        check_unique(OBJECT, tmp_path / "staging")


def test_the_same_declared_key_twice_is_found(tmp_path, write):
    stage(VISIT, write(pa.table({"visit": [1, 1], "band": ["g", "r"]})), tmp_path)
    with pytest.raises(CatalogUnfit, match="visit = 1 comes 2 times"):
        check_unique(VISIT, tmp_path / "staging")


def test_a_childs_key_twice_is_found_in_whatever_files_it_comes(tmp_path, write):
    stage(OBJECT, write(objects(400)), tmp_path)
    table = dataclasses.replace(
        FORCED, rule=dataclasses.replace(FORCED.rule, unique=("objectId", "flux"))
    )
    for name, flux in (("a", 1.0), ("b", 2.0)):
        rows = pa.table({"objectId": np.arange(400), "flux": np.full(400, flux, np.float32)})
        stage(table, write(rows, f"{name}.parquet"), tmp_path)
    check_unique(table, tmp_path / "staging")
    rows = pa.table({"objectId": [7, 8], "flux": pa.array([3.0, 2.0], pa.float32())})
    stage(table, write(rows, "c.parquet"), tmp_path)
    with pytest.raises(CatalogUnfit, match=r"objectId, flux = 8, 2\.0 comes 2 times"):
        check_unique(table, tmp_path / "staging")


def test_statistics_are_of_the_rows_without_their_copies(tmp_path, write):
    table = objects(1000)
    staged = stage(OBJECT, write(table), tmp_path)
    assert staged.overlap > 0
    found = staged.statistics["objectId"]
    assert (found.least, found.most, found.total, found.nulls) == (0, 999, 999 * 500, 0)
    text = staged.statistics["name"]
    lengths = [len(each) for each in table["name"].to_pylist()]
    assert (text.least, text.most, text.total) == (5, 7, sum(lengths))
    assert staged.statistics["flux"].total == pytest.approx(
        np.sum(table["flux"].to_numpy().astype(float))
    )


def test_the_layout_of_the_plan_is_used(tmp_path, write):
    coarse = ReleasePlan("tiny", "tiny", dataclasses.replace(LAYOUT, stripes=18), (OBJECT,), (), "")
    stage(OBJECT, write(objects(300)), tmp_path, coarse)
    assert {file.chunk for file in reduce_all(OBJECT, tmp_path)} <= set(range(2 * 18 * 18))
