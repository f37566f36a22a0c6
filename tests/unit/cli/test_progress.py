"""What a long command shows on a terminal, and that it leaves nothing behind."""

import io
import logging

import pytest

from dbb.cli import progress
from dbb.cli.output import Form, Output

log = logging.getLogger("dbb.flows.anything")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(progress, "EVERY_S", 0)


def shown(stream):
    """Give what a terminal shows at the end: each line as it was last written over."""
    return [line.rsplit("\r\x1b[K", 1)[-1] for line in stream.getvalue().split("\n")]


@pytest.mark.usefixtures("at_once")
def test_steps_are_counted_in_one_line_that_goes_away():
    terminal = Terminal()
    output = Output(Form.TABLE, io.StringIO(), terminal)
    with output.following():
        output.progress.expect("verify", 4)
        log.info("action=verify unit=%s result=right", "A")
        log.info("action=verify unit=%s result=right", "B")
        assert shown(terminal) == ["verify 2 of 4 (50 %), 0 s: unit=B result=right"]
        output.remark("something")
        log.warning("action=verify unit=%s code=digest-mismatch", "C")
    assert shown(terminal) == ["dbb: something", "action=verify unit=C code=digest-mismatch", ""]
    log.info("action=verify unit=D")
    assert "unit=D" not in terminal.getvalue()


@pytest.mark.usefixtures("at_once")
def test_nothing_is_shown_where_nobody_looks():
    pipe = io.StringIO()
    output = Output(Form.TSV, io.StringIO(), pipe)
    with output.following():
        output.progress.expect("verify", 4)
        log.info("action=verify unit=A")
    assert pipe.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_the_line_fits_the_terminal_and_is_one(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    with Output(Form.TABLE, io.StringIO(), terminal).following():
        log.info("action=verify name=%s", "a\nb" * 40)
        (line,) = shown(terminal)
        assert len(line) < 20
