"""Importing the slow clients once, in the process that Airflow's tasks are forked from.

A task that lands, judges or publishes spends five CPU-seconds on importing Butler and Great
Expectations, and two on work. Forked from a scheduler or a worker that has imported them already, it spends
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
    """Say whether a command line is the scheduler's or a Celery worker's: both fork tasks."""
    return list(arguments[1:2]) == ["scheduler"] or list(arguments[1:3]) == ["celery", "worker"]


def preload_clients() -> None:
    """Import the clients, and keep the garbage collector from touching what forks share."""
    for name in CLIENTS:
        importlib.import_module(name)
    importlib.import_module("dbb.hooks.expectations").load_library()
    gc.freeze()


def preload_in_scheduler() -> None:
    """Import the clients if this process is one that tasks are forked from."""
    if is_parent_of_tasks(sys.argv):
        preload_clients()
