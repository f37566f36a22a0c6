"""Ask an InfluxDB 1.x, which the EFD is, over its HTTP interface.

The answer is asked for in JSON and in pieces. In CSV the server swallows what goes wrong with a statement
(a database that is not there, a time-out) and answers with status 200 and no rows; without pieces it
cuts an answer off at a number of rows. Here both would be data lost without a sign.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import requests

from dbb.errors import EfdUnavailable
from dbb.hooks.certificates import REQUESTS_CA, made_clear

PIECE_ROWS = 10_000
READ_BYTES = 1024 * 1024
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 200
"""The EFD gives up a query after 180 seconds by itself."""


class Series(NamedTuple):
    """Hold one piece of one series: its measurement, columns, and rows."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class Influx:
    """Ask one database.

    Parameters
    ----------
    url, database
        Where it is.
    user, password
        Who asks; empty where nobody needs to say.
    """

    def __init__(self, url: str, database: str, user: str = "", password: str = "") -> None:
        self.url = url.rstrip("/")
        self.database = database
        self._session = requests.Session()
        # Packing costs the server two to four times what the answer does.
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        if user:
            self._session.auth = (user, password)

    def query(self, statement: str, piece_rows: int = PIECE_ROWS) -> Iterator[Series]:
        """Ask, and give the answer piece by piece; times are nanoseconds (UTC).

        Rows come out as they arrive: who stores them must not believe them to be all before this
        has ended without an error. A piece has up to ``piece_rows`` of them: fewer where rows are wide.

        Raises
        ------
        EfdUnavailable
            If it cannot be reached, refuses, or the answer is an error or ends too early.
        """
        request = {
            "db": self.database,
            "q": statement,
            "epoch": "ns",
            "chunked": "true",
            "chunk_size": str(piece_rows),
        }
        try:
            with self._session.post(
                f"{self.url}/query",
                data=request,
                stream=True,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            ) as answer:
                if answer.status_code != requests.codes.ok:
                    raise EfdUnavailable.for_query(self.url, _words(answer))
                yield from self._pieces(answer)
        except (OSError, ValueError) as error:  # what requests raises is an OSError, all of it
            failure = EfdUnavailable.for_query(self.url, error)
            raise made_clear(failure, error, REQUESTS_CA) from error

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def _pieces(self, answer: requests.Response) -> Iterator[Series]:
        is_whole = False
        for line in _lines(answer):
            document = json.loads(line) if line.strip() else {"results": []}
            for result in (document, *document.get("results", ())):
                if "error" in result:
                    raise EfdUnavailable.for_query(self.url, result["error"])
                for series in result.get("series", ()):
                    yield Series(series["name"], series["columns"], series.get("values", ()))
                is_whole = not result.get("partial", False)
        if not is_whole:
            raise EfdUnavailable.for_query(self.url, "the answer ends too early")


def _lines(answer: requests.Response) -> Iterator[bytes]:
    """Cut an answer into lines in time that grows with its length, which a line of megabytes needs."""
    parts: list[bytes] = []
    for data in answer.iter_content(READ_BYTES):
        first, *others = data.split(b"\n")
        parts.append(first)
        for other in others:
            yield b"".join(parts)
            parts = [other]
    yield b"".join(parts)


def _words(answer: requests.Response) -> str:
    told = answer.headers.get("X-Influxdb-Error") or answer.text[:200]
    return f"status {answer.status_code}: {told}"
