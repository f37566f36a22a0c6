"""The listing of a Butler repository over SQLite."""

import pytest

from support.butler_listing_conformance import ListingConformance
from support.butler_site import Site


class TestOverSqlite(ListingConformance):
    """Run the contract over a registry in a file."""

    @pytest.fixture
    def site(self, tmp_path):
        return Site.create(tmp_path, None)
