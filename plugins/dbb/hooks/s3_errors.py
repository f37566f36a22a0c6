"""Say in the words of the store's port what S3 and boto3 say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    NoCredentialsError,
    PartialCredentialsError,
)

from dbb.errors import DbbError, DigestMismatch, MissingCopy, SettingMissing, StoreUnavailable
from dbb.hooks.certificates import S3_CA, made_clear


@contextmanager
def s3_errors(url: str) -> Iterator[None]:
    """Translate the errors of S3 calls made within.

    Raises
    ------
    MissingCopy
        If there is no such object.
    SettingMissing
        If there is no such bucket, or the key is missing, wrong or not allowed to.
    DigestMismatch
        If bytes keep disagreeing with the server's own checksum of them.
    StoreUnavailable
        For everything else: no connection, time-outs, ``SlowDown``, the server's own failures.
    """
    try:
        yield
    except ClientError as error:
        raise _refusal(error, url) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise SettingMissing(f"The store's key is missing: {error}", url) from error
    except FlexibleChecksumError as error:
        raise DigestMismatch.for_copy(url, "the server's checksum", "other bytes") from error
    except BotoCoreError as error:
        raise made_clear(StoreUnavailable.for_store(url, error), error, S3_CA) from error


def error_code(error: ClientError) -> str:
    """Give S3's own name of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refusal(error: ClientError, url: str) -> DbbError:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code == "NoSuchBucket":
        return SettingMissing("The store's bucket does not exist", url)
    if status in {401, 403}:
        return SettingMissing(f"The store refuses the key it was given: {code}", url)
    if status == 404 and code != "NoSuchUpload":  # swept or aborted: the writer begins again
        return MissingCopy.for_file(url)
    return StoreUnavailable.for_store(url, f"{code} ({status})")
