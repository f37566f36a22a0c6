"""Ask a published catalogue by SQL, through Qserv's czar, which speaks MySQL's protocol."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pymysql

from dbb.errors import QservRefused, QservUnavailable
from dbb.hooks.certificates import NoAuthorities, context_of, made_clear
from dbb.model.qserv import ColumnStatistics

_CONNECTION_ERRORS = (2002, 2003, 2006, 2013, 2026)


class QservCzar:
    """Open a connection a question.

    Parameters
    ----------
    host, port, user, password
        Where it is, and who asks.
    is_verified
        Ask by TLS only, of a server whose certificate is believed and of this host. Without it the
        client encrypts where the server can, and asks for no certificate.
    ca
        A file of the authorities to believe; empty for those that the machine believes.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str = "",
        *,
        is_verified: bool = False,
        ca: str = "",
    ) -> None:
        self._login: dict[str, Any] = {
            "host": host,
            "port": port,
            "user": user,
            "password": password,
        }
        self._is_verified = is_verified
        self._ca = ca

    def statistics(
        self, database: str, table: str, columns: Sequence[str], texts: Collection[str] = ()
    ) -> tuple[int, Mapping[str, ColumnStatistics]]:
        """Count rows; and of each column nulls, least, most and sum, as double precision; of text its length."""
        parts = ["count(*)"]
        for name in columns:
            value = f"char_length(`{name}`) * 1e0" if name in texts else f"`{name}` * 1e0"
            parts += [f"count(`{name}`)", f"min({value})", f"max({value})", f"sum({value})"]
        query = f"select {', '.join(parts)} from `{database}`.`{table}`"  # noqa: S608 - columns of the schema
        try:
            with (
                pymysql.connect(**self._login, ssl=self._tls(), connect_timeout=10) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute(query)
                row = cursor.fetchone()
        except (pymysql.MySQLError, NoAuthorities, ssl.SSLError) as error:
            is_answer = isinstance(error, pymysql.MySQLError)
            if not is_answer or (error.args and error.args[0] in _CONNECTION_ERRORS):
                failure = QservUnavailable.for_cause(f"{database}.{table}", error)
                raise made_clear(failure, error, "DBB_QSERV_SQL_CA_<ENDPOINT>") from error
            raise QservRefused.for_answer(f"SQL on {database}.{table}", error) from error
        assert row is not None  # noqa: S101 - an aggregate has a row
        rows = int(row[0])
        found = {}
        for place, name in enumerate(columns):
            filled, least, most, total = row[1 + 4 * place : 5 + 4 * place]
            found[name] = ColumnStatistics(rows - int(filled), least, most, total)
        return rows, found

    def _tls(self) -> ssl.SSLContext | None:
        return context_of(self._ca) if self._is_verified else None
