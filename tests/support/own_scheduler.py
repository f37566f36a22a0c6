"""The sandbox's scheduler, and with it its tasks, with settings that the sandbox itself does not have."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

from sandbox.allotted import Allotted
from sandbox.services.airflow import Scheduler


class Again(Scheduler):
    """Start where everything is prepared already."""

    settings: dict[str, str]

    def prepare(self):
        pass

    def environment(self):
        return {**super().environment(), **self.settings}


@contextmanager
def scheduler_with(layout, settings):
    """Have the running sandbox's scheduler started anew with more settings, and as it was in the end."""
    allotted = Allotted.load(layout.allotted_file)

    def start(settings):
        scheduler = Again(layout, allotted)
        scheduler.settings = settings
        scheduler.stop()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it outlives the call that starts it
            scheduler.start()

    start(settings)
    try:
        yield
    finally:
        start({})
