"""What publications must do that travel to another database, whatever either is: with fixtures ``published``, ``ledger``."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbb.errors import BadDocument, DigestMismatch
from dbb.flows.efd_replicating import compare_values
from dbb.hooks.efd.publication_files import load_publication, write_publication
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.model.efd_values import Publication
from support.conformance_published import BANDS, NIGHT, facts, lay_exposures, run, telemetry
from support.fake_clock import FixedClock


@pytest.fixture
def other():
    """Give the database of another endpoint, in SQLite whatever the archive's is."""
    made = SqlLedger(open_engine("sqlite://"), FixedClock(), "test")
    made.migrate()
    yield made
    made.engine.dispose()


def carry(archive, endpoint, *numbers):
    return [
        load_publication(endpoint, write_publication(archive, number), "file", BANDS)
        for number in numbers
    ]


def test_an_endpoint_has_the_archives_rows_under_the_archives_numbers(published, ledger, other):
    run(published)
    run(published, telemetry(late=45.0))
    assert carry(ledger, other, 1, 2) == [Publication(1, 8, 4), Publication(2, 1, 1)]
    there = SqlPublished(other, FixedClock())
    for number in (1, 2):
        assert there.hashes("LATISS", NIGHT, number) == published.hashes("LATISS", NIGHT, number)
        assert there.values("LATISS", NIGHT, number) == published.values("LATISS", NIGHT, number)
    found = compare_values(published, "frdf", there, ["LATISS"], FixedClock())
    assert (found.publication_id, found.behind, found.compared, found.differ) == (2, 0, 1, ())
    with other.transaction() as connection:
        view = "select wind_n from efd_latiss_exposure_efd where seq_num = 2"
        assert connection.exec_driver_sql(view).scalar_one() == 17


def test_and_the_other_way_round(ledger, other):
    """Carry what a SQLite database published into this one."""
    lay_exposures(other, facts(1, 0), facts(2, 40), facts(3, 120))
    elsewhere = SqlPublished(other, FixedClock(), BANDS)
    run(elsewhere)
    assert carry(other, ledger, 1) == [Publication(1, 6, 3)]
    there = SqlPublished(ledger, FixedClock())
    assert there.hashes("LATISS", NIGHT, 1) == elsewhere.hashes("LATISS", NIGHT, 1)
    assert there.values("LATISS", NIGHT, 1) == elsewhere.values("LATISS", NIGHT, 1)
    found = compare_values(elsewhere, "frdf", there, ["LATISS"], FixedClock())
    assert (found.behind, found.compared, found.differ) == (0, 1, ())


def test_what_is_there_is_not_loaded_again_and_nothing_is_left_out(published, ledger, other):
    run(published)
    run(published, telemetry(late=45.0))
    with pytest.raises(BadDocument, match="publication 1 has to come first"):
        carry(ledger, other, 2)
    carry(ledger, other, 1)
    assert carry(ledger, other, 1) == [Publication(0, 0, 0)]
    assert SqlPublished(other, FixedClock()).last() == 1


def test_a_value_that_changed_on_the_way_is_refused(published, ledger, other):
    run(published)
    table = pq.read_table(io.BytesIO(write_publication(ledger, 1)))
    cells = table.column("cells").to_pylist()
    cells[0][0] += 1e-9
    where = table.schema.get_field_index("cells")
    table = table.set_column(
        where, table.schema.field(where), pa.array(cells, pa.list_(pa.float64()))
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    with pytest.raises(DigestMismatch):
        load_publication(other, file.getvalue(), "file", BANDS)
    whole = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(write_publication(ledger, 1))).slice(1), whole)
    with pytest.raises(DigestMismatch):  # a row is missing
        load_publication(other, whole.getvalue(), "file", BANDS)
    with pytest.raises(BadDocument):
        load_publication(other, b"no Parquet", "file", BANDS)
    assert SqlPublished(other, FixedClock()).last() == 0


def test_a_row_that_differs_is_named(published, ledger, other):
    run(published)
    carry(ledger, other, 1)
    with other.transaction() as connection:
        connection.exec_driver_sql("drop trigger efd_version_no_update")
        connection.exec_driver_sql(
            "update efd_version set row_sha256 = 'x', row_check = 1 where seq_num = 3 and property = ''"
        )
    there = SqlPublished(other, FixedClock())
    found = compare_values(published, "frdf", there, ["LATISS"], FixedClock())
    assert found.differ == (f"LATISS {NIGHT} {NIGHT * 100000 + 3}",)


def test_an_endpoint_that_is_behind_is_compared_as_of_what_it_has(published, ledger, other):
    run(published)
    carry(ledger, other, 1)
    run(published, telemetry(late=45.0))
    there, clock = SqlPublished(other, FixedClock()), FixedClock()
    found = compare_values(published, "frdf", there, ["LATISS"], clock)
    assert (found.publication_id, found.behind, found.late_since, found.differ) == (1, 1, None, ())
    at = clock.now()
    clock.advance(24 * 3600 + 1)
    assert compare_values(published, "frdf", there, ["LATISS"], clock).late_since == at
