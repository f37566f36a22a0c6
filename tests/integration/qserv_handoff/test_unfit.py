"""What a release or a Qserv lacks is found before anything is loaded."""

from __future__ import annotations

import dataclasses
import uuid
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from dbb.errors import CatalogUnfit, QservUnfit
from dbb.flows.qserv_handoff import preflight, register_catalog
from dbb.model.qserv import Column
from support.qserv_handoff import hand_over, prepare, wait, with_tables, write_inputs, write_tables
from support.qserv_place import plant
from support.qserv_rows import keys
from support.qserv_tables import FORCED, objects

pytestmark = pytest.mark.qserv


def rewritten(table, rows):
    """Add a file to the inputs whose rows were in another."""

    def change(folder):
        inputs, paths = write_inputs(folder)
        (other,), at = write_tables(folder, {f"{table} again": rows})
        return [*inputs, other], {**paths, **at}

    return change


def forced(*keys):
    flux = np.full(len(keys), 1, np.float32)
    return pa.table(
        {"objectId": pa.array(keys, pa.int64()), "flux": flux, "visit": [3] * len(keys)}
    )


FOUND_BEFORE = {
    "a key in two files": (rewritten("Object", objects(1, first=7)), "objectId = 7 comes 2 times"),
    "a file again in other bytes": (
        rewritten("Object", objects(200).replace_schema_metadata({"again": "1"})),
        r"objectId = \d+ comes 2 times",
    ),
    "a child's key in two files": (
        rewritten("ForcedSource", forced(7)), r"objectId, visit = 7, 3 comes 2 times",
    ),
    "an orphan": (rewritten("ForcedSource", forced(400)), "1 rows have no Object"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), FOUND_BEFORE.values(), ids=FOUND_BEFORE)
def test_what_must_not_be_loaded_is_found_before_anything_is(handoff, tmp_path, change, told):
    rule = dataclasses.replace(FORCED.rule, unique=("objectId", "visit"))
    child = dataclasses.replace(
        FORCED, rule=rule, columns=(*FORCED.columns, Column("visit", "BIGINT", not_null=True))
    )
    handoff = with_tables(handoff, handoff.plan.tables[0], child, handoff.plan.tables[2])
    inputs, paths = change(tmp_path)
    inputs = [each for each in inputs if each.name != "ForcedSource_a.parquet"]
    (first,), at = write_tables(tmp_path, {"ForcedSource b": forced(*range(400))})
    with pytest.raises(CatalogUnfit, match=told):
        prepare(handoff, [*inputs, first], {**paths, **at})
    assert handoff.server.catalog(handoff.plan.database) is None


@pytest.mark.parametrize(
    ("version", "is_known"), [(36, False), (37, True), (48, True), (56, False)]
)
def test_the_version_is_negotiated(contract, handoff, inputs, version, is_known):
    plant(contract, "version", times=1_000_000, version=version)
    if is_known:
        hand_over(handoff, *inputs, wait)
        assert keys(contract, handoff) == Counter(range(400))
    else:
        with pytest.raises(QservUnfit, match=f"version {version}"):
            preflight(handoff)


@pytest.mark.usefixtures("only_here")
def test_a_family_of_another_overlap_is_refused(handoff, client):
    layout = dataclasses.replace(handoff.plan.layout, overlap_deg="0.02", stripes=86)
    database = f"odd{uuid.uuid4().hex[:6]}"
    client.register_database(dataclasses.replace(handoff.plan, database=database, layout=layout))
    ours = dataclasses.replace(layout, overlap_deg="0.01667")
    plan = dataclasses.replace(handoff.plan, layout=ours)
    with pytest.raises(QservUnfit, match=r"overlap of 0\.02"):
        preflight(dataclasses.replace(handoff, plan=plan))


def test_a_table_with_other_columns_is_refused(handoff, inputs):
    prepare(handoff, *inputs)

    table = handoff.plan.table("Visit")
    changed = dataclasses.replace(table, columns=table.columns[:1])
    plan = dataclasses.replace(handoff.plan, tables=(*handoff.plan.tables[:2], changed))
    with pytest.raises(QservUnfit, match="other columns"):
        register_catalog(dataclasses.replace(handoff, plan=plan))
