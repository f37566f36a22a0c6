"""Say in the words of the catalogue's port what Rucio says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rucio.common import exception as rucio

from dbb.errors import CatalogUnavailable, ConflictingDuplicate, SettingMissing
from dbb.hooks.certificates import REQUESTS_CA, made_clear

_FOR_THE_MOMENT = (
    rucio.DatabaseException,
    rucio.ReplicationRuleCreationTemporaryFailed,
    rucio.ResourceTemporaryUnavailable,
    rucio.RSEWriteBlocked,
    rucio.ServerConnectionException,
    rucio.ServiceUnavailable,
)
_UNTIL_MENDED = (
    rucio.AccessDenied,
    rucio.AccountNotFound,
    rucio.ClientProtocolNotFound,
    rucio.ClientProtocolNotSupported,
    rucio.DataIdentifierNotFound,
    rucio.InsufficientAccountLimit,
    rucio.InsufficientTargetRSEs,
    rucio.InvalidObject,
    rucio.InvalidRSEExpression,
    rucio.MissingClientParameter,
    rucio.NoAuthInformation,
    rucio.RSENotFound,
    rucio.RSEOverQuota,
    rucio.ScopeNotFound,
)
_WRONG_KEY = "Cannot authenticate to account"


@contextmanager
def rucio_errors(call: str) -> Iterator[None]:
    """Translate the errors of a call to Rucio; those that name no family pass as they are.

    Raises
    ------
    ConflictingDuplicate
        If Rucio knows the file with another size or checksum.
    SettingMissing
        If the account, password, RSE, scope or activity is wrong.
    CatalogUnavailable
        If the server cannot be reached, or fails itself.
    """
    try:
        yield
    except rucio.FileConsistencyMismatch as error:
        raise ConflictingDuplicate(f"Rucio refuses the file: {_words(error)}", call) from error
    except rucio.CannotAuthenticate as error:
        # The client says this of any failure to log in, a proxy's 503 page among them.
        if _WRONG_KEY in str(error):
            raise SettingMissing("Rucio refuses the account or its password", call) from error
        raise CatalogUnavailable.for_call(call, _words(error)) from error
    except _UNTIL_MENDED as error:
        raise SettingMissing(f"Rucio refuses: {_words(error)}", call) from error
    except (*_FOR_THE_MOMENT, OSError) as error:  # what requests raises is an OSError, all of it
        failure = CatalogUnavailable.for_call(call, _words(error))
        raise made_clear(failure, error, f"{REQUESTS_CA} or ca_cert of rucio.cfg") from error
    except rucio.RucioException as error:
        # The bare class stands for answers that have no class: the server's or a proxy's 5xx.
        if type(error) is rucio.RucioException:
            raise CatalogUnavailable.for_call(call, _words(error)) from error
        raise


def _words(error: Exception) -> str:
    """Give the last line of a message, where Rucio puts the details."""
    return str(error).strip().splitlines()[-1][:300] if str(error).strip() else repr(error)
