"""The part of a night that a link from a task names: from one exposure to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbb.errors import UnsafeName
from dbb.flows.backbone import Backbone
from dbb.flows.finding import parse_unit
from dbb.flows.night import NightRow
from dbb.model.day_obs import DayObs
from dbb.model.exposure import Unit


@dataclass(frozen=True)
class Selection:
    """Hold the first and the last exposure of a chunk; both None for the whole night.

    A chunk follows the policy's order of instruments, then that of exposures; so does a selection.
    """

    instruments: tuple[str, ...]
    first: Unit | None = None
    last: Unit | None = None

    @classmethod
    def parse(cls, backbone: Backbone, day_obs: DayObs, first: str, last: str) -> Selection:
        """Read what an address asks for; one name alone selects one exposure.

        Raises
        ------
        UnsafeName, BadDayObs
            If a name is no exposure of the night.
        """
        names = [name for name in (first, last) if name]
        units = [_unit(backbone, day_obs, name) for name in names]
        ends = (units[0], units[-1]) if units else (None, None)
        return cls(backbone.policy.instruments, *ends)

    def choose(self, rows: Sequence[NightRow]) -> list[NightRow]:
        """Give the rows that are meant, in their order."""
        if self.first is None or self.last is None:
            return list(rows)
        low = self._place(self.first.instrument, str(self.first.obs_id))
        high = self._place(self.last.instrument, str(self.last.obs_id))
        return [
            line
            for line in rows
            if low <= self._place(line.row.instrument, line.row.obs_id) <= high
        ]

    def _place(self, instrument: str, obs_id: str) -> tuple[int, str]:
        known = instrument in self.instruments
        return self.instruments.index(instrument) if known else len(self.instruments), obs_id


def _unit(backbone: Backbone, day_obs: DayObs, name: str) -> Unit:
    unit, _ = parse_unit(backbone, name)
    if unit.obs_id.day_obs != day_obs:
        raise UnsafeName.for_name(name, f"it is no exposure of the night {day_obs}")
    return unit
