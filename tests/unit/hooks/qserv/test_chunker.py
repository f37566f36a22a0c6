"""The same chunks as Qserv's own partitioner, to the last unit."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from lsst.sphgeom import Chunker as SphgeomChunker
from lsst.sphgeom import LonLat, UnitVector3d

from dbb.hooks.qserv.chunker import Chunker
from dbb.model.qserv import Layout

GOLDEN = Path(__file__).parents[3] / "data" / "qserv-partition"
LAYOUTS = [
    (1, 1, "0"),
    (18, 10, "0.01"),
    (85, 12, "0.01667"),
    (340, 3, "0.01667"),
    (850, 4, "0.01"),
]


def records(chunker, ids, ra, dec):
    own, copies = chunker.locate(ra, dec), chunker.overlaps(ra, dec)
    found = [(ids, own.chunk, own.sub_chunk, False), (ids[copies.row], *copies[1:], True)]
    return sorted(
        (*place, is_overlap)
        for *columns, is_overlap in found
        for place in zip(*(column.tolist() for column in columns), strict=True)
    )


@pytest.fixture(scope="module")
def golden():
    points = pq.read_table(GOLDEN / "points_340_3_0.01667.parquet")
    made = pq.read_table(GOLDEN / "cpp_340_3_0.01667.parquet").to_pydict()
    ids, ra, dec = (points[name].to_numpy() for name in ("id", "ra", "dec"))
    wanted = sorted(
        zip(made["id"], made["chunkId"], made["subChunkId"], made["overlap"], strict=True)
    )
    return ids, ra, dec, wanted


def test_the_golden_points_have_the_records_of_sph_partition(golden):
    ids, ra, dec, wanted = golden
    assert records(Chunker(Layout(340, 3, "0.01667")), ids, ra, dec) == wanted


def test_an_overlap_that_forgets_the_wrap_is_found(golden, monkeypatch):
    ids, ra, dec, wanted = golden
    monkeypatch.setattr("dbb.hooks.qserv.chunker._MAS_DEG", 0.0)
    assert records(Chunker(Layout(340, 3, "0.01667")), ids, ra, dec) != wanted


@pytest.mark.parametrize(("stripes", "sub_stripes", "overlap"), LAYOUTS)
def test_the_layout_has_the_chunks_of_sphgeom(stripes, sub_stripes, overlap):
    counts = Chunker(Layout(stripes, sub_stripes, overlap))._chunks
    ours = [2 * stripes * stripe + n for stripe, count in enumerate(counts) for n in range(count)]
    assert sorted(ours) == sorted(SphgeomChunker(stripes, sub_stripes).getAllChunks())


@pytest.mark.parametrize(("stripes", "sub_stripes", "overlap"), LAYOUTS)
def test_every_point_lies_in_its_chunk_and_sub_chunk(stripes, sub_stripes, overlap):
    rng = np.random.default_rng(7)
    ra, dec = rng.uniform(0, 360, 300), np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    place = Chunker(Layout(stripes, sub_stripes, overlap)).locate(ra, dec)
    theirs = SphgeomChunker(stripes, sub_stripes)
    for each in range(300):
        point = UnitVector3d(LonLat.fromDegrees(ra[each], dec[each]))
        chunk, sub_chunk = int(place.chunk[each]), int(place.sub_chunk[each])
        stripe = theirs.getStripe(chunk)
        assert theirs.getChunkBoundingBox(stripe, theirs.getChunk(chunk, stripe)).contains(point)
        assert sub_chunk in theirs.getAllSubChunks(chunk)


def test_a_copy_is_near_its_sub_chunk_and_none_is_its_own(golden):
    _, ra, dec, _ = golden
    chunker = Chunker(Layout(340, 3, "0.01667"))
    own, copies = chunker.locate(ra, dec), chunker.overlaps(ra, dec)
    same = (own.chunk[copies.row] == copies.chunk) & (own.sub_chunk[copies.row] == copies.sub_chunk)
    at_pole = np.abs(dec[copies.row]) > 89
    assert not (same & ~at_pole).any()


def test_without_an_overlap_there_are_no_copies():
    assert len(Chunker(Layout(85, 12, "0")).overlaps(np.array([0.0]), np.array([0.0])).row) == 0


@pytest.mark.parametrize("layout", [Layout(0, 3, "0.01"), Layout(340, 3, "1"), Layout(3, 0, "0.1")])
def test_an_impossible_layout_is_refused(layout):
    with pytest.raises(ValueError, match="Layout"):
        Chunker(layout)
