"""Files that were known before publications of exposures travelled stay what they are."""

from dbb.hooks import sql
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.files import SqlPublicationFiles
from support.conformance_published import facts, lay_exposures, run
from support.consdb_night import observation
from support.fake_clock import FixedClock


def test_a_ledger_of_before_keeps_its_files_and_sends_what_was_never_sent(monkeypatch):
    ledger = SqlLedger(open_engine("sqlite://"), FixedClock(), "test")
    every = sql.migrations("sqlite")
    with monkeypatch.context() as patch:
        before = [each for each in every if each[0] < 37]
        patch.setattr(sql, "migrations", lambda _: before)
        ledger.migrate()
    ledger.observe([observation(1)])  # 1, which never travelled
    lay_exposures(ledger, facts(1, 0))
    run(SqlPublished(ledger))  # 2, which did
    with ledger.transaction() as connection:
        connection.exec_driver_sql(
            "insert into efd_values_file values (2, '20261121/efd-values/LATISS-000000002.v1.parquet',"
            " 1, 10, 's', 'a', 'c', 'files/20261121/efd-x', 'sealed')"
        )
    ledger.observe([observation(2)])  # 3
    assert ledger.migrate() == len(every) - len(before)
    ledger.check()
    files = SqlPublicationFiles(ledger)
    assert [(each.first, each.last) for each in files.unwritten()] == [(1, 1), (3, 3)]
    with ledger.transaction() as connection:
        (row,) = connection.exec_driver_sql("select * from publication_file").all()
    assert (row.last_publication, row.kind, row.topic) == (2, "values", "values.LATISS")
    assert (row.versions, row.sha256, row.state) == (2, "s", "sealed")
    ledger.engine.dispose()
