"""A small release for the tests of the Qserv handoff."""

import numpy as np
import pyarrow as pa

from dbb.model.qserv import Column, Layout, ReleasePlan, TableKind, TablePlan, TableRule

LAYOUT = Layout(85, 12, "0.01667")

OBJECT = TablePlan(
    "Object",
    TableRule(TableKind.DIRECTOR, key="objectId", ra="ra", dec="dec"),
    (
        Column("objectId", "BIGINT", not_null=True),
        Column("ra", "DOUBLE", not_null=True),
        Column("dec", "DOUBLE", not_null=True),
        Column("flux", "FLOAT"),
        Column("is_star", "TINYINT"),
        Column("name", "VARCHAR(12)", 12),
        Column("seen", "DATETIME(6)"),
    ),
)
FORCED = TablePlan(
    "ForcedSource",
    TableRule(TableKind.CHILD, director="Object", director_key="objectId"),
    (Column("objectId", "BIGINT", not_null=True), Column("flux", "FLOAT")),
)
VISIT = TablePlan(
    "Visit",
    TableRule(TableKind.REGULAR, unique=("visit",)),
    (Column("visit", "BIGINT", not_null=True), Column("band", "CHAR(1)", 1)),
)
MATCH = TablePlan(
    "Match",
    TableRule(
        TableKind.REF_MATCH,
        director="Object",
        director_key="a",
        director2="Object",
        director_key2="b",
        ang_sep_arcsec="10",
    ),
    (Column("a", "BIGINT"), Column("b", "BIGINT")),
)
PLAN = ReleasePlan("tiny", "tiny", LAYOUT, (OBJECT, FORCED, VISIT, MATCH), (), "0" * 64)


def objects(rows=4000, seed=1, first=0):
    """Make objects in a patch that lies across RA 0."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "objectId": np.arange(first, first + rows),
            "ra": np.mod(rng.uniform(-4, 4, rows), 360.0),
            "dec": rng.uniform(-3, 3, rows),
            "flux": rng.normal(10, 3, rows).astype(np.float32),
            "is_star": rng.integers(0, 2, rows).astype(bool),
            "name": [f"obj {each}" for each in range(rows)],
            "seen": pa.array(
                [1_700_000_000_123_456_789 + each for each in range(rows)], pa.timestamp("ns")
            ),
        }
    )
