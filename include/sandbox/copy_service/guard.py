"""Keep the service inside the places it was given, and name the link between two of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sandbox.copy_service.errors import CopyFailed, Refused

_LOCAL = frozenset({"", "localhost", "127.0.0.1"})
# A site's WebDAV door to its folder: what Rucio pairs with a bucket. This service goes to the folder.
FOLDER_SCHEMES = frozenset({"file", "davs"})
S3_SCHEMES = frozenset({"s3", "s3s"})


def local_path(url: str) -> Path:
    """Give the path of a ``file://`` or ``davs://`` URL of this machine."""
    parts = urlsplit(url)
    if (parts.hostname or "") not in _LOCAL:
        raise Refused(400, f"{url}: only files of this machine can be copied, not {parts.hostname}")
    path = Path(os.path.normpath(unquote(parts.path)))
    if "\0" in str(path) or not path.is_absolute():
        raise Refused(400, f"{url}: not an absolute path")
    return path


@dataclass(frozen=True, slots=True)
class Guard:
    """Hold the prefixes below which the service may read and write."""

    folders: tuple[Path, ...]
    buckets: tuple[str, ...]

    @classmethod
    def of(cls, prefixes: list[str]) -> Guard:
        """Take URL prefixes: ``file:///folder`` or ``s3s://host/bucket[/key]``."""
        schemes = {prefix: urlsplit(prefix).scheme for prefix in prefixes}
        unknown = [p for p, scheme in schemes.items() if scheme not in {"file", *S3_SCHEMES}]
        if unknown or not prefixes:
            raise ValueError(f"prefixes must be file:// or s3(s):// URLs, not {unknown or 'none'}")
        return cls(
            folders=tuple(local_path(p) for p, scheme in schemes.items() if scheme == "file"),
            buckets=tuple(p.rstrip("/") for p, scheme in schemes.items() if scheme in S3_SCHEMES),
        )

    def prefix(self, url: str) -> str:
        """Give the allowed prefix that a URL lies below; refuse a URL outside all of them."""
        scheme = urlsplit(url).scheme
        if scheme in FOLDER_SCHEMES:
            path = local_path(url)
            for folder in self.folders:
                if path.is_relative_to(folder) and path != folder:
                    return str(folder)
        elif scheme in S3_SCHEMES:
            inside = ".." not in urlsplit(url).path.split("/")
            for bucket in self.buckets:
                if inside and url.startswith(bucket + "/"):
                    return bucket
        else:
            raise Refused(400, f"{url}: scheme {scheme!r} is not supported; use file or s3s")
        raise Refused(403, f"{url}: outside the prefixes that this service may touch")

    def link(self, source: str, destination: str) -> str:
        """Name the pair of places between which a file moves; limits are per link."""
        return f"{self.prefix(source)} -> {self.prefix(destination)}"

    def real_path(self, url: str) -> Path:
        """Give the path to open, after symbolic links: these must not lead out either.

        Checked again at every copy, because links change after a job was accepted.
        """
        folder = Path(self.prefix(url))
        if not folder.is_dir():
            raise CopyFailed(f"STORE MISSING: {folder} is no folder; is its file system mounted?")
        path = Path(os.path.realpath(local_path(url)))
        if not path.is_relative_to(os.path.realpath(folder)):
            raise CopyFailed(f"REFUSED: {url} leaves {folder} through a symbolic link")
        return path
