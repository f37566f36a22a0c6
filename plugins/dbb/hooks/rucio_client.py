"""Make a Rucio client that shares nothing with other clients of this machine."""

from __future__ import annotations

import logging
import tempfile
import weakref
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter
from requests.exceptions import RequestException, SSLError
from rucio.client import Client
from rucio.common.exception import CannotAuthenticate

from dbb.hooks.certificates import why_unsafe

TIMEOUT_S = 120


class PrivateTokenClient(Client):  # type: ignore[misc] # the library has no types
    """Keep the login token in a folder of its own.

    Rucio's client keeps it in one file for each account name, whichever server it is of, and asks
    for no password while that file is good: a wrong password would go unnoticed for an hour.

    A certificate is always asked for. Rucio's client asks for none where ``X509_CERT_DIR`` or the
    ``ca_cert`` of its configuration is there and empty.
    """

    @property
    def ca_cert(self) -> Any:
        """Give the file of authorities that are believed; True for those of ``REQUESTS_CA_BUNDLE``."""
        return self._ca_cert

    @ca_cert.setter
    def ca_cert(self, found: Any) -> None:
        self._ca_cert = True if found == "" else found

    @property
    def session(self) -> Session:
        """Give the session, which Rucio's client makes anew after a login."""
        return self._session

    @session.setter
    def session(self, made: Session) -> None:
        made.mount("https://", _Https())
        self._session = made

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


class _Https(HTTPAdapter):
    """Let it be told that a connection is not safe.

    Rucio's client takes it for a server that is away, tries again, and forgets why.
    """

    def send(self, request: PreparedRequest, *arguments: Any, **more: Any) -> Response:
        try:
            return super().send(request, *arguments, **more)
        except SSLError as error:
            if why_unsafe(error) is None:
                raise
            raise RequestException(error, request=request) from error


def make_client(host: str, account: str, username: str, password: str) -> PrivateTokenClient:
    """Log in with a password.

    Raises
    ------
    CannotAuthenticate
        If the account or its password is wrong, or what answers is not Rucio.
    """
    logger = logging.getLogger("dbb.rucio")
    # At DEBUG it tells each header of each request, and the password is one.
    logger.setLevel(max(logging.INFO, logger.level))
    try:
        return PrivateTokenClient(
            rucio_host=host,
            auth_host=host,
            account=account,
            auth_type="userpass",
            creds={"username": username, "password": password},
            timeout=TIMEOUT_S,
            logger=logger,
        )
    except KeyError as error:  # the client looks for its token in whatever answered well
        raise CannotAuthenticate(f"what answers is not Rucio: it gave no {error}") from error
