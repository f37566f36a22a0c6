"""Let pytest explain failed assertions of the shared suites as well."""

import pytest

pytest.register_assert_rewrite(
    "support.butler_conformance",
    "support.conformance_catalog",
    "support.conformance_ledger",
    "support.conformance_store",
)
