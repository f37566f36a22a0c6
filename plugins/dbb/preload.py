"""Importing the slow clients once, in the process that Airflow's tasks are forked from.

A task that lands, judges or publishes spends five CPU-seconds on importing Butler and Great
Expectations, and two on work. Forked from a scheduler that has imported them already, it spends
none. Nothing is opened here: no connection, no thread crosses the fork.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence

CLIENTS = (
    "dbb.hooks.butler_indexer",
    "dbb.hooks.butler_repository",
    "dbb.hooks.fits_inspector",
    "dbb.hooks.ledger",
    "dbb.hooks.rucio_catalog",
    "dbb.hooks.stores",
)


def is_parent_of_tasks(arguments: Sequence[str]) -> bool:
    """Say whether a command line is that of the scheduler, whose executor forks the tasks."""
    return len(arguments) > 1 and arguments[1] == "scheduler"


def preload_clients() -> None:
    """Import the clients, and keep the garbage collector from touching what forks share."""
    for name in CLIENTS:
        importlib.import_module(name)
    importlib.import_module("dbb.hooks.expectations").load_library()
    gc.freeze()


def preload_in_scheduler() -> None:
    """Import the clients if this process is the scheduler."""
    if is_parent_of_tasks(sys.argv):
        preload_clients()
