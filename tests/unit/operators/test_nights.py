"""Which night a run is about."""

from dataclasses import dataclass, field

import pytest

from dbb.errors import BadDayObs
from dbb.model.day_obs import DayObs
from dbb.operators.nights import resolve_day_obs

PARAMS = {"day_obs": None, "patience_s": 1800}


@dataclass
class Run:
    partition_key: str | None = None
    conf: dict | None = field(default_factory=dict)


def test_a_scheduled_run_and_a_backfill_take_the_night_from_their_partition_key():
    assert resolve_day_obs(Run("20261121"), PARAMS) == DayObs(20261121)


def test_a_run_by_hand_takes_the_night_from_its_parameter():
    run = Run(conf={"day_obs": 20261121})
    assert resolve_day_obs(run, PARAMS | {"day_obs": 20261121}) == DayObs(20261121)


def test_key_and_parameter_may_agree():
    run = Run("20261121", {"day_obs": 20261121})
    assert resolve_day_obs(run, PARAMS | {"day_obs": 20261121}) == DayObs(20261121)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (None, None),
        ("20261121", 20261122),
        ("2026-11-31", None),
        ("", None),
        ("tonight", None),
        (None, 20161231),
        (None, True),
    ],
)
def test_a_run_without_one_night_stops_loudly(key, value):
    with pytest.raises(BadDayObs):
        resolve_day_obs(Run(key), PARAMS | {"day_obs": value})
