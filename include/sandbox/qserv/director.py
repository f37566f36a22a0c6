"""Build the director index: which chunk each object is in."""

from __future__ import annotations

import pymysql

from sandbox.qserv.api import Answer, Call, Refused
from sandbox.qserv.catalog import Catalogs, at_worker, chunk_tables
from sandbox.qserv.state import STATE

_NO_SUCH_TABLE = 1146


def _name(catalog: str, table: str) -> str:
    return f"`{STATE}`.`index__{catalog}__{table}`"


def _make(catalogs: Catalogs, catalog: str, table: Answer, by: str = "qserv_trans_id, ") -> str:
    """Make the index of a table: a key may stand in it once a transaction, or just once."""
    types = {column["name"]: column["type"] for column in table["columns"]}
    key = table["director_key"]
    kind = "UNIQUE KEY" if table["unique_primary_key"] else "KEY"
    name = _name(catalog, table["name"])
    catalogs.state.run(
        f"CREATE TABLE IF NOT EXISTS {name} (qserv_trans_id INT NOT NULL, `{key}` {types[key]},"
        f" chunkId INT, subChunkId INT, {kind} ({by}`{key}`)) ENGINE=MyISAM"
    )
    return name


def _fill(catalogs: Catalogs, catalog: str, table: Answer, where: str) -> None:
    name = _name(catalog, table["name"])
    key = table["director_key"]
    for chunk, worker in catalogs.chunks(catalog).items():
        source = at_worker(worker, catalog, chunk_tables(table["name"], chunk)[0])
        try:
            catalogs.state.run(
                f"INSERT INTO {name} SELECT qserv_trans_id, `{key}`, chunkId, subChunkId"
                f" FROM {source} {where}"
            )
        except pymysql.MySQLError as error:
            if error.args[0] != _NO_SUCH_TABLE:  # a chunk into which nothing was loaded yet
                raise


def _directors(catalogs: Catalogs, catalog: str) -> list[Answer]:
    return [t for t in catalogs.tables(catalog) if t["is_director"] and not t["is_published"]]


def add_rows(catalogs: Catalogs, catalog: str, trans: int) -> bool:
    """Add the rows of a transaction, and tell whether that worked: the commit goes on anyway."""
    try:
        for table in _directors(catalogs, catalog):
            _make(catalogs, catalog, table)
            _fill(catalogs, catalog, table, f"WHERE qserv_trans_id = {trans}")
    except pymysql.MySQLError:
        return False
    return True


def forget_rows(catalogs: Catalogs, catalog: str, trans: int) -> None:
    """Take the rows of a transaction out again."""
    for table in _directors(catalogs, catalog):
        name = _make(catalogs, catalog, table)
        catalogs.state.run(f"DELETE FROM {name} WHERE qserv_trans_id = {trans}")


def drop(catalogs: Catalogs, catalog: str, table: str) -> None:
    """Forget the whole index."""
    catalogs.state.run(f"DROP TABLE IF EXISTS {_name(catalog, table)}")


def build(catalogs: Catalogs, call: Call) -> Answer:
    """Build the index of a published director table, anew where that is asked for.

    A key that two transactions loaded is accepted at their commits, and is an error only here.
    """
    catalog = call.need("database")
    table = catalogs.table(catalog, call.need("director_table"))
    if not table["is_director"]:
        raise Refused(f"table '{table['name']}' is not a director table")
    if not table["is_published"]:
        raise Refused(f"the director table '{table['name']}' is not published")
    if call.option("rebuild", 0):
        drop(catalogs, catalog, table["name"])
    elif catalogs.state.all(f"SHOW TABLES IN `{STATE}` LIKE 'index__{catalog}__{table['name']}'"):
        raise Refused("the index exists already")
    _make(catalogs, catalog, table, by="")
    try:
        _fill(catalogs, catalog, table, "")
    except pymysql.MySQLError as error:
        raise Refused("index creation failed", {"all": {"0": str(error)}}) from error
    return {}
