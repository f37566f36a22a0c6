"""Let pytest explain failed assertions of the shared suites as well."""

from pathlib import Path

import pytest
from hypothesis import settings

from dbb import secrecy

pytest.register_assert_rewrite(
    "support.butler_conformance",
    "support.conformance_annex",
    "support.conformance_catalog",
    "support.conformance_keeping",
    "support.conformance_ledger",
    "support.conformance_pages",
    "support.conformance_store",
)

# How long an example takes says more of the machine than of the code.
settings.register_profile("dbb", deadline=None)
settings.load_profile("dbb")


def pytest_addoption(parser):
    """Let the tests of Qserv's contract run against a real Qserv, and pictures be kept."""
    parser.addoption("--qserv-url", help="a Qserv's controller, http://host:port, for -m qserv")
    parser.addoption("--pictures", metavar="FOLDER", help="keep the tests' pictures: docs/images")


@pytest.fixture(scope="session")
def picture_folder(request, tmp_path_factory):
    """Give the folder for pictures: the one that was asked for, or one that goes again."""
    chosen = request.config.getoption("--pictures")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def mock_kafka():
    """Give a broker that lives in this process, reachable by others."""
    from support.kafka import MockKafka

    return MockKafka()


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch):
    """Let what one test hides be told in the next."""
    monkeypatch.setattr(secrecy, "_known", set())
    monkeypatch.setattr(secrecy, "_pattern", None)
