"""List what Rucio knows of a night: its Rucio datasets, and the replicas at some RSEs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from rucio.common import exception as rucio

from dbb.errors import UnsafeName
from dbb.hooks.rucio_catalog import ITEMS_AT_ONCE
from dbb.hooks.rucio_client import PrivateTokenClient, make_client
from dbb.hooks.rucio_errors import rucio_errors
from dbb.model.names import Did, SafeName


class RucioListing:
    """List datasets and replicas in bulk.

    Parameters
    ----------
    host
        URL of the Rucio server.
    account, username, password
        The Rucio account, and a user that may act for it.
    """

    def __init__(self, host: str, account: str, username: str, password: str) -> None:
        self._login = (host, account, username, password)

    @cached_property
    def _client(self) -> PrivateTokenClient:
        return make_client(*self._login)

    def datasets_below(self, scope: str, folder: str) -> Iterator[Did]:
        """List the Rucio datasets whose names begin with a folder (it ends with ``/``)."""
        with rucio_errors("list_dids"):
            names = self._client.list_dids(scope, [{"name": f"{folder}*"}], did_type="dataset")
            try:
                for name in names:
                    yield Did(scope, SafeName.parse(name))
            except (rucio.DataIdentifierNotFound, rucio.ScopeNotFound, UnsafeName):
                return

    def replicas_at(self, rses: Sequence[str], dids: Sequence[Did]) -> dict[Did, frozenset[str]]:
        """Say at which of some RSEs Rucio has files, reading allowed or not."""
        found: dict[Did, frozenset[str]] = {}
        for first in range(0, len(dids), ITEMS_AT_ONCE):
            names = [
                {"scope": did.scope, "name": str(did.name)}
                for did in dids[first : first + ITEMS_AT_ONCE]
            ]
            with rucio_errors("list_replicas"):
                for row in self._client.list_replicas(
                    names, rse_expression="|".join(rses), resolve_archives=False
                ):
                    did = Did(row["scope"], SafeName.parse(row["name"]))
                    found[did] = frozenset(rse for rse, pfns in row["rses"].items() if pfns)
        return found
