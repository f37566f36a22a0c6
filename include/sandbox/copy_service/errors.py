"""Say why a copy or a request failed, in words that Rucio stores and an operator reads.

::

    CopyServiceError
    ├── Refused        the request is wrong: 400, 403 or 409, nothing was stored
    └── CopyFailed     one file was not copied; `reason` goes to the rule
        └── Interrupted    cancelled or shut down in mid-copy: not a fault of the file
"""

from __future__ import annotations


class CopyServiceError(Exception):
    """Stand above every error of the copy service."""


class Refused(CopyServiceError):
    """Refuse a request with an HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CopyFailed(CopyServiceError):
    """End one file's copy; the destination is as it was before."""


class Interrupted(CopyFailed):
    """Leave a copy because its job was cancelled or the service ends."""
