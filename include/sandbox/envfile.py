"""Write and read KEY=VALUE files that a shell can source and Python can parse."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.private_file import write_private

_KEY = re.compile(r"[A-Z][A-Za-z0-9_]*\Z")


def write_env(path: Path, values: Mapping[str, str]) -> None:
    """Write all values at once, readable by the owner only, one sorted line each.

    Values are quoted only where a shell needs it, so that plain ones stay plain.
    """
    for key, value in values.items():
        if not _KEY.match(key) or "\n" in value:
            raise ValueError(f"{key!r} is no name, or its value has a line break")
    lines = (f"{key}={shlex.quote(values[key])}\n" for key in sorted(values))
    write_private(path, "".join(lines))


def read_env(path: Path) -> dict[str, str]:
    """Read what `write_env` wrote; comments and empty lines are skipped."""
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise SandboxError(
            "There is no sandbox yet", where=str(path), next_action="Run `./sandbox up` first."
        ) from error
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        words = shlex.split(value)
        if not equals or not _KEY.match(key) or len(words) > 1:
            raise SandboxError(
                f"Line {number} is not KEY=VALUE",
                where=str(path),
                next_action="Run `./sandbox up`, which writes the file anew.",
            )
        values[key] = words[0] if words else ""
    return values
