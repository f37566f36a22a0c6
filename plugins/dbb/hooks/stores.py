"""Open a store by its URL.

====================================  ==========================================================
``file:///folder``                    a folder of this machine, or mounted on it
``s3://bucket/prefix``                S3, with the ordinary AWS variables of the environment; the
                                      endpoint is ``S3_ENDPOINT_URL`` (as ``lsst.resources`` reads
                                      it) or boto3's own ``AWS_ENDPOINT_URL``
``s3://connection@bucket/prefix``     S3, with the key and endpoint of an Airflow connection
====================================  ==========================================================
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from dbb.errors import PolicyUnreadable
from dbb.hooks.posix_store import PosixStore

if TYPE_CHECKING:
    from dbb.hooks.s3_store import S3Store
    from dbb.ports import Store


def open_store(url: str) -> Store:
    """Make the store that a URL names; nothing is asked of it yet.

    Raises
    ------
    PolicyUnreadable
        If the URL has none of the forms above.
    """
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise PolicyUnreadable.for_file(url, "a store's URL has no ? and no #")
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return PosixStore(unquote(parts.path))
    if parts.scheme == "s3" and parts.netloc.rpartition("@")[2]:
        return _open_s3(parts)
    raise PolicyUnreadable.for_file(url, "a store is file:///folder or s3://bucket/prefix")


def _open_s3(parts: SplitResult) -> S3Store:
    from dbb.hooks.s3_store import S3Store  # noqa: PLC0415 - boto3 costs those without S3 a second

    connection, _, bucket = parts.netloc.rpartition("@")
    client = _client_of_connection(connection) if connection else _client_of_environment()
    return S3Store(bucket, unquote(parts.path).strip("/"), client, connection)


def _client_of_environment() -> Any:
    from boto3.session import Session  # noqa: PLC0415

    endpoint = os.environ.get("S3_ENDPOINT_URL")
    is_own = bool(endpoint or os.environ.get("AWS_ENDPOINT_URL"))
    # A session of its own: boto3's default one keeps the first key that it ever found.
    return Session().client("s3", endpoint_url=endpoint, config=_config(is_own_endpoint=is_own))


def _client_of_connection(connection: str) -> Any:
    # The provider takes many seconds to import, and only such a URL needs it.
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # noqa: PLC0415

    settings = S3Hook(aws_conn_id=connection).conn_config
    config = _config(is_own_endpoint=bool(settings.get_service_endpoint_url("s3")))
    if settings.botocore_config is not None:  # what the connection says goes before our defaults
        config = config.merge(settings.botocore_config)
    return S3Hook(aws_conn_id=connection, config=config).get_conn()


def _config(*, is_own_endpoint: bool) -> Any:
    """Set what every client of a store needs.

    ``total_max_attempts`` counts tries, and ``max_attempts`` would not. Checksums are asked for
    explicitly: an administrator's AWS configuration file must not be able to switch them off.
    """
    from botocore.config import Config  # noqa: PLC0415

    return Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        request_checksum_calculation="when_supported",
        response_checksum_validation="when_supported",
        # Few object stores outside Amazon resolve one host name per bucket.
        s3={"addressing_style": "path" if is_own_endpoint else "auto"},
    )
