"""Calibrations in a Butler repository over SQLite."""

from itertools import count
from pathlib import Path

import pytest

from support.butler_site import NewSite, Site
from support.conformance_calibration import CalibrationConformance


class TestOverSqlite(CalibrationConformance):
    @pytest.fixture
    def new_site(self, tmp_path: Path) -> NewSite:
        numbers = count()
        return lambda: Site.create(tmp_path / f"site{next(numbers)}", None)
