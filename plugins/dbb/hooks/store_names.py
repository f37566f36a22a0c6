"""The names that a store takes: strict for what it writes, wider for what it finds.

A name that the backbone gives is a ``SafeName``. A name that a listing showed may be anything that
some program wrote, and a file under such a name must still be readable, movable (into quarantine)
and deletable. Of those names this asks only what keeps a store within its root: relative, whole
segments, no ``..``, no NUL.
"""

from __future__ import annotations

from dbb.errors import UnsafeName
from dbb.model.kind import Kind
from dbb.model.lfn import escape_name
from dbb.model.names import SafeName


def is_hidden(segment: str) -> bool:
    """Say whether a part of a path is a file still being written, or is none of our business."""
    return segment.startswith(".") or segment.endswith(".part")


def target_name(name: str) -> str:
    """Accept the name of a file to be written.

    Raises
    ------
    UnsafeName
        If it is no ``SafeName``, or no listing would ever show a file of that name. Objects of the
        Large File Annex keep their own names, which may have any character in their parts.
    """
    annex = f"{Kind.LFA.scope}/"
    if name.startswith(annex):
        escape_name(name.removeprefix(annex))
        return found_name(name)
    target = SafeName.parse(name)
    if any(is_hidden(segment) for segment in target.split("/")):
        raise UnsafeName.for_name(name, "files ending in .part are still being written")
    return target


def found_name(name: str) -> str:
    """Accept the name of a file that is there, as a listing shows it.

    Raises
    ------
    UnsafeName
        If it is empty or absolute, has an empty, hidden or ``..`` segment, or a NUL.
    """
    if not isinstance(name, str) or not name:
        raise UnsafeName.for_name(str(name), "it is empty")
    if "\0" in name:
        raise UnsafeName.for_name(name, "it has a NUL")
    for segment in name.split("/"):
        if not segment:
            raise UnsafeName.for_name(name, "it is absolute or has an empty segment")
        if is_hidden(segment):  # `.` and `..` are among them
            raise UnsafeName.for_name(name, f"the part {segment[:40]!a} is hidden")
    return name


def folder_name(prefix: str) -> str:
    """Accept a folder to be listed: empty for the root, or a name that ends with ``/``.

    The slash is asked for so that ``raw`` can never stand for ``rawother/`` too.

    Raises
    ------
    UnsafeName
        If the slash is missing, or the rest is no name.
    """
    if prefix:
        if not prefix.endswith("/"):
            raise UnsafeName.for_name(prefix, "a folder ends with a slash")
        found_name(prefix[:-1])
    return prefix
