"""The ledger's database: transactions, statements by name, the time, and who acts."""

from __future__ import annotations

import datetime as dt
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row
from sqlalchemy.exc import DBAPIError, OperationalError

from dbb.errors import LedgerUnavailable
from dbb.hooks.certificates import DATABASE_CA, made_clear
from dbb.hooks.sql import check_schema, migrate, statement
from dbb.ports.clock import Clock

BATCH = 5000
"""Names bound in one statement; SQLite allows 32,766."""

T = TypeVar("T")


class LedgerDatabase:
    """Run the statements of ``include/sql``.

    Parameters
    ----------
    engine
        The database.
    clock
        Where times come from.
    actor
        Who acts, for the history: Airflow's run, or the user of the command line.
    place
        The endpoint whose database of published values it is; nothing for the ledger itself.
    """

    def __init__(self, engine: Engine, clock: Clock, actor: str, place: str = "") -> None:
        self.engine = engine
        weakref.finalize(self, engine.dispose)  # closes the connections with their only user
        self._clock = clock
        self.actor = actor
        self._place = place

    def now(self) -> dt.datetime:
        """Give the time that rows get."""
        return self._clock.now()

    def migrate(self) -> int:
        """Bring the schema up to date; give the number of migrations applied."""
        with self._answering():
            return migrate(self.engine)

    def check(self) -> None:
        """Refuse a ledger that cannot be reached or has another schema."""
        with self.transaction() as connection:
            check_schema(connection, self.engine.dialect.name)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction; a database that does not answer is ``LedgerUnavailable``."""
        with self._answering(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            failure = LedgerUnavailable.for_cause(error.orig, self._place)
            raise made_clear(failure, error, DATABASE_CA) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise LedgerUnavailable.for_cause(error.orig, self._place) from error
            raise

    def rows(self, statement_name: str, /, **values: Any) -> list[Row[Any]]:
        """Run a reading statement."""
        with self.transaction() as connection:
            return list(connection.execute(statement(statement_name), values).all())

    def write(self, statement_name: str, /, **values: Any) -> int:
        """Run a writing statement once, in a transaction of its own; give the number of rows it changed."""
        with self.transaction() as connection:
            return connection.execute(statement(statement_name), values).rowcount

    def write_all(self, statement_name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a writing statement for each of some rows, in one transaction; for none do nothing."""
        if rows:
            with self.transaction() as connection:
                connection.execute(statement(statement_name), rows)


def batches(items: Sequence[T], most: int = BATCH) -> Iterator[list[T]]:
    """Cut what one statement cannot bind at once."""
    for first in range(0, len(items), most):
        yield list(items[first : first + most])
