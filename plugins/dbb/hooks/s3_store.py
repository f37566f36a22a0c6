"""Keep files as objects of an S3 bucket.

S3 has no folders, no rename and no half-written objects: an object appears when its upload is
complete. Object names are compared byte by byte and a listing gives them as they are; those that
the backbone writes are ASCII and so have one Unicode form only.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from boto3.s3.transfer import TransferConfig

from dbb.errors import DigestMismatch, MissingCopy, NoReadUrl, StoreUnavailable
from dbb.hooks.s3_errors import s3_errors
from dbb.hooks.s3_object import PIECE_BYTES, S3Object
from dbb.hooks.s3_upload import S3Upload
from dbb.hooks.store_names import folder_name, found_name, is_hidden, target_name
from dbb.ports.store import READ_BYTES, StoredFile, Writer

_DELETE_AT_ONCE = 1000
MAX_URL_S = 7 * 86_400
"""Version 4 signatures last a week at most."""
_COPY = TransferConfig(
    multipart_threshold=5 * 1024**3,  # the largest object that S3 copies in one call
    multipart_chunksize=1024**3,
    use_threads=False,
)


class S3Store:
    """Keep files below a prefix of a bucket, which must exist.

    Parameters
    ----------
    bucket, prefix
        The place; the prefix has no slash at either end, and may be empty.
    client
        A boto3 S3 client. Its retries and checksums are its maker's affair (``stores.py``).
    connection
        The Airflow connection that made the client, where there is one: part of the URL.
    """

    def __init__(self, bucket: str, prefix: str, client: Any, connection: str = "") -> None:
        self.bucket = bucket
        self.prefix = f"{target_name(prefix)}/" if prefix else ""
        self.client = client
        self.connection = connection
        self._bucket_is_there = False

    @property
    def url(self) -> str:
        """Give the root's URL, without a slash at the end."""
        user = f"{self.connection}@" if self.connection else ""
        return f"s3://{user}{self.bucket}/{self.prefix}".rstrip("/")

    def url_of(self, name: str) -> str:
        """Give the URL of a file."""
        return f"{self.url}/{found_name(name)}"

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """List the files below a folder, in the order of their names.

        They are sorted here: servers that keep objects in folders (SeaweedFS does) list ``a/b``
        before ``a.b``, which S3 does not.
        """
        below = self.prefix + folder_name(prefix)
        yield from sorted(self._list(below), key=lambda file: file.name)

    def stat(self, name: str) -> StoredFile | None:
        """Describe one file, or None where there is none."""
        head = self._head(found_name(name))
        if head is None:
            return None
        return StoredFile(
            name, head["ContentLength"], _utc(head["LastModified"]), head.get("ETag", "")
        )

    @contextmanager
    def open(self, name: str, *, cold: bool = False) -> Iterator[BinaryIO]:
        """Open an object for reading.

        ``cold`` has no meaning here: this machine caches nothing, and no call tells the server to
        read its disks. Servers check their own checksums as they read.
        """
        del cold
        head = self._head(found_name(name))
        if head is None:
            raise MissingCopy.for_file(self.url_of(name))
        source = S3Object(self.client, self._place(name), head, self.url_of(name))
        with io.BufferedReader(source, PIECE_BYTES) as file:
            yield file

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        """Write an object whole or not at all, replacing one of the same name."""
        upload = S3Upload(self.client, self._place(target_name(name)), self.url_of(name))
        try:
            yield upload
            upload.finish()
        except BaseException:
            upload.abort()
            raise

    def move(self, name: str, new_name: str) -> None:
        """Copy an object within the server, compare, and delete the first."""
        source, target = found_name(name), target_name(new_name)
        head = self._head(source)
        if head is None:
            if self._head(target) is None:
                raise MissingCopy.for_file(self.url_of(name))
            return
        if source == target:
            return
        with s3_errors(self.url_of(name)):
            self.client.copy(self._place(source), self.bucket, self.prefix + target, Config=_COPY)
        self._compare(source, head, target)
        self.delete([source])

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; those already gone are no error."""
        keys = [{"Key": self.prefix + found_name(name)} for name in names]
        for start in range(0, len(keys), _DELETE_AT_ONCE):
            batch = {"Objects": keys[start : start + _DELETE_AT_ONCE], "Quiet": True}
            with s3_errors(self.url):
                answer = self.client.delete_objects(Bucket=self.bucket, Delete=batch)
            for error in answer.get("Errors", ()):
                if error.get("Code") != "NoSuchKey":
                    where = f"s3://{self.bucket}/{error.get('Key')}"
                    raise StoreUnavailable.for_store(where, error.get("Code"))

    def sweep_parts(self, older_than: dt.datetime) -> list[str]:
        """Abort the uploads that killed writers left behind; give the names.

        Parameters
        ----------
        older_than
            Only uploads that began before this time (aware).
        """
        swept = []
        with s3_errors(self.url):
            pages = self.client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < older_than:
                        place = {"Bucket": self.bucket, "Key": upload["Key"]}
                        self.client.abort_multipart_upload(**place, UploadId=upload["UploadId"])
                        swept.append(upload["Key"].removeprefix(self.prefix))
        return sorted(swept)

    def read_url(self, name: str, valid_s: int) -> str:
        """Sign a URL with which anybody can read an object until it expires.

        The signature is made here; the server is asked only whether the object is there.
        """
        if not 1 <= valid_s <= MAX_URL_S:
            why = f"{valid_s} s is not from 1 s to {MAX_URL_S} s"
            raise NoReadUrl.for_store(self.url_of(name), why)
        if self.stat(name) is None:
            raise MissingCopy.for_file(self.url_of(name))
        with s3_errors(self.url_of(name)):
            signed = self.client.generate_presigned_url(
                "get_object", Params=self._place(name), ExpiresIn=valid_s
            )
        return str(signed)

    def _list(self, below: str) -> Iterator[StoredFile]:
        with s3_errors(self.url):
            pages = self.client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket, Prefix=below):
                for item in page.get("Contents", ()):
                    name = item["Key"].removeprefix(self.prefix)
                    # A name that ends with a slash stands for an empty folder in some tools.
                    if not name.endswith("/") and not any(map(is_hidden, name.split("/"))):
                        tag = item.get("ETag", "")
                        yield StoredFile(name, item["Size"], _utc(item["LastModified"]), tag)

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + name}

    def _head(self, name: str) -> dict[str, Any] | None:
        try:
            with s3_errors(self.url_of(name)):
                head: dict[str, Any] = self.client.head_object(
                    **self._place(name), ChecksumMode="ENABLED"
                )
        except MissingCopy:
            self._check_bucket()
            return None
        return head

    def _check_bucket(self) -> None:
        """Tell a missing object from a missing bucket: to a HEAD both are a bare 404."""
        if not self._bucket_is_there:
            with s3_errors(self.url):
                self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
            self._bucket_is_there = True

    def _compare(self, source: str, head: dict[str, Any], target: str) -> None:
        copy = self._head(target)
        if copy is None:
            raise MissingCopy.for_file(self.url_of(target))
        if head["ContentLength"] == copy["ContentLength"]:
            for key in ("ChecksumSHA256", "ETag"):
                if key in head and head[key] == copy.get(key):
                    return
        # Multipart checksums depend on how the object was cut into parts: then the bytes decide.
        found, expected = self._sha256(target), self._sha256(source)
        if found != expected:
            raise DigestMismatch.for_copy(self.url_of(target), expected, found)

    def _sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with self.open(name) as file:
            while data := file.read(READ_BYTES):
                digest.update(data)
        return digest.hexdigest()


def _utc(time: dt.datetime) -> dt.datetime:
    return time.astimezone(dt.UTC)
