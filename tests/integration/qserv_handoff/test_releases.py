"""A release becomes a published catalogue, with each row where it belongs, and is taken back."""

from __future__ import annotations

import uuid
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from dbb.flows.qserv_handoff import publish_catalog, roll_back
from dbb.flows.qserv_ingesting import advance_batch
from dbb.flows.qserv_views import Stage
from support.qserv_handoff import (
    hand_over,
    load_all,
    make_handoff,
    prepare,
    wait,
    with_tables,
    write_tables,
)
from support.qserv_place import plant
from support.qserv_rows import at_workers, keys
from support.qserv_tables import MATCH, objects

pytestmark = pytest.mark.qserv


def test_a_release_becomes_a_published_catalogue(contract, handoff, inputs):
    hand_over(handoff, *inputs, wait)
    assert keys(contract, handoff) == Counter(range(400))
    assert keys(contract, handoff, "ForcedSource") == Counter(dict.fromkeys(range(400), 3))
    assert keys(contract, handoff, "Visit", "visit") == Counter(range(7))
    assert handoff.records.find("tiny", handoff.row.endpoint).stage is Stage.VERIFIED
    checks = handoff.records.checks(handoff.name)
    assert len(checks) > 20
    assert all(check.is_right for check in checks)


def test_again_changes_nothing(contract, handoff, inputs):
    hand_over(handoff, *inputs, wait)
    attempts = handoff.records.attempts(handoff.name)
    publish_catalog(handoff)
    load_all(handoff, wait)
    assert handoff.records.attempts(handoff.name) == attempts
    assert keys(contract, handoff) == Counter(range(400))


def test_a_file_is_one_contribution(handoff, inputs, client):
    hand_over(handoff, *inputs, wait)
    for attempt in handoff.records.attempts(handoff.name):
        made = client.transaction(attempt.transaction).contributions
        files = handoff.records.files(handoff.name, attempt.table, attempt.batch)
        is_partitioned = handoff.plan.table(attempt.table).rule.is_partitioned
        workers = 1 if is_partitioned else client.workers()
        assert len(made) == len(files) * workers


def test_matches_lie_with_both_partners_and_are_seen_once(contract, handoff, tmp_path):
    near = 1e-4
    edge = 180 / 85 * 43 - 90  # between two stripes
    pairs = objects(6)
    pairs = pairs.set_column(1, "ra", pa.array([10, 10, 360 - near, near, 50, 50 + near]))
    pairs = pairs.set_column(2, "dec", pa.array([edge - near, edge + near, 1.5, 1.5, 1.5, 1.5]))
    matches = {"a": [0, 2, 4, 0, None, 5], "b": [1, 3, 5, None, 1, 5]}
    inputs = write_tables(
        tmp_path,
        {
            "Object a": pairs,
            "Object b": objects(100, first=6),
            "Match a": pa.table(
                {name: pa.array(keys, pa.int64()) for name, keys in matches.items()}
            ),
            "Visit a": pa.table({"visit": np.arange(7), "band": list("ugrizyu")}),
        },
    )
    handoff = with_tables(handoff, *handoff.plan.tables, MATCH)
    hand_over(handoff, *inputs, wait)

    home = {
        row[2]: row[-2] for row in at_workers(contract, handoff, "Object") if "Full" not in row[1]
    }
    assert home[0] != home[1]
    assert home[2] != home[3]
    assert home[4] == home[5]
    found = at_workers(contract, handoff, "Match")
    assert Counter(row[1] for row in found) == Counter(f"Match_{row[4]}" for row in found)
    assert Counter((*row[2:5], row[6]) for row in found) == Counter(
        [
            (0, 1, home[0], 1), (0, 1, home[1], 2), (2, 3, home[2], 1), (2, 3, home[3], 2),
            (4, 5, home[4], 3), (0, None, home[0], 1), (None, 1, home[1], 2), (5, 5, home[5], 3),
        ]
    )  # fmt: skip
    assert keys(contract, handoff, "Match", "b") == Counter([1, 3, 5, None, 1, 5])
    (match,) = (each for each in handoff.records.inputs(handoff.name) if each.table == "Match")
    assert (match.rows, match.kept, match.twice, match.overlap) == (6, 8, 2, 0)
    assert {check.table for check in handoff.records.checks(handoff.name)} == {
        "Object", "Match", "Visit"
    }  # fmt: skip
    assert handoff.records.find("tiny", handoff.row.endpoint).stage is Stage.VERIFIED

    visits = at_workers(contract, handoff, "Visit")
    assert Counter(row[2] for row in visits) == Counter(dict.fromkeys(range(7), 3))
    assert len({place for place, *_ in visits}) == 3


def test_an_index_that_some_chunks_lack_is_built_anew(contract, handoff, inputs, client):
    hand_over(handoff, *inputs, wait)
    database = handoff.plan.database
    (place, name, *_), *_ = at_workers(contract, handoff, "ForcedSource")
    with contract.mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"alter table `{place}`.`{name}` add index idx_objectId (objectId)")

    def states():
        told = client._get(f"/replication/sql/index/{database}/ForcedSource", {})
        return {each["name"]: each["status"] for each in told["status"]["indexes"]}

    assert states() == {"idx_objectId": "INCOMPLETE"}
    client.build_index(database, "ForcedSource", "objectId")
    client.build_index(database, "ForcedSource", "objectId")
    assert states() == {"idx_objectId": "COMPLETE"}
    client.build_index(database, "ForcedSource", "flux")
    assert states() == dict.fromkeys(("idx_flux", "idx_objectId"), "COMPLETE")


def test_a_rollback_takes_everything_back_and_it_can_begin_again(contract, handoff, inputs):
    hand_over(handoff, *inputs, wait)
    roll_back(handoff)
    roll_back(handoff)
    assert handoff.server.catalog(handoff.plan.database) is None
    hand_over(handoff, *inputs, wait)
    assert keys(contract, handoff) == Counter(range(400))


def test_few_contributions_are_in_flight(contract, client, records, tmp_path, inputs):
    handoff = make_handoff(
        f"t{uuid.uuid4().hex[:8]}", client, records, tmp_path / "staging", in_flight=2
    )
    prepare(handoff, *inputs)
    plant(contract, "slow", times=1000, match={"stage": "load"}, seconds=0.05)
    most = 0
    while advance_batch(handoff, "Object", 0) != "committed":
        for attempt in records.attempts(handoff.name):
            made = client.transaction(attempt.transaction).contributions
            most = max(most, sum(each.status == "IN_PROGRESS" for each in made))
    assert 1 <= most <= 2
