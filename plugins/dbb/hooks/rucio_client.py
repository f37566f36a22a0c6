"""Make a Rucio client that shares nothing with other clients of this machine."""

from __future__ import annotations

import logging
import tempfile
import weakref
from typing import Any

from rucio.client import Client

TIMEOUT_S = 120


class PrivateTokenClient(Client):  # type: ignore[misc] # the library has no types
    """Keep the login token in a folder of its own.

    Rucio's client keeps it in one file for each account name, whichever server it is of, and asks
    for no password while that file is good: a wrong password would go unnoticed for an hour.
    """

    def __init__(self, **settings: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dbb-rucio-")
        self.TOKEN_PATH_PREFIX = f"{self._folder.name}/"
        try:
            super().__init__(**settings)
        except BaseException:
            self._folder.cleanup()
            raise
        weakref.finalize(self, self._folder.cleanup)

    def close(self) -> None:
        """Drop the connections and the token."""
        self.session.close()
        self._folder.cleanup()


def make_client(host: str, account: str, username: str, password: str) -> PrivateTokenClient:
    """Log in with a password."""
    return PrivateTokenClient(
        rucio_host=host,
        auth_host=host,
        account=account,
        auth_type="userpass",
        creds={"username": username, "password": password},
        timeout=TIMEOUT_S,
        logger=logging.getLogger("dbb.rucio"),
    )
