"""Tell a connection that is not safe from a server that is away: a person has to mend it.

Clients say both with the same errors. A server's certificate is refused where no authority that we
believe has signed it, where it is of another name, or over; a server without TLS is refused where
TLS is asked for; and a file of authorities may not be there. Each is transient all the same: what
waits goes on by itself when the certificate is mended.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import TypeVar

from dbb.errors import DbbError

REQUESTS_CA = "REQUESTS_CA_BUNDLE"
"""The variable that names the authorities of all web servers, for clients built on requests."""

S3_CA = "AWS_CA_BUNDLE"
DATABASE_CA = "sslrootcert in the database's address"
BUTLER_CA = "sslrootcert in the registry's address, or AWS_CA_BUNDLE for a bucket,"

_DATABASE = re.compile(
    r"certificate verify failed|does not match host name|does not support SSL"
    r"|root certificate file .* does not exist|could not read root certificate file"
)
"""How PostgreSQL's client says it, in a text and no class of its own."""
_NO_FILE = re.compile(
    r"Could not find a suitable TLS CA certificate|SSL validation failed .* \[Errno 2\]"
)
"""How requests and boto3 say that the file of authorities is not there."""
_SAID = {
    "SSL is required but the server doesn't support it": "the server speaks without TLS",
    "broker certificate could not be verified": (
        "the broker's certificate is of no authority that is believed, of another name, or over"
    ),
    "connecting to a PLAINTEXT broker listener": (
        "the broker hangs up where TLS begins, as one that speaks without TLS does"
    ),
}
"""What MySQL's client and Kafka's say, and what it means; Kafka's does not tell one cause from another."""
_NAME = re.compile(r"hostname ('[^']*') doesn't match")
"""How boto3 says that a certificate is of another name: it looks by itself."""
NOT_THERE = "the file of authorities is not there"
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})

Known = TypeVar("Known", bound=DbbError)


class NoAuthorities(Exception):
    """Say that a file of authorities cannot be read, in the words of `why_unsafe`."""


def context_of(ca: str) -> ssl.SSLContext:
    """Make what a client needs that takes a context: it asks for a certificate, and looks at the name.

    Parameters
    ----------
    ca
        A file of the authorities to believe; empty for those that the machine believes.

    Raises
    ------
    NoAuthorities
        If the file cannot be read.
    ssl.SSLError
        If it has no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca or None)
    except ssl.SSLError:
        raise
    except FileNotFoundError:
        raise NoAuthorities(NOT_THERE) from None
    except OSError as error:
        why = f"the file of authorities cannot be read ({error.strerror})"
        raise NoAuthorities(why) from None


def made_clear(failure: Known, cause: BaseException, authorities: str) -> Known:
    """Give a failure as it is, or, where the connection was not safe, say so and what to do.

    Parameters
    ----------
    failure
        What is raised in any case: code, place and family stay.
    cause
        What the client raised.
    authorities
        The setting that names the authorities that are believed.
    """
    why = why_unsafe(cause)
    if why is None:
        return failure
    todo = (
        f"Name the file of its authority by {authorities}, or have the server's TLS mended:"
        " docs/reference/certificates.md."
    )
    return type(failure)(f"There is no safe connection: {why}.", failure.where, todo)


def why_unsafe(error: BaseException) -> str | None:
    """Say why a connection was refused as unsafe; None where that is not what happened.

    The words name no address: it may hold a password.
    """
    causes = list(_causes(error))
    found = [*map(_why_by_class, causes), *map(_why_by_words, causes)]
    return next((why for why in found if why is not None), None)


def _why_by_class(error: BaseException) -> str | None:
    if isinstance(error, NoAuthorities):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.rstrip(".")
    if isinstance(error, ssl.SSLError):  # made by hand it has neither reason nor library
        if getattr(error, "reason", "") in _NO_TLS:
            return "the server speaks without TLS"
        if getattr(error, "library", "") == "X509":
            return "the file of authorities has no certificate"
    return None


def _why_by_words(error: BaseException) -> str | None:
    text = str(error)
    if _NO_FILE.search(text):
        return NOT_THERE
    if (said := next((why for words, why in _SAID.items() if words in text), None)) is not None:
        return said
    if (name := _NAME.search(text)) is not None:
        return f"certificate is not valid for {name[1]}"
    if (words := _DATABASE.search(text)) is not None:
        line = next(line for line in text.splitlines() if words[0] in line)
        return line.rpartition("failed: ")[2]
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
