"""The Butler repository hook, over PostgreSQL: the same contract, and what only a server does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from lsst.daf.butler.direct_butler import DirectButler
from sqlalchemy import create_engine, make_url, text

from dbb.errors import RepositoryUnavailable
from dbb.hooks.butler_repository import ButlerRepository
from dbb.hooks.butler_setup import create_repository, name_driver
from support.butler_conformance import RepositoryConformance
from support.butler_site import NewSite, Site
from support.conformance_calibration import CalibrationConformance
from support.raw_bundles import make_instrument

pytestmark = pytest.mark.sandbox


@pytest.fixture
def registry_url(sandbox: Any) -> str:
    """Give the address of a database that has the extension that Butler needs."""
    return name_driver(sandbox.env["DBB_BUTLER_DB_USDF"])


@pytest.fixture
def namespaces(registry_url: str) -> Iterator[Iterator[str]]:
    """Name schemas for repositories, and drop them afterwards."""
    used: list[str] = []

    def invent() -> Iterator[str]:
        while True:
            used.append(f"test_{uuid4().hex}")
            yield used[-1]

    yield invent()
    engine = create_engine(registry_url)
    with engine.begin() as connection:
        for name in used:
            connection.execute(text(f'DROP SCHEMA IF EXISTS "{name}" CASCADE'))
    engine.dispose()


class TestOverPostgres(RepositoryConformance):
    """Run the contract over PostgreSQL, each repository in a schema of its own."""

    @pytest.fixture
    def new_site(self, registry_url: str, namespaces: Iterator[str], tmp_path: Path) -> NewSite:
        """Make sites in folders and schemas of their own."""
        numbers = count()
        return lambda: Site.create(
            tmp_path / f"site{next(numbers)}", registry_url, next(namespaces)
        )

    def test_a_server_that_does_not_answer_makes_the_repository_unavailable(
        self, site: Site, registry_url: str
    ) -> None:
        bundle = site.maker.make(1)
        config = site.root / "butler.yaml"
        url = make_url(registry_url)
        elsewhere = url.set(host="127.0.0.1", port=1).render_as_string(hide_password=False)
        changed = config.read_text().replace(registry_url, elsewhere)
        assert changed != config.read_text()
        config.write_text(changed)
        with pytest.raises(RepositoryUnavailable, match=r"does not answer"):
            site.repository.ingest([bundle])
        with pytest.raises(RepositoryUnavailable, match=r"does not answer"):
            site.repository.find_ingested([bundle.manifest])

    def test_a_connection_lost_in_the_middle_is_no_refusal(
        self, site: Site, registry_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bundles = [site.maker.make(seq_num) for seq_num in (1, 2)]
        original = DirectButler.ingest

        def lose_the_connection(butler: DirectButler, *args: Any, **kwargs: Any) -> None:
            engine = create_engine(registry_url)
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE state = 'idle in transaction' AND pid <> pg_backend_pid() "
                        "AND query LIKE :mine"
                    ),
                    {"mine": f"%{_namespace(site)}%"},
                )
            engine.dispose()
            original(butler, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(DirectButler, "ingest", lose_the_connection)
            with pytest.raises(RepositoryUnavailable):
                site.repository.ingest(bundles)
        assert site.count() == 0
        assert site.repository.ingest(bundles) == {}
        assert site.count() == 8


def _namespace(site: Site) -> str:
    lines = (site.root / "butler.yaml").read_text().splitlines()
    return next(line.split()[-1] for line in lines if "namespace: test_" in line)


def test_repositories_share_a_database_in_schemas_of_their_own(
    registry_url: str, namespaces: Iterator[str], tmp_path: Path
) -> None:
    for name in ("one", "two", "one"):
        namespace = next(namespaces) if not (tmp_path / name).exists() else None
        create_repository(
            tmp_path / name, [make_instrument()], registry_url=registry_url, namespace=namespace
        )
    assert ButlerRepository(str(tmp_path / "one")).find_ingested([]) == set()


class TestCalibrationsOverPostgres(CalibrationConformance):
    """Run the contract of calibrations over PostgreSQL."""

    @pytest.fixture
    def new_site(self, registry_url: str, namespaces: Iterator[str], tmp_path: Path) -> NewSite:
        """Make sites in folders and schemas of their own."""
        numbers = count()
        return lambda: Site.create(
            tmp_path / f"site{next(numbers)}", registry_url, next(namespaces)
        )
