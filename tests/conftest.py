"""Let pytest explain failed assertions of the shared suites as well."""

import pytest

pytest.register_assert_rewrite(
    "support.butler_conformance",
    "support.conformance_catalog",
    "support.conformance_ledger",
    "support.conformance_store",
)


def pytest_addoption(parser):
    """Let the tests of Qserv's contract run against a real Qserv."""
    parser.addoption("--qserv-url", help="a Qserv's controller, http://host:port, for -m qserv")


@pytest.fixture
def mock_kafka():
    """Give a broker that lives in this process, reachable by others."""
    from support.kafka import MockKafka

    return MockKafka()
