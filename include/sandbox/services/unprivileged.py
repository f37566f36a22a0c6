"""Run PostgreSQL where the caller is root, which PostgreSQL refuses to be."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sandbox.errors import SandboxError

_NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def prefix() -> list[str]:
    """Give the words to put before a command so that it does not see itself as root.

    A user namespace is tried first: files keep their owner, so it works in any folder. Where the
    kernel refuses namespaces, the command becomes the user `nobody`.
    """
    if os.geteuid() != 0:
        return []
    for words in (_NAMESPACE, _NOBODY):
        probe = [*words, "true"]
        if (
            shutil.which(words[0])
            and subprocess.run(probe, check=False, capture_output=True).returncode == 0
        ):
            return words
    raise SandboxError(
        "PostgreSQL does not run as root, and neither unshare nor setpriv works here",
        where="postgres",
        next_action="Run ./sandbox as an ordinary user.",
    )


def hand_over(folder: Path, words: list[str]) -> None:
    """Give a folder to the user that `prefix` chose, where that is another user."""
    if words == _NOBODY:
        shutil.chown(folder, "nobody", "nogroup")
