"""No two releases share a number: eleven releases, a planted duplicate, and what may be the same."""

import dataclasses
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbb.cli.context import Context
from dbb.cli.main import main
from dbb.flows.qserv_ids import compare_ids
from dbb.hooks.qserv.key_files import ParquetKeys
from dbb.hooks.qserv.planning import load_overlay
from dbb.settings import INCLUDE
from support.sent_parcels import send
from support.world import World

DP1 = load_overlay(INCLUDE / "qserv", "dp1")
RELEASES = [f"dr{number}" for number in range(1, 12)]
OVERLAYS = [dataclasses.replace(DP1, release=name) for name in RELEASES]
TOP = 2**58


def parquet(keys, column="objectId", kind=None, **options):
    out = io.BytesIO()
    table = pa.table({column: pa.array(keys, kind or pa.int64()), "x": [0.5] * len(keys)})
    pq.write_table(table, out, row_group_size=100, **options)
    return out.getvalue()


@pytest.fixture
def world():
    return World()


def deliver(world, release, keys, table="Object", **given):
    name = f"{release.lower()}-{table.lower()}"
    given.setdefault("column", "objectId" if table == "Object" else "sourceId")
    data = keys if isinstance(keys, bytes) else parquet(keys, **given)
    send(world, f"files/20261121/{name}", {f"{release}/{table}/a.parquet": data}, ("usdf",))


def compare(world, files=None):
    return compare_ids(world.backbone(), files or ParquetKeys(), "usdf", OVERLAYS)


def told(report):
    return [(s.table, s.release, s.other, s.keys, s.example) for s in report.shared]


def test_with_the_release_in_the_upper_bits_no_key_is_read(world):
    for number, release in enumerate(RELEASES):
        deliver(world, release, [number * TOP + key for key in range(300)])
    report = compare(world)
    assert (report.pairs, report.shared) == (0, [])
    assert report.sentence == "SAFE — 3,300 keys of 11 releases at usdf: none is in two."


def test_keys_that_lie_among_each_other_are_read_and_are_still_unique(world):
    for number, release in enumerate(RELEASES):
        deliver(world, release, [key * 11 + number for key in range(300)])
    report = compare(world)
    assert report.pairs >= 3 * 55
    assert report.is_well


@pytest.mark.parametrize("options", [{}, {"write_statistics": False}, {"kind": pa.uint64()}])
def test_a_number_of_two_releases_is_found_and_named(world, options):
    deliver(world, "dr4", [2**60 + 2 * key for key in range(300)], **options)
    # Beyond 2^53 neighbours are one number to whoever compares them as floats.
    deliver(world, "dr5", [2**60 + 2 * key + 1 for key in range(300)] + [2**60 + 500])
    assert told(compare(world)) == [("Object", "dr4", "dr5", 1, 2**60 + 500)]


def test_numbers_are_compared_with_those_of_their_own_table(world):
    deliver(world, "dr4", range(300))
    deliver(world, "dr5", range(300), "Source")
    assert compare(world).is_well
    deliver(world, "dr6", range(299, 400), "Source")
    assert told(compare(world)) == [("Source", "dr5", "dr6", 1, 299)]


def test_what_is_one_thing_in_every_release_may_have_one_number(world):
    for release in ("dr4", "dr5"):
        deliver(world, release, range(300), "Visit", column="visit")
    assert compare(world).rows == {}


@pytest.mark.parametrize(
    "data", [b"PAR1 and no more", parquet([1], column="id"), parquet([0.5], kind=pa.float64())]
)
def test_a_file_without_keys_is_named_and_costs_only_itself(world, data):
    deliver(world, "dr4", range(300))
    deliver(world, "dr5", [7])
    deliver(world, "dr6", data)
    report = compare(world)
    assert told(report) == [("Object", "dr4", "dr5", 1, 7)]
    assert len(report.unread) == 1
    assert "dr6/Object/a.parquet: catalog-unfit" in report.unread[0]


def test_the_comparison_is_red_when_ranges_that_touch_are_passed_over(world):
    class Hasty(ParquetKeys):
        def ranges(self, *given):
            return [each._replace(last=each.last - 1) for each in super().ranges(*given)]

    deliver(world, "dr4", range(300))
    deliver(world, "dr5", range(299, 400))
    assert told(compare(world)) == [("Object", "dr4", "dr5", 1, 299)]
    assert compare(world, Hasty()).is_well


def test_the_command_ends_red_and_names_it(world, capsys):
    def run():
        def make_context(settings, output):
            return Context(settings, output, lambda _: world.backbone())

        given = ["qserv", "ids", "--endpoint", "usdf", "--json"]
        code = main(given, {"DBB_LEDGER_URL": "sqlite://"}, make_context)
        return code, json.loads(capsys.readouterr().out)

    deliver(world, "dp1", range(300))
    assert run()[0] == 0
    deliver(world, "dp2", range(299, 400))
    code, document = run()
    assert (code, document["schema"]) == (1, "dbb-qserv-ids/1")
    assert document["shared"] == [
        {"table": "Object", "release": "dp1", "other": "dp2", "keys": 1, "example": 299}
    ]
