"""Writing results: a table on a terminal, TSV in a pipe, JSON where it is asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TextIO

from dbb.cli.progress import ProgressLine, following
from dbb.errors import DbbError
from dbb.printable import show
from dbb.secrecy import conceal


class Form(StrEnum):
    """How results are written."""

    TABLE = "table"
    TSV = "tsv"
    JSON = "json"


class Output:
    """Write results to stdout and remarks to stderr.

    Parameters
    ----------
    form
        How to write.
    stdout, stderr
        Where to.
    """

    def __init__(self, form: Form, stdout: TextIO, stderr: TextIO) -> None:
        self.form = form
        self._stdout = stdout
        self._stderr = stderr
        self.progress = ProgressLine(stderr)

    @classmethod
    def choose(cls, *, wants_json: bool) -> Output:
        """Write JSON if it is wanted, a table on a terminal, and TSV otherwise."""
        form = Form.TABLE if sys.stdout.isatty() else Form.TSV
        return cls(Form.JSON if wants_json else form, sys.stdout, sys.stderr)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Show on a terminal how far the flows are, while a command runs."""
        with following(self._stderr) as self.progress:
            yield

    def document(self, document: dict[str, Any]) -> None:
        """Write a document, if JSON is wanted."""
        if self.form is Form.JSON:
            self._print(json.dumps(document, indent=1, ensure_ascii=False), self._stdout)

    def say(self, sentence: str = "") -> None:
        """Write a line for a person: beside the rows where a program may read these."""
        if self.form is Form.TABLE:
            self._print(show(sentence), self._stdout)
        elif self.form is Form.TSV and sentence:
            self._print(show(sentence), self._stderr)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, is_main: bool = True
    ) -> None:
        """Write rows; those that are not the main result are left out of TSV."""
        cells = [[show(value) for value in row] for row in rows]
        if self.form is Form.TSV and is_main:
            for row in [list(columns), *cells]:
                self._print("\t".join(row), self._stdout)
        elif self.form is Form.TABLE and cells:
            self._aligned([column.upper() for column in columns], cells)

    def remark(self, text: str) -> None:
        """Write a remark to stderr, whatever the form."""
        self._print(f"dbb: {conceal(text)}", self._stderr)

    def error(self, error: DbbError, next_action: str | None = None) -> None:
        """Write an error: its code, its cause, and what to do next."""
        action = error.next_action if next_action is None else next_action
        if self.form is Form.JSON:
            fields = {
                "code": error.code,
                "message": error.message,
                "where": error.where,
                "next_action": action,
            }
            self._print(json.dumps({"error": fields}), self._stderr)
            return
        place = f" [{show(error.where)}]" if error.where else ""
        self._print(f"dbb: {error.code}: {show(error.message)}{place}", self._stderr)
        self._print(f"next: {action} (docs/operate/{error.code}.md)", self._stderr)

    def _aligned(self, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in [columns, *cells]:
            padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._print("  ".join(padded).rstrip(), self._stdout)

    def _print(self, text: str, stream: TextIO) -> None:
        self.progress.wipe()
        print(text, file=stream)
