"""Backups and point-in-time restore with the real pgBackRest on a real PostgreSQL, as root or not."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from dbb.cli.main import main
from dbb.errors import BackupUnusable
from dbb.hooks import database_drill
from dbb.hooks.database_drill import drill_database
from dbb.hooks.drills import SqlDrills
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.pgbackrest import PgBackRest
from dbb.model.drill import DrillKind
from dbb.wiring.base import SystemClock
from support.database_cluster import NEEDED, Cluster

pytestmark = [NEEDED, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pg")  # short: a socket lies in it
    made = Cluster(folder)
    made.start()
    made.fill()
    yield made
    made.stop()


def dbb(cluster, *words):
    return main([*words, "--json"], cluster.env)


def test_a_restored_database_has_the_rows_of_the_moment_while_others_write(cluster, capsys):
    cluster.run("insert into sources select i from generate_series(300001, 310000) i")
    assert dbb(cluster, "backup", "incr") == 0
    cluster.run(
        "update sources set flux = 0 where id < 1000", "delete from sources where id = 5000"
    )
    stop = threading.Event()

    def write():
        number = 1_000_000
        while not stop.is_set():
            cluster.run(f"insert into sources values ({number})")  # noqa: S608 - a number
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        capsys.readouterr()
        assert dbb(cluster, "drill", "database") == 0
    finally:
        stop.set()
        writer.join()
    ledger = SqlLedger(open_engine(cluster.env["DBB_LEDGER_URL"]), SystemClock(), "test")
    (drill,) = SqlDrills(ledger).newest(DrillKind.DATABASE)
    assert drill.is_passed
    assert drill.units > 209_999
    assert list(Path(cluster.env["DBB_BACKUP_SCRATCH"]).iterdir()) == []
    with capsys.disabled():
        print(  # noqa: T201 - the figure
            f" {drill.units:,} rows, {drill.size_bytes / 1e6:.0f} MB, restored and compared in {drill.seconds:.1f} s"
        )


def test_rows_that_are_not_of_the_moment_are_named(cluster, monkeypatch):
    """The planted bug: a restore to another moment, after somebody changed and deleted rows."""
    mark = database_drill._mark

    def late(engine, target):
        found = mark(engine, f"{target}_early")
        cluster.run("update sources set flux = 1 where id = 1", "create table late (id int)")
        mark(engine, target)
        return found

    monkeypatch.setattr(database_drill, "_mark", late)
    done = drill_database(cluster.settings)
    assert done.wrong == (
        "public.late: it was not there then",
        "public.sources: rows came back with other values",
    )
    cluster.run("drop table late")


@pytest.fixture
def damaged(cluster):
    """Flip a bit in a file of the repository; put it back afterwards."""
    root = cluster.folder / "repository/backup/dbb"
    files = [path for path in root.rglob("*.zst") if "F/pg_data/base" in str(path)]
    victim = max(files, key=lambda path: path.stat().st_size)
    data = victim.read_bytes()
    middle = len(data) // 2
    victim.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    yield victim
    victim.write_bytes(data)


def test_a_damaged_repository_is_named_with_a_code_before_anything_is_restored(
    cluster, damaged, capsys
):
    assert PgBackRest(cluster.settings).list()
    with pytest.raises(BackupUnusable, match=f"invalid checksum .*{damaged.name}"):
        drill_database(cluster.settings)
    for words in (("drill", "database"), ("backup", "verify")):
        capsys.readouterr()
        assert dbb(cluster, *words) == 5
        assert "backup-unusable" in capsys.readouterr().err
    assert list(Path(cluster.env["DBB_BACKUP_SCRATCH"]).iterdir()) == []


def test_a_missing_file_of_wal_is_found(cluster):
    root = cluster.folder / "repository/archive/dbb"
    victim = max(root.rglob("0*.zst"), key=lambda path: path.name)  # after the last backup
    kept = victim.with_name("kept")
    victim.rename(kept)
    try:
        with pytest.raises(BackupUnusable, match=r"server does not start: .*recovery"):
            drill_database(cluster.settings)
    finally:
        kept.rename(victim)


def test_a_repository_that_is_gone_is_said_so(cluster):
    gone = dataclasses.replace(cluster.settings, stanza="nothing")
    with pytest.raises(BackupUnusable, match="check"):
        PgBackRest(gone).check()


def test_the_configuration_holds_no_secret(cluster):
    written = Path(cluster.env["DBB_BACKUP_CONFIG"]).read_text(encoding="utf-8")
    assert "repo1-cipher-type=aes-256-cbc" in written
    assert "no secrets" not in written
