"""A real InfluxDB of the tests' own."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import pytest

from sandbox.allotted import Allotted
from sandbox.influx import Influx
from sandbox.layout import Layout


@contextmanager
def running_influx(root, folder):
    """Start a server that keeps all it has in a folder, and stop it; skip where there is none on the machine."""
    layout = Layout(root, folder)
    layout.make()
    server = Influx(layout, Allotted.load(layout.allotted_file))
    if server.missing():
        pytest.skip(server.missing())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it outlives the call that starts it
        server.start()
    try:
        yield server
    finally:
        server.stop()
