"""The hourly sums are noted for the pages, each with its time."""

import datetime as dt
import json

from dbb.operators import buffers
from support.tiny_camera import take_exposure
from support.world import World, run_night


def test_the_sums_are_noted_and_the_newest_stands(monkeypatch):
    world = World()
    take_exposure(world.summit, 1)
    world.settle()
    run_night(world)
    monkeypatch.setattr(buffers, "open_for_run", lambda _: world.backbone())
    task = buffers.NoteSums(task_id="note_sums")
    assert task.execute({}) == {"kept": True, "units_below": 0}
    world.clock.advance(2 * 3600)
    take_exposure(world.summit, 2)
    world.settle()
    run_night(world)
    task.execute({})
    noted = world.ledger.noted(["sum/budget", "sum/replicas", "sum/outages"])
    assert len(noted) == 3
    assert {item.at for item in noted.values()} == {world.clock.now()}
    assert json.loads(noted["sum/budget"].document)["loss"]["images"] == 6
    assert json.loads(noted["sum/replicas"].document)["units_by_copies"] == {"2": 2}
    ((_, _, complete_at),) = json.loads(noted["sum/outages"].document)["hours"]
    assert dt.datetime.fromisoformat(complete_at) < world.clock.now() - dt.timedelta(hours=1)
