"""Where telemetry's samples come from: a port, and the type of their times."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

TIME = pa.timestamp("ns", tz="UTC")


class Samples(Protocol):
    """Give the samples of a topic."""

    def samples(
        self, topic: str, columns: Sequence[str], begin: dt.datetime, end: dt.datetime
    ) -> pa.Table:
        """Read ``[begin, end)``: a column ``time`` (ns, UTC, sorted), and those asked for.

        A topic that was silent gives no rows. What could not be read is an error, never an empty
        answer.
        """
