"""The Butler repository hook, over SQLite."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from support.butler_conformance import RepositoryConformance
from support.butler_site import NewSite, Site


class TestOverSqlite(RepositoryConformance):
    """Run the contract over SQLite."""

    @pytest.fixture
    def new_site(self, tmp_path: Path) -> NewSite:
        """Make sites in folders of their own."""
        numbers = count()
        return lambda: Site.create(tmp_path / f"site{next(numbers)}", None)
