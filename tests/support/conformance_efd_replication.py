"""What publications must do that travel to another database, whatever either is: with fixtures ``published``, ``ledger``."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbb.errors import BadDocument, DigestMismatch, EfdValuesDiffer
from dbb.flows.efd_replicating import compare_values
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.files import SqlEndpoint, SqlPublicationFiles
from dbb.hooks.publications.hashes import SqlHashes
from dbb.model.efd_values import Loaded
from support.conformance_published import NIGHT, facts, lay_exposures, run, telemetry
from support.fake_clock import FixedClock


@pytest.fixture
def other():
    """Give the database of another endpoint, in SQLite whatever the archive's is."""
    made = SqlLedger(open_engine("sqlite://"), FixedClock(), "test")
    made.migrate()
    yield made
    made.engine.dispose()


def file_of(archive, number):
    """Write the file that begins with a publication."""
    files = SqlPublicationFiles(archive)
    (file,) = [each for each in files.unwritten() if each.first == number]
    return files.write(file)


def carry(archive, endpoint, *numbers):
    return [SqlEndpoint(endpoint).load(file_of(archive, number), "file") for number in numbers]


def compare(archive, endpoint, clock=None):
    clock = clock or FixedClock()
    return compare_values(SqlHashes(archive), "frdf", SqlHashes(endpoint), clock)


def test_an_endpoint_has_the_archives_rows_under_the_archives_numbers(published, ledger, other):
    run(published)
    run(published, telemetry(late=45.0))
    assert carry(ledger, other, 1, 2) == [Loaded(1, 8), Loaded(1, 1)]
    there = SqlPublished(other)
    for number in (1, 2):
        assert there.hashes("LATISS", NIGHT, number) == published.hashes("LATISS", NIGHT, number)
        assert there.values("LATISS", NIGHT, number) == published.values("LATISS", NIGHT, number)
    found = compare(ledger, other)
    assert (found.publication_id, found.behind, found.compared, found.differ) == (2, 0, 1, ())
    with other.transaction() as connection:
        view = "select wind_n from efd_latiss_exposure_efd where seq_num = 2"
        assert connection.exec_driver_sql(view).scalar_one() == 17


def test_and_the_other_way_round(ledger, other):
    """Carry what a SQLite database published into this one."""
    lay_exposures(other, facts(1, 0), facts(2, 40), facts(3, 120))
    elsewhere = SqlPublished(other)
    run(elsewhere)
    assert carry(other, ledger, 1) == [Loaded(1, 6)]
    there = SqlPublished(ledger)
    assert there.hashes("LATISS", NIGHT, 1) == elsewhere.hashes("LATISS", NIGHT, 1)
    assert there.values("LATISS", NIGHT, 1) == elsewhere.values("LATISS", NIGHT, 1)
    found = compare(other, ledger)
    assert (found.behind, found.compared, found.differ) == (0, 1, ())


def test_what_is_there_is_not_loaded_again_and_nothing_is_left_out(published, ledger, other):
    run(published)
    run(published, telemetry(late=45.0))
    with pytest.raises(BadDocument, match="publication 1 has to come first"):
        carry(ledger, other, 2)
    carry(ledger, other, 1)
    assert carry(ledger, other, 1) == [Loaded()]
    assert SqlPublished(other).last() == 1


def test_a_value_that_changed_on_the_way_is_refused(published, ledger, other):
    run(published)
    table = pq.read_table(io.BytesIO(file_of(ledger, 1)))
    cells = table.column("cells").to_pylist()
    cells[0][0] += 1e-9
    where = table.schema.get_field_index("cells")
    table = table.set_column(
        where, table.schema.field(where), pa.array(cells, pa.list_(pa.float64()))
    )
    file = io.BytesIO()
    pq.write_table(table, file)
    with pytest.raises(DigestMismatch):
        SqlEndpoint(other).load(file.getvalue(), "file")
    whole = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(file_of(ledger, 1))).slice(1), whole)
    with pytest.raises(DigestMismatch):  # a row is missing
        SqlEndpoint(other).load(whole.getvalue(), "file")
    with pytest.raises(BadDocument):
        SqlEndpoint(other).load(b"no Parquet", "file")
    assert SqlPublished(other).last() == 0


def test_a_value_that_was_changed_in_the_archives_database_does_not_travel(published, ledger):
    run(published)
    is_sqlite = ledger.engine.dialect.name == "sqlite"
    trigger = "efd_version_no_update" if is_sqlite else "efd_version_append_only on efd_version"
    with ledger.transaction() as connection:
        connection.exec_driver_sql(f"drop trigger {trigger}")
        cells = "'[9.0, 1.0, 1.0]'" if is_sqlite else "array[9.0, 1.0, 1.0]"
        connection.exec_driver_sql(
            f"update efd_version set cells = {cells} where seq_num = 3 and property = ''"  # noqa: S608
        )
    with pytest.raises(EfdValuesDiffer, match=f"1 rows.*LATISS telemetry {NIGHT * 100000 + 3}"):
        file_of(ledger, 1)


def test_a_row_that_differs_is_named(published, ledger, other):
    run(published)
    carry(ledger, other, 1)
    with other.transaction() as connection:
        connection.exec_driver_sql("drop trigger efd_version_no_update")
        connection.exec_driver_sql(
            "update efd_version set row_sha256 = 'x', row_check = 1 where seq_num = 3 and property = ''"
        )
    found = compare(ledger, other)
    assert found.differ == (f"LATISS {NIGHT} telemetry {NIGHT * 100000 + 3}",)


def test_an_endpoint_that_is_behind_is_compared_as_of_what_it_has(published, ledger, other):
    run(published)
    carry(ledger, other, 1)
    run(published, telemetry(late=45.0))
    clock = FixedClock()
    found = compare(ledger, other, clock)
    assert (found.publication_id, found.behind, found.late_since, found.differ) == (1, 1, None, ())
    at = clock.now()
    clock.advance(24 * 3600 + 1)
    assert compare(ledger, other, clock).late_since == at
