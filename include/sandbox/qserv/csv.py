"""Read the rows of a contribution: the strict dialect, and where one row ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.qserv.api import Call, Refused

MAX_ROW_BYTES = 16 * 2**20
_NAMES = ("fields_terminated_by", "fields_enclosed_by", "fields_escaped_by", "lines_terminated_by")
_DEFAULTS = ("\\t", "\\0", "\\\\", "\\n")
_SPELT = {
    "\\t": b"\t", "\\0": b"", "\\\\": b"\\", "\\n": b"\n", "\\'": b"'", '\\"': b'"', "\0": b"",
}  # fmt: skip
_ALLOWED = ({b"\t", b","}, {b"", b"'", b'"'}, {b"\\"}, {b"\n"})


def told_dialect(call: Call) -> dict[str, str]:
    """Give the dialect that a request names; an empty word means the default."""
    return {n: call.option(n, d) or d for n, d in zip(_NAMES, _DEFAULTS, strict=True)}


@dataclass(frozen=True, slots=True)
class Dialect:
    """Hold the bytes of a dialect that was accepted."""

    terminated: bytes
    enclosed: bytes
    escaped: bytes
    line: bytes

    @classmethod
    def parse(cls, told: dict[str, str]) -> Dialect:
        """Read a dialect, written as bytes or as SQL writes them."""
        values = []
        for name, allowed in zip(_NAMES, _ALLOWED, strict=True):
            value = _SPELT.get(told[name], told[name].encode())
            if value not in allowed:
                raise Refused(f"unsupported value of '{name}': {told[name]!r}")
            values.append(value)
        return cls(*values)

    def sql(self) -> tuple[str, tuple[Any, ...]]:
        """Give the clauses of ``LOAD DATA`` and their arguments."""
        clauses = "FIELDS TERMINATED BY %s ENCLOSED BY %s ESCAPED BY %s LINES TERMINATED BY %s"
        values = (self.terminated, self.enclosed, self.escaped, self.line)
        return clauses, tuple(value.decode() for value in values)

    def prefix(self, trans: int) -> bytes:
        """Give the field that the worker puts before each row."""
        return self.enclosed + str(trans).encode() + self.enclosed + self.terminated

    def rows(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Join the lines of a file into rows: an escaped end of line is part of its row."""
        held = b""
        for line in lines:
            row = held + line
            if len(row) > MAX_ROW_BYTES:
                raise Refused(f"a row has more than {MAX_ROW_BYTES} bytes")
            body = row.removesuffix(self.line)
            escapes = len(body) - len(body.rstrip(self.escaped))
            if escapes % 2 and body != row:
                held = row
                continue
            held = b""
            yield row
        if held:
            yield held
