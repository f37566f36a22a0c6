"""Children find their directors by key, in pieces, wherever these are."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from dbb.errors import CatalogUnfit
from dbb.hooks.qserv import director_index
from dbb.hooks.qserv.director_index import (
    DirectorIndex,
    IndexWriter,
    Piece,
    group_overlapping,
    list_pieces,
)
from dbb.hooks.qserv.reducing import check_unique, reduce_bucket
from dbb.hooks.qserv.staging import stage_input
from dbb.model.qserv import OnOrphan
from support.qserv_tables import FORCED, OBJECT, PLAN, objects

TRACT = 1_000_000


def write_piece(staging, name, keys):
    folder = staging / "stage" / "Object" / name
    folder.mkdir(parents=True)
    writer = IndexWriter(folder, staging)
    for some in np.array_split(keys, 3):
        place = some.astype(float)
        writer.add(pa.chunked_array([some]), some % 1000, some % 7, place, -place)
    writer.close()
    writer.sort()
    (folder / "staged.json").touch()


@pytest.fixture
def staging(tmp_path, monkeypatch):
    """Lay three tracts down, keys in no order, in groups of a hundred rows."""
    monkeypatch.setattr(director_index, "GROUP_ROWS", 100)
    rng = np.random.default_rng(5)
    for tract in range(-1, 2):
        write_piece(tmp_path, f"tract{tract}", tract * TRACT + rng.permutation(500) * 2)
    return tmp_path


def test_a_piece_says_the_range_of_its_keys(staging):
    pieces = list_pieces(staging, "Object")
    assert [(each.low, each.high) for each in pieces] == [
        (-TRACT, -TRACT + 998), (0, 998), (TRACT, TRACT + 998)
    ]  # fmt: skip


def test_each_key_is_found_and_what_is_none_is_not(staging):
    keys = np.random.default_rng(6).integers(-TRACT, TRACT + 1000, 500)
    known = np.arange(500) * 2 + np.repeat([-TRACT, 0, TRACT], 500).reshape(3, 500)
    keys = np.concatenate([keys, known.ravel(), [-(2**63), 2**63 - 1]])
    np.random.default_rng(7).shuffle(keys)
    given = pa.chunked_array([keys[:100], pa.array([None], pa.int64()), keys[100:]])
    found = DirectorIndex(list_pieces(staging, "Object")).find(given)
    wanted = [key is not None and key in set(known.ravel().tolist()) for key in given.to_pylist()]
    assert found.is_found.tolist() == wanted
    assert found.is_given.tolist() == [key is not None for key in given.to_pylist()]
    hit = np.array(given.take(pa.array(np.flatnonzero(wanted))).to_pylist())
    places = found.where(found.is_found)
    assert places.chunk.tolist() == (hit % 1000).tolist()
    assert places.sub_chunk.tolist() == (hit % 7).tolist()
    assert places.ra.tolist() == (-places.dec).tolist() == hit.astype(float).tolist()


def test_only_what_may_have_a_key_is_read(staging, monkeypatch):
    read, wanted = director_index._read_group, []
    monkeypatch.setattr(
        director_index, "_read_group", lambda *which: wanted.append(which) or read(*which)
    )
    index = DirectorIndex(list_pieces(staging, "Object"))
    for _ in range(3):
        index.find(pa.chunked_array([[2, 4, 150]]))
    assert [(path.parent.name, group) for path, group in wanted] == [("tract0", 0)]


def test_an_input_that_is_not_done_has_no_piece(staging):
    (staging / "stage" / "Object" / "tract0" / "staged.json").unlink()
    assert len(list_pieces(staging, "Object")) == 2


@pytest.mark.parametrize("times", [0, 1])
def test_an_input_without_rows_has_no_piece(tmp_path, times):
    writer = IndexWriter(tmp_path, tmp_path)
    for _ in range(times):
        nothing = np.empty(0)
        writer.add(pa.chunked_array([[]], pa.int64()), nothing, nothing, nothing, nothing)
    writer.close()
    writer.sort()
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_pieces_with_keys_in_common_are_looked_at_together(tmp_path):
    pieces = [Piece(tmp_path, low, high) for low, high in ((0, 9), (3, 20), (20, 21), (22, 30))]
    groups = [[each.low for each in some] for some in group_overlapping(pieces)]
    assert groups == [[0, 3, 20], [22]]


# -- children, over inputs that are tracts --------------------------------------------------------


def stage(table, file, tmp_path):
    return stage_input(PLAN, table, *file, tmp_path / "staging", 4)


def places(table, tmp_path):
    rows = (
        line.split("\t")
        for bucket in range(4)
        for file in reduce_bucket(table, bucket, tmp_path / "staging")
        if not file.is_overlap
        for line in (tmp_path / "staging" / file.path).read_text().splitlines()
    )
    return sorted((int(row[0]), *row[-2:]) for row in rows)


@pytest.fixture
def tracts(tmp_path, write):
    for tract in range(3):
        table = objects(200, seed=tract, first=tract * TRACT)
        stage(OBJECT, write(table, f"tract{tract}.parquet"), tmp_path)
    return tmp_path


def forced(keys):
    return pa.table({"objectId": keys, "flux": np.ones(len(keys), np.float32)})


def test_a_child_of_another_tract_lies_with_its_director_and_is_counted(tracts, write):
    keys = [*range(TRACT, TRACT + 200), 5, 2 * TRACT + 7]
    staged = stage(FORCED, write(forced(keys), "forced.parquet"), tracts)
    assert (staged.kept, staged.elsewhere, staged.quarantined) == (202, 2, 0)
    home = {row[0]: row for row in places(OBJECT, tracts)}
    assert places(FORCED, tracts) == [home[key] for key in sorted(keys)]


def test_orphans_are_put_aside_and_counted_beside_those_of_another_tract(tracts, write):
    lenient = dataclasses.replace(
        FORCED, rule=dataclasses.replace(FORCED.rule, on_orphan=OnOrphan.QUARANTINE)
    )
    keys = [*range(100), TRACT + 1, 999_999, 7 * TRACT]
    staged = stage(lenient, write(forced(keys), "forced.parquet"), tracts)
    assert (staged.rows, staged.kept, staged.elsewhere, staged.quarantined) == (103, 101, 1, 2)


def test_a_child_is_cut_anew_when_its_director_gets_another_file(tmp_path, write):
    stage(OBJECT, write(objects(10), "tract0.parquet"), tmp_path)
    lenient = dataclasses.replace(
        FORCED, rule=dataclasses.replace(FORCED.rule, on_orphan=OnOrphan.QUARANTINE)
    )
    file = write(forced([1, TRACT]), "forced.parquet")
    assert stage(lenient, file, tmp_path).quarantined == 1
    stage(OBJECT, write(objects(10, first=TRACT), "tract1.parquet"), tmp_path)
    assert stage(lenient, file, tmp_path).quarantined == 0


def test_a_key_of_two_tracts_is_found(tracts, write):
    check_unique(OBJECT, tracts / "staging")
    stage(OBJECT, write(objects(1, first=TRACT + 3), "again.parquet"), tracts)
    with pytest.raises(CatalogUnfit, match=f"objectId = {TRACT + 3} comes 2 times"):
        check_unique(OBJECT, tracts / "staging")
