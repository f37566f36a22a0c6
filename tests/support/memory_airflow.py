"""An Airflow in memory: pausing DAGs, what still runs, backfills."""

import datetime as dt

from dbb.flows.catching_up import Backfill


class MemoryAirflow:
    """Pause DAGs and keep backfills."""

    def __init__(self):
        self.paused = {"raw_tonight": False, "canary": True}
        self.left = []
        self.kept = []

    def dags(self):
        return dict(self.paused)

    def pause(self, dag_id):
        self.paused[dag_id] = True

    def unpause(self, dag_id):
        self.paused[dag_id] = False

    def working(self):
        return self.left

    def start_backfill(self, dag_id, begin, end, _):
        self.kept.insert(0, Backfill(len(self.kept) + 1, dag_id, begin, end, False, None))
        return self.kept[0]

    def backfills(self, _):
        return self.kept

    def change_backfill(self, number, change):
        (old,) = (each for each in self.kept if each.number == number)
        over = dt.datetime(2026, 11, 22, tzinfo=dt.UTC) if change == "cancel" else None
        new = Backfill(number, old.dag_id, old.begin, old.end, change == "pause", over)
        self.kept[self.kept.index(old)] = new
        return new
