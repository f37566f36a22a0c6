"""The drill of a burnt database: restore it to a moment beside the real one, and compare the rows of then.

The moment is one at which nobody writes: the tables are locked for as long as it takes to set a restore point and to
begin a reading that sees this moment and none later. Writers go on while the rows are summed up.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from dbb.errors import BackupUnusable, LedgerUnavailable
from dbb.hooks.pgbackrest import BackupSettings, PgBackRest
from dbb.model.drill import Drill, DrillKind

log = logging.getLogger(__name__)

START_S = 3600
"""Longest time in which the restored server replays its WAL."""

LOCK_S = 10
"""Longest time that writers wait for a drill which itself waits for a longer writer; then it gives up."""

Table = tuple[int, str]
"""How many rows a table has, and the sum over all of them."""

_SAME_WORDS = (
    "set timezone to 'UTC'", "set datestyle to 'ISO'", "set intervalstyle to 'postgres'",
    "set extra_float_digits to 1", "set bytea_output to 'hex'",
)  # fmt: skip
"""Rows are summed up as text: both servers must write it alike."""

_TABLES = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname not like 'pg\\_toast%' and c.relpersistence = 'p'
order by 1
"""


def drill_database(settings: BackupSettings) -> Drill:
    """Restore the database to a moment of just now, and compare each table with what it held then.

    The repository is read through first. The restored server listens in a folder of its own and is taken away,
    whatever happens.

    Raises
    ------
    BackupUnusable
        If the repository is damaged, or cannot be restored.
    LedgerUnavailable
        If the database does not answer.
    """
    began_s, started_at = time.monotonic(), dt.datetime.now(dt.UTC)
    tool = PgBackRest(settings)
    tool.verify()
    target = f"drill_{started_at:%Y%m%dT%H%M%S%f}"
    engine = create_engine(settings.url, poolclass=NullPool)
    try:
        before, size_bytes = _mark(engine, target)
    except OperationalError as error:
        raise LedgerUnavailable.for_cause(error.orig) from error
    tool.check()  # the WAL with the restore point has come to the repository
    with _spare_folder(settings) as folder:
        data = folder / "data"
        tool.restore(target, data)
        restored_s = time.monotonic() - began_s
        with _server(settings, folder) as url:
            after = _sum_up(create_engine(url, poolclass=NullPool))
    drill = Drill(
        kind=DrillKind.DATABASE,
        subject=engine.url.database or "",
        started_at=started_at,
        ended_at=dt.datetime.now(dt.UTC),
        units=sum(rows for rows, _ in before.values()),
        files=len(before),
        size_bytes=size_bytes,
        seconds=time.monotonic() - began_s,
        wrong=tuple(compare_tables(before, after)),
    )
    log.info(
        "action=drill what=database target=%s rows=%d tables=%d restored_s=%.1f seconds=%.1f wrong=%d",
        target, drill.units, drill.files, restored_s, drill.seconds, len(drill.wrong),
    )  # fmt: skip
    return drill


def compare_tables(before: dict[str, Table], after: dict[str, Table]) -> list[str]:
    """Name the tables that are not as they were."""
    wrong = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None:
            wrong.append(f"{name}: it was not there then")
        elif new is None:
            wrong.append(f"{name}: it did not come back")
        elif old[0] != new[0]:
            wrong.append(f"{name}: {new[0]} rows came back of {old[0]}")
        elif old != new:
            wrong.append(f"{name}: rows came back with other values")
    return wrong


def _mark(engine: Engine, target: str) -> tuple[dict[str, Table], int]:
    """Set a restore point, and sum up what the tables hold at that moment."""
    with contextlib.ExitStack() as stack:
        holder = stack.enter_context(engine.connect())
        reader = stack.enter_context(engine.connect())
        holder = holder.execution_options(isolation_level="REPEATABLE READ")
        tables = _tables(reader)
        reader.rollback()
        holder.execute(text(f"set local lock_timeout = '{LOCK_S}s'"))
        if tables:  # a lock takes no snapshot: the next statement does, when nobody writes any more
            holder.execute(text(f"lock table {', '.join(tables)} in share mode"))
        holder.execute(text("select pg_create_restore_point(:name)"), {"name": target})
        snapshot = holder.execute(text("select pg_export_snapshot()")).scalar_one()
        reader = reader.execution_options(isolation_level="REPEATABLE READ")
        reader.execute(text(f"set transaction snapshot '{snapshot}'"))
        size_bytes = reader.execute(
            text("select pg_database_size(current_database())")
        ).scalar_one()
        holder.commit()
        return _sums(reader, tables), int(size_bytes)


def _sum_up(engine: Engine) -> dict[str, Table]:
    with engine.connect() as connection:
        return _sums(connection, _tables(connection))


def _tables(connection: Connection) -> list[str]:
    return list(connection.execute(text(_TABLES)).scalars())


def _sums(connection: Connection, tables: Sequence[str]) -> dict[str, Table]:
    """Count rows and sum up both halves of the md5 of each: order does not matter, each row does."""
    for setting in _SAME_WORDS:
        connection.execute(text(setting))
    found = {}
    for name in tables:
        query = f"""
            select count(*),
                   coalesce(sum(('x' || left(m, 16))::bit(64)::bigint::numeric), 0) || ' ' ||
                   coalesce(sum(('x' || right(m, 16))::bit(64)::bigint::numeric), 0)
            from (select md5(t::text) as m from {name} t) s
        """  # noqa: S608 - the names are the server's own, quoted by it
        rows, total = connection.execute(text(query)).one()
        found[name] = (int(rows), str(total))
    return found


@contextlib.contextmanager
def _spare_folder(settings: BackupSettings) -> Iterator[Path]:
    """Give a new folder, and take it away at the end; nothing else is ever touched."""
    settings.scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="dbb-drill-", dir=settings.scratch))
    owner = settings.data.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)  # only root may be another one
    try:
        _run(settings, "mkdir", "-m", "700", str(folder / "data"))
        yield folder
    finally:
        _run(settings, "rm", "-rf", "--one-file-system", str(folder / "data"))
        shutil.rmtree(folder, ignore_errors=True)


def _run(settings: BackupSettings, *words: str) -> None:
    subprocess.run(  # noqa: S603 - the installation's own settings
        [*settings.run_as, *words],
        check=False,
        capture_output=True,
        env=settings.process_environment,
    )


@contextlib.contextmanager
def _server(settings: BackupSettings, folder: Path) -> Iterator[str]:
    """Run the restored server on a socket in a folder that nobody else opens; give its address."""
    data = folder / "data"
    (folder / "hba").write_text("local all all trust\n", encoding="utf-8")
    (folder / "ident").touch()
    (folder / "conf").write_text("", encoding="utf-8")
    command = [
        *settings.run_as, str(settings.programs / "postgres"), "-D", str(data),
        "-c", "listen_addresses=", "-c", f"unix_socket_directories={data}", "-c", "port=5432",
        "-c", f"hba_file={folder / 'hba'}", "-c", f"ident_file={folder / 'ident'}",
        "-c", "hot_standby=off", "-c", "archive_mode=off", "-c", "ssl=off", "-c", "logging_collector=off",
    ]  # fmt: skip
    if not (data / "postgresql.conf").exists():  # Debian keeps it elsewhere
        command += ["-c", f"config_file={folder / 'conf'}"]
    server = create_engine(settings.url).url.set(host=None, port=None, password=None)
    url = server.update_query_dict({"host": str(data), "port": "5432"})
    env = settings.process_environment
    with (folder / "log").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the installation's own settings
            command, stdout=output, stderr=subprocess.STDOUT, env=env
        )
    try:
        _await_server(process, url.render_as_string(hide_password=False), folder / "log")
        yield url.render_as_string(hide_password=False)
    finally:
        _run(
            settings, str(settings.programs / "pg_ctl"), "-D", str(data), "-m", "fast", "-w", "stop"
        )
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)


def _await_server(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    """Wait until the server has replayed its WAL up to the restore point and takes writes."""
    engine = create_engine(url, poolclass=NullPool)
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        if process.poll() is not None:
            said = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            fatal = [line for line in said if "FATAL" in line or "PANIC" in line]
            why = " ".join((fatal or said or ["it said nothing"])[-2:])
            raise BackupUnusable.for_answer("restore", f"the server does not start: {why}")
        with contextlib.suppress(OperationalError), engine.connect() as connection:
            if not connection.execute(text("select pg_is_in_recovery()")).scalar_one():
                return
        time.sleep(0.2)
    raise BackupUnusable.for_answer("restore", f"the server is not ready within {START_S} s")
