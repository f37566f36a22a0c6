"""Write one S3 object: it appears whole, with a SHA-256 that the server has checked."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dbb.errors import DigestMismatch
from dbb.hooks.s3_errors import error_code, s3_errors

PART_BYTES = 16 * 1024 * 1024
"""S3 takes 10,000 parts: objects of up to 160 GB."""


class S3Upload:
    """Take bytes; send them as one put when they are few, as a multipart upload otherwise.

    Parameters
    ----------
    client, place
        The S3 client, and ``Bucket`` and ``Key``.
    url
        What errors call it.
    """

    def __init__(self, client: Any, place: dict[str, str], url: str) -> None:
        self._client = client
        self._place = place
        self._url = url
        self._buffer = bytearray()
        self._size_bytes = 0
        self._upload_id = ""
        self._parts: list[dict[str, Any]] = []
        self._part_digests = b""

    def write(self, data: bytes, /) -> int:
        """Append bytes; return how many."""
        self._buffer += data
        self._size_bytes += len(data)
        while len(self._buffer) > PART_BYTES:  # never all of it, so that the last part has some
            with s3_errors(self._url):
                with memoryview(self._buffer) as view:
                    part = bytes(view[:PART_BYTES])
                self._send_part(part)
            del self._buffer[:PART_BYTES]
        return len(data)

    def finish(self) -> None:
        """Make the object appear.

        Raises
        ------
        DigestMismatch
            If the server says that it keeps other bytes. They stay under the name until the next
            attempt: by now they may be those of another writer, who would be wronged by a deletion.
        """
        with s3_errors(self._url):
            if self._upload_id:
                self._send_part(bytes(self._buffer))
                checksum = f"{_base64(hashlib.sha256(self._part_digests))}-{len(self._parts)}"
                answer = self._complete()
            else:
                checksum = _base64(hashlib.sha256(self._buffer))
                data = bytes(self._buffer)
                answer = self._client.put_object(**self._place, Body=data, ChecksumSHA256=checksum)
            self._compare(answer, checksum)

    def abort(self) -> None:
        """Forget what was sent; what cannot be forgotten now is swept later."""
        if self._upload_id:
            with suppress(ClientError, BotoCoreError):
                self._client.abort_multipart_upload(**self._place, UploadId=self._upload_id)

    def _send_part(self, data: bytes) -> None:
        if not self._upload_id:
            answer = self._client.create_multipart_upload(**self._place, ChecksumAlgorithm="SHA256")
            self._upload_id = answer["UploadId"]
        number = len(self._parts) + 1
        digest = hashlib.sha256(data)
        answer = self._client.upload_part(
            **self._place,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=data,
            ChecksumSHA256=_base64(digest),
        )
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumSHA256" in answer:  # a server that ignores checksums wants none back
            part["ChecksumSHA256"] = answer["ChecksumSHA256"]
        self._parts.append(part)
        self._part_digests += digest.digest()

    def _complete(self) -> dict[str, Any]:
        parts = {"Parts": self._parts}
        try:
            answer: dict[str, Any] = self._client.complete_multipart_upload(
                **self._place, UploadId=self._upload_id, MultipartUpload=parts
            )
        except ClientError as error:
            # An answer that got lost makes boto3 ask again, and then the upload is there no more.
            # Whether the object is ours, its checksum tells.
            if error_code(error) != "NoSuchUpload":
                raise
            answer = self._client.head_object(**self._place, ChecksumMode="ENABLED")
        return answer

    def _compare(self, answer: dict[str, Any], checksum: str) -> None:
        """Hold the server's own words against what was sent: the checksum, or else the size."""
        found = answer.get("ChecksumSHA256")
        if found is None:
            head = self._client.head_object(**self._place)
            is_ours = head["ETag"] == answer["ETag"]
            if is_ours and head["ContentLength"] != self._size_bytes:
                raise DigestMismatch.for_copy(
                    self._url, f"{self._size_bytes} bytes", f"{head['ContentLength']} bytes"
                )
        elif found != checksum:
            raise DigestMismatch.for_copy(self._url, checksum, found)


def _base64(digest: Any) -> str:
    return base64.b64encode(digest.digest()).decode()
