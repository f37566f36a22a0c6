"""The part of a night that an address names: from one exposure to another, of one standing, a page of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from dbb.errors import UnsafeName
from dbb.flows.backbone import Backbone
from dbb.flows.finding import parse_unit
from dbb.flows.standing import Line, Standing
from dbb.model.day_obs import DayObs
from dbb.model.exposure import Unit

ROWS = 100
"""Rows of a page."""


@dataclass(frozen=True)
class Selection:
    """Hold the first and the last exposure of a chunk; both None for the whole night.

    ``standing`` (empty for all) and ``number``, the page, concern what is shown and not the document.
    A chunk follows the policy's order of instruments, then that of exposures; so does a selection.
    """

    instruments: tuple[str, ...]
    first: Unit | None = None
    last: Unit | None = None
    standing: str = ""
    number: int = 1

    @classmethod
    def parse(
        cls,
        backbone: Backbone,
        day_obs: DayObs,
        first: str,
        last: str,
        standing: str = "",
        number: int = 1,
    ) -> Selection:
        """Read what an address asks for; one name alone selects one exposure.

        Raises
        ------
        UnsafeName, BadDayObs
            If a name is no exposure of the night, or a word no standing.
        """
        if standing and standing not in list(Standing):
            raise UnsafeName.for_name(standing, f"a standing is one of {', '.join(Standing)}")
        names = [name for name in (first, last) if name]
        units = [_unit(backbone, day_obs, name) for name in names]
        low, high = (units[0], units[-1]) if units else (None, None)
        return cls(backbone.policy.instruments, low, high, standing, number)

    def choose(self, lines: Sequence[Line]) -> list[Line]:
        """Give the units that are meant, in their order."""
        if self.first is None or self.last is None:
            return list(lines)
        low = self._place(self.first.instrument, str(self.first.obs_id))
        high = self._place(self.last.instrument, str(self.last.obs_id))
        return [line for line in lines if low <= self._place(line.instrument, line.obs_id) <= high]

    def show(self, lines: Sequence[Line]) -> tuple[list[Line], int, int]:
        """Give the units of the page, the page's number and how many pages there are."""
        wanted = [line for line in self.choose(lines) if self.standing in ("", str(line.standing))]
        pages = max(1, -(-len(wanted) // ROWS))
        number = min(max(1, self.number), pages)
        return wanted[(number - 1) * ROWS : number * ROWS], number, pages

    def address(self, day_obs: DayObs, **changed: str) -> str:
        """Give the address of what is shown, with some of it changed."""
        first, last = self.first, self.last
        wanted = {
            "first": str(first.obs_id) if first is not None else "",
            "last": str(last.obs_id) if last is not None else "",
            "standing": self.standing,
            "page": str(self.number) if self.number > 1 else "",
            **changed,
        }
        query = urlencode({name: value for name, value in wanted.items() if value})
        return f"{day_obs}?{query}" if query else str(day_obs)

    def _place(self, instrument: str, obs_id: str) -> tuple[int, str]:
        known = instrument in self.instruments
        return self.instruments.index(instrument) if known else len(self.instruments), obs_id


def _unit(backbone: Backbone, day_obs: DayObs, name: str) -> Unit:
    unit, _ = parse_unit(backbone, name)
    if unit.obs_id.day_obs != day_obs:
        raise UnsafeName.for_name(name, f"it is no exposure of the night {day_obs}")
    return unit
