"""Store files as objects, through boto3 and its usual chain of credentials."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from sandbox.copy_service.errors import CopyFailed
from sandbox.copy_service.guard import Guard
from sandbox.copy_service.storage import PIECE_BYTES, Check


class S3Storage:
    """Upload in one go: an object appears when it is complete, so no temporary name is needed."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def size_bytes(self, url: str) -> int | None:
        """Ask for an object's size."""
        client, bucket, key = self._place(url)
        with _failures(url):
            try:
                return int(client.head_object(Bucket=bucket, Key=key)["ContentLength"])
            except client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return None
                raise

    def read(self, url: str) -> Iterator[bytes]:
        """Stream an object; boto3 compares the server's checksum at its end."""
        client, bucket, key = self._place(url)
        with _failures(url):
            body = client.get_object(Bucket=bucket, Key=key)["Body"]
            yield from body.iter_chunks(PIECE_BYTES)

    def write(self, url: str, pieces: Iterator[bytes], *, ticket: str, check: Check) -> None:
        """Upload, then read back; an object that reads back wrong is deleted again."""
        client, bucket, key = self._place(url)
        with _failures(url):
            client.upload_fileobj(io.BufferedReader(_Pieces(pieces), PIECE_BYTES), bucket, key)
        try:
            check(self.read(url))
        except BaseException:
            client.delete_object(Bucket=bucket, Key=key)
            raise

    def _place(self, url: str) -> tuple[Any, str, str]:
        self._guard.prefix(url)
        parts = urlsplit(url)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        scheme = "https" if parts.scheme == "s3s" else "http"
        return _client(f"{scheme}://{parts.netloc}"), bucket, key


@contextmanager
def _failures(url: str) -> Iterator[None]:
    """Say in words that Rucio stores what the server or the way to it refused."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CopyFailed(f"S3 FAILED {url}: {error}") from error


@functools.cache
def _client(endpoint: str) -> Any:
    try:
        import boto3  # noqa: PLC0415 - most services copy no object
        from botocore.config import Config  # noqa: PLC0415
    except ImportError as error:
        raise CopyFailed(
            "S3 addresses need the Python package boto3 in this environment"
        ) from error
    # Path style: few object stores outside Amazon resolve one host name per bucket.
    config = Config(
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": 5},
        # Said here, so that nobody's configuration file can switch checksums off.
        request_checksum_calculation="when_supported",
        response_checksum_validation="when_supported",
    )
    return boto3.client("s3", endpoint_url=endpoint, config=config)


class _Pieces(io.RawIOBase):
    """Let boto3 read an iterator of pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
