"""Open a store by its URL.

====================================  ==========================================================
``file:///folder``                    a folder of this machine, or mounted on it
``s3://bucket/prefix``                S3, with the ordinary AWS variables of the environment
``s3://connection@bucket/prefix``     S3, with the key and endpoint of an Airflow connection, or of
                                      a profile of that name (see ``s3_client.py``)
====================================  ==========================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from dbb.errors import PolicyUnreadable
from dbb.hooks.posix_store import PosixStore

if TYPE_CHECKING:
    from dbb.hooks.s3_store import S3Store
    from dbb.ports.store import Store


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
    from dbb.hooks import s3_client  # noqa: PLC0415
    from dbb.hooks.s3_store import S3Store  # noqa: PLC0415 - boto3 costs those without S3 a second

    connection, _, bucket = parts.netloc.rpartition("@")
    client = s3_client.client_of(connection) if connection else s3_client.client_of_environment()
    return S3Store(bucket, unquote(parts.path).strip("/"), client, connection)
