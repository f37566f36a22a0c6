"""What is handed over to Qserv comes once."""

import pytest

from dbb.errors import CatalogUnfit
from dbb.flows.qserv_inputs import Delivered, verify_inputs
from dbb.model.digest import Digest
from dbb.model.names import Did


def delivered(table, name, sha256="0"):
    digest = Digest(1, sha256 * 64, "0" * 8, "0" * 8)
    return Delivered(table, Did.parse(f"lsst:{table}/{name}.parquet"), digest)


def test_a_repeated_input_is_found_before_any_is_read():
    found = [delivered("Object", "one"), delivered("Object", "two")]
    with pytest.raises(CatalogUnfit, match=r"two\.parquet has the bytes of .*one\.parquet"):
        verify_inputs(None, "usdf", found, set())


def test_what_is_not_wanted_is_not_looked_at():
    found = [delivered("Object", "one"), delivered("Object", "two")]
    with pytest.raises(CatalogUnfit, match="no Parquet of the release"):
        verify_inputs(None, "usdf", found, {"Source"})
