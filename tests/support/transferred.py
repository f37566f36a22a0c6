"""Where a unit of the test night is after its transfer."""

from __future__ import annotations

from dbb.model.delivery import State


def published(world, unit):
    return [world.state(unit, endpoint) for endpoint in ("usdf", "frdf")] == [State.PUBLISHED] * 2


def bundle(unit):
    stem = unit.rsplit("/", 1)[-1]
    folder = "/".join([*unit.split("/")[:2], stem.split(".")[0]])
    return f"raw/{folder}/{stem}.zip"
