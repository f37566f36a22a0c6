"""Objects of the Large File Annex: what an event says of one, and what is made of it.

Events are poor: most carry a URL and a generator and nothing else; the generator of the event is not
that of the key; a size may be negative; a MIME type may be ``YAML``. So what can be computed is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote

from dbb.errors import BadDayObs, LfaEventUnusable
from dbb.model.day_obs import DayObs

_MD5 = re.compile(r"[0-9a-f]{32}")
_MIME = {
    "yaml": "application/yaml",
    "json": "application/json",
    "fits": "application/fits",
}
_SUFFIXES = {
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "json": "application/json",
    "fits": "application/fits",
    "fits.fz": "application/fits",
    "csv": "text/csv",
    "txt": "text/plain",
    "png": "image/png",
    "jpg": "image/jpeg",
    "p": "application/python-pickle",
    "parq": "application/vnd.apache.parquet",
    "parquet": "application/vnd.apache.parquet",
}
_DATE = re.compile(r"/(\d{4})/(\d{2})/(\d{2})/", re.ASCII)
MAX_BYTES = 2**63 - 1
"""The largest size that a database keeps."""
MAX_KEY_BYTES = 1024 + 64
"""S3's longest key and bucket."""
UNKNOWN_MIME = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Say that an object exists, or is said to.

    Parameters
    ----------
    bucket, key
        Where it is.
    csc, generator
        Who made it, by the topic, or the key where there is no topic; and with what, by the key.
    mime_type
        What it is, normalised.
    day_obs
        The day in its key; 0 where there is none.
    obs_id
        The image it belongs to, if any.
    declared_bytes, declared_md5
        What the event says; None and empty where it says nothing that could be meant.
    source
        Who told us: ``event``, ``efd``, ``listing`` or ``operator``.
    """

    bucket: str
    key: str
    csc: str
    generator: str
    mime_type: str
    day_obs: int
    obs_id: str = ""
    declared_bytes: int | None = None
    declared_md5: str = ""
    source: str = "event"

    @classmethod
    def of_event(cls, topic: str, fields: Mapping[str, Any], source: str = "event") -> Self:
        """Read an event ``largeFileObjectAvailable``.

        Parameters
        ----------
        topic
            ``lsst.sal.<CSC>.logevent_largeFileObjectAvailable``, with a prefix or none.
        fields
            What it carries.
        source
            Who told us.

        Raises
        ------
        LfaEventUnusable
            If its URL is none of an object: ``file://`` is what a producer sends whose upload
            failed.
        """
        url = fields.get("url")
        if not isinstance(url, str):
            raise LfaEventUnusable.for_event(topic, "it has no url")
        bucket, key = _place(topic, url)
        parts = topic.split(".")
        size, md5 = fields.get("byteSize"), str(fields.get("checkSum") or "").lower()
        is_size = isinstance(size, int) and not isinstance(size, bool) and 0 < size <= MAX_BYTES
        return cls(
            bucket=bucket,
            key=key,
            csc=_plain(parts[-2]) if len(parts) > 1 else _csc_of(key),
            generator=_generator_of(key),
            mime_type=normalise_mime(str(fields.get("mimeType") or ""), key),
            day_obs=_day_of(key),
            obs_id=_plain(str(fields.get("id") or "")),
            declared_bytes=size if is_size else None,
            declared_md5=md5 if _MD5.fullmatch(md5) else "",
            source=source,
        )

    @classmethod
    def of_listing(cls, bucket: str, key: str) -> Self:
        """Make an announcement of an object that nobody announced.

        Raises
        ------
        LfaEventUnusable
            If its key is no text that a database takes.
        """
        _check_key("listing", bucket, key)
        return cls(
            bucket, key, _csc_of(key), _generator_of(key), normalise_mime("", key), _day_of(key),
            source="listing",
        )  # fmt: skip

    @property
    def folder(self) -> str:
        """Give the folder above the date in its key; empty where no store lists such a folder."""
        match = _DATE.search(self.key)
        folder = self.key[: match.start()] if match else ""
        is_listed = all(
            part and not part.startswith(".") and not part.endswith(".part")
            for part in folder.split("/")
        )
        return folder if is_listed else ""

    @property
    def url(self) -> str:
        """Give the object's URL."""
        return f"s3://{self.bucket}/{self.key}"


def _place(topic: str, url: str) -> tuple[str, str]:
    """Read bucket and key: ``s3://`` has the key as it is, ``https://`` as URLs write it."""
    scheme, colon, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme == "s3" and colon:
        bucket, _, key = rest.partition("/")
    elif scheme in ("http", "https") and colon:
        path = re.split("[?#]", rest.partition("/")[2], maxsplit=1)[0].lstrip("/")
        try:
            bucket, _, key = unquote(path, errors="strict").partition("/")
        except UnicodeError:
            raise LfaEventUnusable.for_event(topic, f"its url {url[:80]!a} is no UTF-8") from None
    else:
        raise LfaEventUnusable.for_event(topic, f"its url is {url[:80]!a}, which is no object's")
    _check_key(topic, bucket, key)
    return bucket, key


def _check_key(topic: str, bucket: str, key: str) -> None:
    segments = key.split("/")
    if not bucket or not key or "\0" in key or any(part in ("", ".", "..") for part in segments):
        raise LfaEventUnusable.for_event(topic, f"{bucket[:80]!a}/{key[:80]!a} names no object")
    try:
        if len(f"{bucket}/{key}".encode()) > MAX_KEY_BYTES:
            raise LfaEventUnusable.for_event(topic, f"{key[:80]!a}… is too long for a key")
    except UnicodeEncodeError:
        raise LfaEventUnusable.for_event(topic, f"the key {key[:80]!a} is no UTF-8") from None


def _plain(text: str) -> str:
    """Write text so that every database takes it: no NUL, no lone surrogate."""
    return text[:100].encode("utf-8", "replace").decode().replace("\0", "?")


def _csc_of(key: str) -> str:
    return key.split("/", maxsplit=1)[0].partition(":")[0]


def _generator_of(key: str) -> str:
    parts = key.split("/")
    return parts[1] if len(parts) > 2 else ""


def _day_of(key: str) -> int:
    match = _DATE.search(key)
    try:
        return DayObs.parse("".join(match.groups())).value if match else 0
    except BadDayObs:
        return 0


def normalise_mime(told: str, key: str) -> str:
    """Name the MIME type of an object: what is told if it is one, else by the key's ending."""
    word = told.strip().lower()
    if word in _MIME:
        return _MIME[word]
    if re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", word):
        return word
    leaf = key.rpartition("/")[2].lower()
    for ending in sorted(_SUFFIXES, key=len, reverse=True):
        if leaf.endswith("." + ending):
            return _SUFFIXES[ending]
    return UNKNOWN_MIME


@dataclass(frozen=True, slots=True)
class LfaObject:
    """Hold one object as the ledger's database knows it."""

    key: str
    bucket: str
    csc: str
    generator: str
    mime_type: str
    day_obs: int
    declared_bytes: int | None
    declared_md5: str
    source: str
    action: str
    is_known: bool
    state: str
    code: str
    reason: str
    size_bytes: int | None
    sha256: str
    adler32: str
    crc32c: str
    unit: str
    announced_at: Any
    md5: str
    stamp: str
    doubt: str
    dataset_id: str
