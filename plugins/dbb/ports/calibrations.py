"""Groups, attempts and validity of calibrations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dbb.model.calibration import Attempt, CalibrationGroup, Step


@dataclass(frozen=True, slots=True)
class ProductRow:
    """Hold one calibration that an attempt made, and what it was made of.

    Parameters
    ----------
    dataset_id, detector, name, sha256
        Which file it is.
    inputs
        UUID, sha256 and kind of each image and calibration that went in.
    """

    dataset_id: str
    detector: int
    name: str
    sha256: str
    inputs: tuple[tuple[str, str, str], ...]


class Calibrations(Protocol):
    """Remember calibration groups, what was made of them, and what is in force."""

    def note_group(self, group: CalibrationGroup) -> None:
        """Insert a group; one that is known stays as it is."""

    def groups(self, day_obs: int = 0) -> list[CalibrationGroup]:
        """Read the groups of a day; 0 is any day."""

    def note_attempt(self, attempt: Attempt) -> None:
        """Insert an attempt; one that is known stays as it is."""

    def attempts(self, group: str = "", unit: str = "") -> list[Attempt]:
        """Read attempts of a group, or one by its unit, oldest first; empty words are any."""

    def open_groups(self, since: int) -> list[CalibrationGroup]:
        """Read the groups since a night of which no attempt is over, the first that ended first."""

    def note_late(self, unit: str, reason: str) -> None:
        """Put on an attempt's history that it is late, and with which step."""

    def file(self, unit: str, products: Sequence[ProductRow]) -> None:
        """Record an attempt's products, and that they are filed."""

    def accept(self, unit: str) -> bool:
        """Say that an attempt is the one of its group and campaign; False if another one is."""

    def refuse(self, unit: str, code: str, reason: str) -> None:
        """Record why an attempt was refused."""

    def withdraw(self, unit: str, reason: str) -> None:
        """Record that an attempt is out of force; the history names who said so."""

    def withdrawn(self, units: Sequence[str]) -> set[str]:
        """Name those attempts that are out of force."""

    def note_step(
        self, unit: str, step: Step, began: dt.datetime, ended: dt.datetime | None
    ) -> None:
        """Record when a step began and ended; the first begin and the first end stay."""

    def steps(self, unit: str) -> dict[Step, tuple[dt.datetime, dt.datetime | None]]:
        """Read the steps of an attempt."""

    def products(self, unit: str) -> list[ProductRow]:
        """Read an attempt's products with their inputs."""

    def digests(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Give the sha256 of products; unknown ones are left out."""

    def units_of_product(self, dataset_id: str) -> set[str]:
        """Name the attempt that made a product."""

    def products_of_input(self, input_id: str) -> list[tuple[str, str, str]]:
        """Name the products that an image or calibration went into: unit, product and file."""

    def history(self, unit: str) -> list[tuple[dt.datetime, str, str, str]]:
        """Read what happened to an attempt: when, what, why, by whom."""
