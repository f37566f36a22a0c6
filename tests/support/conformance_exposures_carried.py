"""What publications of exposures must do that travel to another database: run with fixtures ``ledger``, ``consdb``."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dbb.errors import BadDocument, DigestMismatch, EfdValuesDiffer
from dbb.flows.efd_replicating import check_compared, write_publications
from dbb.flows.exposure_log import Edit, add_message, edit_message
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications import files as files_module
from dbb.hooks.publications.files import SqlEndpoint, SqlPublicationFiles
from dbb.hooks.publications.hashes import SqlHashes
from dbb.model.efd_values import EfdRow, Loaded
from dbb.model.exposure_log import ExposureFlag
from support.conformance_efd_replication import compare
from support.consdb_night import HEADER, NIGHT, deliver, name_of, observation, rows, scalar
from support.fake_clock import FixedClock
from support.fake_store import MemoryStore
from support.telemetry import NOON, column, config_of
from support.world import World

WIND = "mt_salindex301_airflow_speed_mean"
FIRST = NIGHT.value * 100000 + 1


@pytest.fixture
def other():
    """Give the database of another endpoint, in SQLite whatever the archive's is."""
    made = SqlLedger(open_engine("sqlite://"), FixedClock(), "test")
    made.migrate()
    yield made
    made.engine.dispose()


def blow(ledger, **by_seq_num):
    """Publish a mean wind for exposures."""
    made = [
        EfdRow(NIGHT.value * 100000 + int(seq[1:]), NIGHT.value, int(seq[1:]), "", {WIND: wind})
        for seq, wind in by_seq_num.items()
    ]
    config = config_of(column(WIND), instrument="LSSTCam")
    SqlPublished(ledger).publish(config, NOON, NOON, made)


def observe_a_night(ledger, consdb):
    """Publish exposures, telemetry, a product, and messages, one after the other."""
    ledger.observe([observation(1), observation(2, physical_filter="g_6")])  # 1
    ledger.observe([observation(3)])  # 2
    blow(ledger, s1=12.0, s2=13.0, s3=4.0)  # 3
    deliver(consdb, "ccdvisit1_quicklook", 1, [7, 8])  # 4
    backbone = World().backbone()
    said = add_message(backbone, consdb, f"MC_O_{NIGHT}_000001", "clouds", "ann")  # 5
    edit_message(backbone, consdb, said.message_id, "bob", Edit(flag=ExposureFlag.JUNK))  # 6
    blow(ledger, s3=14.0)  # 7
    ledger.observe([observation(1, header={**HEADER, "WINDDIR": 130.0})])  # 8


def carry(archive, endpoint):
    files = SqlPublicationFiles(archive)
    return [SqlEndpoint(endpoint).load(files.write(each), "file") for each in files.unwritten()]


def answer(ledger):
    """Ask what a user asks: the r-band exposures of the night in strong wind, and what people hold of them."""
    views = name_of(ledger, "exposure"), name_of(ledger, "exposure_efd", "efd_lsstcam")
    return rows(
        ledger,
        f"select e.exposure_name, e.wind_dir, t.{WIND} as wind, l.exposure_flag "  # noqa: S608
        f"from {views[0]} e join {views[1]} t on t.exposure_id = e.exposure_id "
        "left join exposure_log l on l.obs_id = e.exposure_name "
        f"where e.day_obs = 20261121 and e.band = 'r' and t.{WIND} > 10 order by e.exposure_id",
    )


def test_a_users_question_has_the_same_answer_at_another_endpoint(ledger, consdb, other):
    observe_a_night(ledger, consdb)
    files = SqlPublicationFiles(ledger)
    assert [(str(each.kind), each.first, each.last) for each in files.unwritten()] == [
        ("exposures", 1, 2), ("values", 3, 3), ("exposures", 4, 6), ("values", 7, 7),
        ("exposures", 8, 8),
    ]  # fmt: skip
    done = carry(ledger, other)
    assert [each.publications for each in done] == [2, 1, 3, 1, 1]
    assert answer(other) == answer(ledger)
    assert [(row["exposure_name"], row["wind"], row["wind_dir"]) for row in answer(other)] == [
        ("MC_O_20261121_000001", 12.0, 130.0),
        ("MC_O_20261121_000003", 14.0, 310.0),
    ]
    # as of every publication that there ever was
    here, there = (SqlHashes(each) for each in (ledger, other))
    assert there.last() == 8
    sums = [here.days(number) for number in range(9)]
    assert [there.days(number) for number in range(9)] == sums
    assert len({json.dumps(sorted(each.items())) for each in sums}) == 9
    found = compare(ledger, other)
    assert (found.publication_id, found.behind, found.differ) == (8, 0, ())
    assert carry(ledger, other) == [Loaded()] * 5


def test_and_from_the_other_to_this_one(ledger, other):
    """Carry what a SQLite database published into this one."""
    from dbb.hooks.consdb.database import SqlConsdb

    observe_a_night(other, SqlConsdb(other))
    carry(other, ledger)
    assert answer(ledger) == answer(other)
    assert compare(other, ledger).differ == ()
    query = f"select count(*) from {name_of(ledger, 'ccdvisit1_quicklook')}"  # noqa: S608
    assert scalar(ledger, query) == 2


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ("consdb_exposure_version", f"exposure {FIRST}"),
        ("consdb_member_version", f"ccdexposure {FIRST}"),
        ("exposure_log_version", "exposure_log "),
    ],
)
def test_a_row_that_differs_is_named(ledger, consdb, other, table, named):
    observe_a_night(ledger, consdb)
    carry(ledger, other)
    with other.transaction() as connection:
        connection.exec_driver_sql(f"drop trigger {table}_no_update")
        connection.exec_driver_sql(
            f"update {table} set row_sha256 = 'x', row_check = 1 "  # noqa: S608
            f"where publication_from in (1, 6, 8) and seq_num = 1"
        )
    found = compare(ledger, other)
    assert len(found.differ) == 1
    assert found.differ[0].startswith(f"LSSTCam {NIGHT} {named}")
    with pytest.raises(EfdValuesDiffer, match=named):
        check_compared(found)


def test_a_row_that_is_gone_is_named_and_so_is_one_too_many(ledger, consdb, other):
    observe_a_night(ledger, consdb)
    carry(ledger, other)
    with other.transaction() as connection:
        connection.exec_driver_sql("drop trigger consdb_exposure_version_no_delete")
        connection.exec_driver_sql("delete from consdb_exposure_version where seq_num = 2")
    assert compare(ledger, other).differ == (f"LSSTCam {NIGHT} exposure {FIRST + 1}",)
    other.observe([observation(9)])  # somebody publishes there
    assert compare(ledger, other).differ[0] == "publication 9 is not the archive's"


def test_a_file_is_not_loaded_before_its_time_and_all_of_it_or_nothing(ledger, consdb, other):
    observe_a_night(ledger, consdb)
    files = SqlPublicationFiles(ledger)
    first, values, second, *_ = files.unwritten()
    endpoint = SqlEndpoint(other)
    endpoint.load(files.write(first), "file")
    with pytest.raises(BadDocument, match="publication 3 has to come first"):
        endpoint.load(files.write(second), "file")
    endpoint.load(files.write(values), "file")
    with other.transaction() as connection:
        connection.exec_driver_sql(
            "create trigger full_disk before insert on exposure_log_version begin select raise(abort, 'full'); end"
        )
    with pytest.raises(Exception, match="full"):
        endpoint.load(files.write(second), "file")
    assert endpoint.last() == 3
    with other.transaction() as connection:
        connection.exec_driver_sql("drop trigger full_disk")
    assert endpoint.load(files.write(second), "file") == Loaded(3, 3)


def altered(data, **columns):
    """Write a file once more with columns changed."""
    table = pq.read_table(io.BytesIO(data))
    for name, change in columns.items():
        where = table.schema.get_field_index(name)
        cells = change(table.column(name).to_pylist())
        table = table.set_column(
            where, table.schema.field(where), pa.array(cells, table.schema.field(where).type)
        )
    return rewritten(table)


def rewritten(table):
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def test_what_was_changed_on_the_way_is_refused(ledger, consdb, other):
    observe_a_night(ledger, consdb)
    files, endpoint = SqlPublicationFiles(ledger), SqlEndpoint(other)
    data = files.write(files.unwritten()[0])

    def say(change):
        return altered(data, said=lambda cells: [change(cells[0]), *cells[1:]])

    with pytest.raises(DigestMismatch):
        endpoint.load(say(lambda said: said.replace('"r_57"', '"g_6"')), "file")
    with pytest.raises(DigestMismatch):  # a row is missing
        endpoint.load(rewritten(pq.read_table(io.BytesIO(data)).slice(1)), "file")
    with pytest.raises(BadDocument, match="other columns"):
        endpoint.load(say(lambda said: said.replace('"wind_dir"', '"wind_way"')), "file")
    for change in (
        lambda _: "{}",
        lambda _: "no JSON",
        lambda said: said.replace('"exp_time": 29.5', '"exp_time": NaN'),
    ):
        with pytest.raises(BadDocument):
            endpoint.load(say(change), "file")
    plain = pq.read_table(io.BytesIO(data)).replace_schema_metadata(None)
    with pytest.raises(BadDocument, match="no publications"):
        endpoint.load(rewritten(plain), "file")
    assert endpoint.last() == 0


def test_a_row_that_was_changed_in_the_archives_database_does_not_travel(ledger, consdb):
    observe_a_night(ledger, consdb)
    files = SqlPublicationFiles(ledger)
    is_sqlite = ledger.engine.dialect.name == "sqlite"
    trigger = f"consdb_exposure_version_{'no_update' if is_sqlite else 'append_only'}"
    of = "" if is_sqlite else " on consdb_exposure_version"
    with ledger.transaction() as connection:
        connection.exec_driver_sql(f"drop trigger {trigger}{of}")
        connection.exec_driver_sql("update consdb_exposure_version set airmass = 3.25")
    with pytest.raises(EfdValuesDiffer, match=f"3 rows of publications 1 to 2.*exposure {FIRST}"):
        files.write(files.unwritten()[0])


def test_a_run_is_cut_where_it_grows_long_and_a_damaged_file_has_the_same_numbers(
    ledger, consdb, monkeypatch
):
    observe_a_night(ledger, consdb)
    monkeypatch.setattr(files_module, "RUN_VERSIONS", 5)
    files, store = SqlPublicationFiles(ledger), MemoryStore("usdf")
    assert write_publications(files, store) == 6
    assert files.unwritten() == []
    loose = files.loose(9)
    assert [each.name.split("/")[-1] for each in loose] == [
        "000000001-000000001.v1.parquet", "000000002-000000002.v1.parquet",
        "LSSTCam-000000003.v1.parquet", "000000004-000000006.v1.parquet",
        "LSSTCam-000000007.v1.parquet", "000000008-000000008.v1.parquet",
    ]  # fmt: skip
    assert {each.topic for each in loose} == {"exposures", "values.LSSTCam"}
    files.discard(loose[3], DigestMismatch("rotten"))
    (again,) = files.unwritten()
    assert (again.first, again.last, again.version) == (4, 6, 2)
    ledger.observe([observation(4)])
    assert [(each.first, each.last) for each in files.unwritten()] == [(4, 6), (9, 9)]
    assert write_publications(files, store) == 2
    assert [each.version for each in files.loose(9)] == [1, 1, 1, 2, 1, 1, 1]
