"""Objects of the Large File Annex: what an event says of one, and what is made of it.

Events are poor: most carry a URL and a generator and nothing else; the generator of the event is not
that of the key; a size may be negative; a MIME type may be ``YAML``. So what can be computed is.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote, urlsplit

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
        return cls(
            bucket=bucket,
            key=key,
            csc=parts[-2] if len(parts) > 1 else _csc_of(key),
            generator=_generator_of(key),
            mime_type=normalise_mime(str(fields.get("mimeType") or ""), key),
            day_obs=_day_of(key),
            obs_id=str(fields.get("id") or "")[:100],
            declared_bytes=size if isinstance(size, int) and size > 0 else None,
            declared_md5=md5 if _MD5.fullmatch(md5) else "",
            source=source,
        )

    @classmethod
    def of_listing(cls, bucket: str, key: str) -> Self:
        """Make an announcement of an object that nobody announced."""
        return cls(
            bucket, key, _csc_of(key), _generator_of(key), normalise_mime("", key), _day_of(key),
            source="listing",
        )  # fmt: skip


def _place(topic: str, url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    path = unquote(parts.path).lstrip("/")
    if parts.scheme == "s3":
        bucket, key = parts.netloc, path
    elif parts.scheme in ("http", "https"):
        bucket, _, key = path.partition("/")
    else:
        raise LfaEventUnusable.for_event(topic, f"its url is {url[:80]!a}, which is no object's")
    segments = key.split("/")
    if not bucket or not key or "\0" in key or any(part in ("", ".", "..") for part in segments):
        raise LfaEventUnusable.for_event(topic, f"its url is {url[:80]!a}, which names no object")
    return bucket, key


def _csc_of(key: str) -> str:
    return key.split("/", maxsplit=1)[0].partition(":")[0]


def _generator_of(key: str) -> str:
    parts = key.split("/")
    return parts[1] if len(parts) > 2 else ""


def _day_of(key: str) -> int:
    match = re.search(r"/(\d{4})/(\d{2})/(\d{2})/", key)
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
class LfaClass:
    """Say what becomes of the objects of a class; ``*`` stands for anything.

    Parameters
    ----------
    csc, generator, mime_type
        Which objects.
    action
        ``replicate``: kept and copied under their own name.
    """

    csc: str
    generator: str
    mime_type: str
    action: str

    def fits(self, found: Announcement) -> bool:
        """Say whether an object is of this class."""
        pairs = ((found.csc, self.csc), (found.generator, self.generator))
        return all(fnmatch.fnmatchcase(*pair) for pair in pairs) and fnmatch.fnmatchcase(
            found.mime_type, self.mime_type
        )


REPLICATE = "replicate"


def classify(classes: Sequence[LfaClass], found: Announcement) -> tuple[str, bool]:
    """Give the action for an object, and whether a class names it."""
    for each in classes:
        if each.fits(found):
            return each.action, True
    return REPLICATE, False


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
